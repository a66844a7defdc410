"""Indicators (A5) and duty lists with joint review (A2, A3): what the responsible units and the counties commit to."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final

from dandang.sample import indicator_forms
from dandang.slice import cast
from dandang.slice.cast import Person
from dandang.year import people
from dandang.year.people import Member, People
from dandang.year.play import Days, at
from dandang.year.stage import Case, Line, Stage

YEAR: Final = 2024
PUBLISHED: Final = date(2024, 1, 3)
DRAWN_UP: Final = date(2024, 1, 15)
REVIEWED: Final = date(2024, 1, 22)
REVISED: Final = date(2024, 1, 29)
LATE: Final = date(2024, 3, 4)
LOCKED: Final = date(2024, 4, 1)
AMENDED: Final = date(2024, 7, 8)
AMENDMENT_REVIEWED: Final = date(2024, 7, 16)

OFFICES: Final = {
    "ORG": "黄石市委组织部",
    "DISC": "黄石市纪委监委",
    "SUPO": "黄石市委办公室",
    "SECTOR": "黄石市政府办公室",
}
"""Who speaks for which office in a joint review: a deputy head of this unit."""

TITLES: Final = (("GOAL", "60"), ("FUNCTION", "25"), ("PROBLEM", "15"))


class Panel:
    """The members of the joint reviews."""

    def __init__(self, everybody: People) -> None:
        self.members: dict[str, Person] = {}
        for office, unit in OFFICES.items():
            member = everybody.of(cast.unit_code(unit))[1]
            who = replace(member.who, subject=f"reviewer-{office.lower()}", roles=("REVIEWER",), everywhere=True)
            self.members[office] = who

    @property
    def form(self) -> list[dict[str, str]]:
        """The members, as a request names them."""
        return [{"cadre": str(who.cadre), "capacity": office} for office, who in self.members.items()]


def lines(stage: Stage, everybody: People, share: float) -> list[tuple[str, Days]]:
    """Return the lines of commitment: the indicators, then a list of each head who answers for some."""
    panel, published = Panel(everybody), dict[str, list[str]]()
    leading = {indicator.lead_unit for indicator in cast.city().indicators}
    helping = {unit for indicator in cast.city().indicators for unit in indicator.co_units}
    counties = [unit.code for unit in cast.city().units if unit.kind == "县(市、区)"]
    owners = [unit for unit in (*counties, *sorted(leading | helping)) if unit not in people.SPARED]
    kept = owners[: max(len(STORIES), round(len(owners) * share))]
    found = [("indicators", indicators(stage, published))]
    for number, unit in enumerate(kept):
        story = STORIES[number] if number < len(STORIES) else plain
        name = f"duty-{unit}"
        found.append((name, story(Line(stage, name), everybody.of(unit)[0], everybody.head(unit), panel, published)))
    return found


def indicators(stage: Stage, published: dict[str, list[str]]) -> Days:
    """Publish the 21 indicators of the year; note those of each unit that leads."""
    line = Line(stage, "indicators")
    yield at(PUBLISHED)
    for form in indicator_forms(cast.city(), YEAR):
        indicator = line.open(people.ASSESS, "assessment", "indicators", **form)
        line.take(people.ASSESS, indicator, "publish")
        published.setdefault(form["lead_unit"], []).append(indicator.id)


def items(unit: str, published: dict[str, list[str]], **changes: Any) -> list[dict[str, Any]]:
    """Return the items of a list: one of each orientation, the first for an indicator where the unit leads one."""
    made = [
        {
            "title": {"GOAL": "完成年度主要目标", "FUNCTION": "审批事项按期办结", "PROBLEM": "整改巡察反馈问题"}[source]
            + "(虚构)",
            "source": source,
            "measure": "按月统计(虚构)",
            "target": "100%",
            "due": "2024-12-20",
            "weight": weight,
        }
        | changes
        for source, weight in TITLES
    ]
    if published.get(unit):
        made[0]["indicator"] = published[unit][0]
    return made


def plain(line: Line, who: Member, head: Person, panel: Panel, published: dict[str, list[str]]) -> Days:
    """Have a list drawn up, reviewed with agreement, and locked by itself on the last day of March."""
    duty = yield from submitted(line, who, head, published)
    yield at(REVIEWED)
    review(line, duty, panel, "APPROVE")
    yield at(LOCKED)
    line.reaches(people.ASSESS, duty, "LOCKED")


def sent_back(line: Line, who: Member, head: Person, panel: Panel, published: dict[str, list[str]]) -> Days:
    """Have a list refused for its weights, sent back by the joint review, and approved in the second round."""
    yield at(DRAWN_UP)
    wrong = items(who.unit, published)
    wrong[0]["weight"] = "55"
    duty = draft(line, who, head, wrong)
    line.refused("WEIGHT_SUM", lambda: line.take(head, duty, "submit"))
    line.take(head, duty, "revise", items=items(who.unit, published))
    line.take(head, duty, "submit")
    yield at(REVIEWED)
    review(line, duty, panel, "RETURN")
    yield at(REVISED)
    line.take(head, duty, "revise", items=items(who.unit, published, target="不低于 95%"))
    line.take(head, duty, "submit")
    review(line, duty, panel, "APPROVE")
    yield at(LOCKED)
    line.reaches(people.ASSESS, duty, "LOCKED")
    line.tell(
        "清单被会审退回,修改后通过并锁定", "a duty list sent back, revised, approved and locked", (duty, people.ASSESS)
    )


def amended(line: Line, who: Member, head: Person, panel: Panel, published: dict[str, list[str]]) -> Days:
    """Have a locked list amended in the middle of the year, after another joint review."""
    duty = yield from submitted(line, who, head, published)
    yield at(REVIEWED)
    review(line, duty, panel, "APPROVE")
    yield at(AMENDED)
    line.take(head, duty, "amend", items=items(who.unit, published, target="不低于 90%"), reason="省定目标调整(虚构)")
    line.take(head, duty, "cosign")
    yield at(AMENDMENT_REVIEWED)
    line.take(people.ASSESS, duty, "review_amendment", members=panel.form)
    opinions(line, duty, panel, "APPROVE")
    line.until(people.ASSESS, duty, lambda found: found["list_version"] == 2, "the second version stands")
    line.tell("锁定后的清单年中经会审调整", "a locked duty list amended in the year", (duty, people.ASSESS))


def late(line: Line, who: Member, head: Person, panel: Panel, published: dict[str, list[str]]) -> Days:
    """Have a list submitted after its time: only with a reason, and marked."""
    yield at(DRAWN_UP)
    duty = draft(line, who, head, items(who.unit, published))
    yield at(LATE)
    line.refused("LATE_SUBMISSION", lambda: line.take(head, duty, "submit"))
    line.take(head, duty, "submit", reason="单位职能划转,清单重新核定(虚构)")
    review(line, duty, panel, "APPROVE")
    yield at(LOCKED)
    line.reaches(people.ASSESS, duty, "LOCKED")


def submitted(line: Line, who: Member, head: Person, published: dict[str, list[str]]) -> Any:
    """Have a list drawn up and submitted by the head of the unit whose list it is; return it."""
    yield at(DRAWN_UP)
    duty = draft(line, who, head, items(who.unit, published))
    line.take(head, duty, "submit")
    return duty


def draft(line: Line, who: Member, head: Person, made: Sequence[dict[str, Any]]) -> Case:
    """Draw up the list of a head's duties."""
    return line.open(
        head,
        "assessment",
        "duty-lists",
        owner_kind="CADRE",
        owner=who.cadre,
        year=YEAR,
        kind="DUTY",
        items=list(made),
    )


