"""Bulletins (S8, N5, N6): what inspections found is made public, proved, corrected, withdrawn, and at last without names."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from dandang.slice import cast
from dandang.year import people
from dandang.year.lines.inspections import Visit
from dandang.year.people import Member
from dandang.year.play import Days, at, on
from dandang.year.stage import Case, Line, Stage

DRAFTED: Final = date(2024, 3, 25)
PUBLISHED: Final = on(2024, 3, 26, 8, 30)
CORRECTED: Final = date(2024, 4, 8)
WITHDRAWN: Final = date(2024, 4, 15)
EXPIRED: Final = date(2025, 3, 27)
"""After twelve months the names are taken away."""

LEGAL_BASIS: Final = "中华人民共和国政府信息公开条例"
UNNAMED_TITLE: Final = "关于一起履职不力问题的通报(虚构)"
UNNAMED_TEXT: Final = "检查发现一单位重点工作推进不力,已责令限期整改,现予通报(虚构)。"
PRESS: Final = ("NEWSPAPER", "TV")
SCREEN: Final = b"%PDF-1.7\n% made up for the year: the page or the broadcast that shows "

Acting = Generator[datetime, None, None]


@dataclass(frozen=True, slots=True)
class Exposure:
    """What is made public: the finding, who is responsible, whether they are named, and where."""

    finding: Callable[[], Case]
    who: Member
    named: bool
    channels: tuple[str, ...]

    def draft(self) -> dict[str, Any]:
        """Return the draft."""
        unnamed = {"title": UNNAMED_TITLE, "text": UNNAMED_TEXT}
        form = {"findings": [self.finding().id], "named": self.named, "channels": list(self.channels)}
        if not self.named:
            return form | unnamed | {"legal_basis": LEGAL_BASIS}
        name, post = self.who.row.name, self.who.row.post
        return form | {
            "title": f"关于{unit_name(self.who.unit)}履职不力问题的通报(虚构)",
            "text": f"{unit_name(self.who.unit)}{post}{name}推进重点工作不力,已责令限期整改,现予通报(虚构)。",
            "unnamed_title": UNNAMED_TITLE,
            "unnamed_text": UNNAMED_TEXT,
            "legal_basis": LEGAL_BASIS,
        }


def unit_name(code: str) -> str:
    """Return the name of a unit."""
    return next(unit.name for unit in cast.city().units if unit.code == code)


def approve(line: Line, bulletin: Case) -> None:
    """Have the three offices approve what waits for them."""
    line.take(people.DISCIPLINE, bulletin, "approve_discipline")
    line.take(people.SUPERVISE_SECOND, bulletin, "approve_organisation")
    line.take(people.MEDIA, bulletin, "approve_media")


def prove(line: Line, bulletin: Case, exposure: Exposure, action: str, state: str, turn: int) -> None:
    """Have the publicity department prove what newspaper and television brought, once they were given it."""
    for channel in PRESS:
        if channel not in exposure.channels:
            continue
        given = line.listed(
            people.MEDIA,
            "notification",
            "/publications",
            lambda each, channel=channel: _is_given(each, channel, state, turn),  # type: ignore[misc]
            bulletin=bulletin.id,
        )
        content = SCREEN + f"{line.name} {action} {turn} {channel}".encode()
        proof = line.post(people.MEDIA, "notification", "/proofs", file=("证明.pdf", content, "application/pdf"))
        publication = Case("notification", "publications", str(given["id"]))
        brought = f"第{turn}次-{action}-{channel}(虚构)"
        line.take(people.MEDIA, publication, action, proof_sha256=proof["sha256"], external_id=brought)


def _is_given(publication: Mapping[str, Any], channel: str, state: str, turn: int) -> bool:
    """Say whether the press has the document: until then the publication bears no id of our own."""
    return (
        publication["channel"] == channel
        and publication["state"] == state
        and publication["round"] == turn
        and str(publication["external_id"]).startswith(publication["id"])
    )


def published(
    line: Line, exposure: Exposure, refuse: Callable[[Line, Mapping[str, Any]], None]
) -> Generator[datetime, None, Case]:
    """Have a bulletin drafted, approved by three offices, scheduled, posted on every channel and proved."""
    yield at(DRAFTED)
    draft = exposure.draft()
    refuse(line, draft)
    bulletin = line.open(people.SUPERVISE, "supervision", "bulletins", **draft)
    line.take(people.SUPERVISE, bulletin, "submit")
    approve(line, bulletin)
    line.take(people.SUPERVISE, bulletin, "schedule", publish_at=PUBLISHED.isoformat())
    yield at(PUBLISHED.date())
    prove(line, bulletin, exposure, "confirm", "POSTED", 1)
    line.reaches(people.MEDIA, bulletin, "PUBLISHED")
    return bulletin


def nothing(line: Line, draft: Mapping[str, Any]) -> None:
    """Try nothing that is refused."""


def unfit(line: Line, draft: Mapping[str, Any]) -> None:
    """Try what must not be public, and what has no legal basis."""

    def tried(**changes: Any) -> Any:
        return line.open(people.SUPERVISE, "supervision", "bulletins", **{**draft, **changes})

    text = draft["text"]
    line.refused("PII_FORBIDDEN", lambda: tried(text=f"{text}身份证号420202197501010001。"))
    line.refused("PII_FORBIDDEN", lambda: tried(text=f"{text}该同志家住黄石港区。"))
    line.refused("LEGAL_BASIS_MISSING", lambda: tried(legal_basis=""))


def standing(stage: Stage, name: str, exposure: Exposure) -> Days:
    """Publish a bulletin that stands for its year."""
    line = Line(stage, name)
    yield from published(line, exposure, nothing)


def expiring(stage: Stage, name: str, exposure: Exposure) -> Days:
    """Publish a bulletin that names somebody; after twelve months the names are taken away."""
    line = Line(stage, name)
    bulletin = yield from published(line, exposure, unfit)
    yield at(EXPIRED)
    line.reaches(people.MEDIA, bulletin, "EXPIRED")
    line.tell(
        "点名通报:三家会签、四个渠道发布,一年后去标识",
        "named in public; the names are taken away after a year",
        (bulletin, people.SUPERVISE),
    )


def corrected(stage: Stage, name: str, exposure: Exposure) -> Days:
    """Correct a bulletin after it was published: approved again by three offices, and proved again."""
    line = Line(stage, name)
    bulletin = yield from published(line, exposure, nothing)
    yield at(CORRECTED)
    line.take(
        people.SUPERVISE,
        bulletin,
        "propose_correction",
        title=UNNAMED_TITLE,
        text="检查发现一单位两项重点工作推进不力,已责令限期整改,现予通报(虚构)。",
        correction_text="原通报所称一项重点工作应为两项,特此更正(虚构)。",
        reason="事实表述有误(虚构)",
    )
    approve(line, bulletin)
    prove(line, bulletin, exposure, "confirm", "POSTED", 2)
    line.reaches(people.MEDIA, bulletin, "PUBLISHED")
    line.tell("通报发布后更正", "corrected after it was published", (bulletin, people.SUPERVISE))


def withdrawn(by: cast.Person) -> Callable[[Stage, str, Exposure], Days]:
    """Return what has `by` take a bulletin back from every channel, with a correction in each."""

    def play(stage: Stage, name: str, exposure: Exposure) -> Days:
        line = Line(stage, name)
        bulletin = yield from published(line, exposure, nothing)
        yield at(WITHDRAWN)
        line.take(
            by,
            bulletin,
            "withdraw",
            reason_code="FACTUAL_ERROR",
            correction_text="此前通报的责任单位有误,现予撤回,特此更正(虚构)。",
            reason="核对后发现责任单位有误(虚构)",
        )
        prove(line, bulletin, exposure, "retract", "WITHDRAWING", 1)
        line.reaches(people.MEDIA, bulletin, "WITHDRAWN")
        line.tell("通报发布后撤回并更正", "withdrawn from every channel", (bulletin, people.SUPERVISE))

    return play


ALL: Final = (*PRESS, "WECHAT", "INTERNAL")
PLANS: Final = (
    ("bulletin-expiring", expiring, True, ALL),
    ("bulletin-corrected", corrected, False, ("NEWSPAPER", "WECHAT")),
    ("bulletin-withdrawn-1", withdrawn(people.SUPERVISE), True, (*PRESS, "WECHAT")),
    ("bulletin-standing-1", standing, False, ("WECHAT", "INTERNAL")),
    ("bulletin-withdrawn-2", withdrawn(people.DISCIPLINE_SECOND), False, ("INTERNAL",)),
    ("bulletin-standing-2", standing, False, ("TV",)),
    ("bulletin-standing-3", standing, True, ("INTERNAL",)),
    ("bulletin-standing-4", standing, False, ("NEWSPAPER", "INTERNAL")),
)
"""The bulletins, each kind before the second of it."""

KINDS: Final = 4


def lines(stage: Stage, planned: Sequence[Visit], share: float) -> list[tuple[str, Days]]:
    """Return the lines of all bulletins; each is about a finding of these inspections, as far as there are enough."""
    about = [(visit, number) for number in (1, 2) for visit in planned if number <= len(visit.concerned)]
    made: list[tuple[str, Days]] = []
    for place, (name, play, named, channels) in enumerate(PLANS[: max(KINDS, round(len(PLANS) * share))]):
        visit, number = about[place % len(about)]
        finding = lambda visit=visit, number=number: visit.findings[number]  # noqa: E731
        exposure = Exposure(finding, visit.concerned[number - 1], named, channels)
        made.append((name, play(stage, name, exposure)))
    return made