def review(line: Line, duty: Case, panel: Panel, conclusion: str) -> None:
    """Open the joint review of a submitted list, have every office give its opinion, and conclude."""
    line.take(people.ASSESS, duty, "open_review", members=panel.form)
    opinions(line, duty, panel, conclusion)


def opinions(line: Line, duty: Case, panel: Panel, conclusion: str) -> None:
    """Have every office give its opinion on the review that is open, and conclude; the discipline commission returns."""
    found = line.look(people.ASSESS, duty)
    reviewed = found["amendment"] or found
    case = Case("assessment", "joint-reviews", str(reviewed["review"]))
    first = reviewed["items"][0]["id"]
    for office, who in panel.members.items():
        if conclusion == "RETURN" and office == "DISC":
            comment = [{"item": first, "text": "目标值偏低(虚构)"}]
            line.take(who, case, "give_opinion", verdict="RETURN", item_comments=comment)
        else:
            line.take(who, case, "give_opinion", verdict="AGREE")
    reason = {"reason": "第一项目标值偏低(虚构)"} if conclusion == "RETURN" else {}
    line.take(people.ASSESS, case, "conclude", conclusion=conclusion, **reason)


STORIES: Final = (sent_back, amended, late)
"""What happens to the first lists; to the others nothing does."""
