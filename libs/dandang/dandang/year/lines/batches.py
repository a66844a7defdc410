"""The six batches (I12): nominated by last year's results, stopped at the gate, publicised, decided, appointed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from dandang.slice import cast
from dandang.year import people
from dandang.year.lines import adjustments, measures
from dandang.year.people import SPARED, Member, People
from dandang.year.play import Days, at
from dandang.year.stage import Case, Line, Stage

YEAR: Final = 2025
ADMONISHED: Final = date(2025, 1, 16)
"""When one of those nominated later is admonished: the effect lasts six months."""

OPENED: Final = date(2025, 5, 6)
PUBLICISED: Final = date(2025, 5, 7)
OBJECTED: Final = date(2025, 5, 12)
ADMONISHED_LATE: Final = date(2025, 5, 15)
DECIDED: Final = date(2025, 5, 16)
DECIDED_AT_LAST: Final = date(2025, 5, 26)
APPOINTED: Final = date(2025, 5, 28)

LEADS: Final = people.CADRE_OFFICE
REASON: Final = "经集体研究(虚构)"
IN_POST_SINCE: Final = date(2023, 5, 1)
"""Who is promoted held the present post for two years."""

LEAST: Final = 2
"""How many are chosen for a batch at least. Where fewer have a result of last year, nobody is: the batch is not opened."""

COMPETITORS: Final = 4
"""Three must be left to choose from when one is dropped."""

YOUNGER: Final = date(1975, 1, 1)
"""Who was born later is younger than the group that wants younger members."""

OUTSIDERS: Final = (("甲某(虚构)", "DOCTOR", date(1992, 3, 1)), ("乙某(虚构)", "MASTER", date(1995, 6, 1)))


@dataclass
class Choice:
    """Who is chosen for which batch: cadres whom no trouble befell, by last year's result, nobody for two of them."""

    everybody: People
    share: float
    found: dict[str, list[Member]] = field(default_factory=dict, init=False)

    def count(self, whole: int) -> int:
        """Return how many of a whole year's `whole` are chosen."""
        return max(LEAST, round(whole * self.share))

    def look(self, line: Line) -> None:
        """Look for candidates of every batch, those of one unit after the other."""
        excellent, competent = (results(line, grade) for grade in ("EXCELLENT", "COMPETENT"))
        left = list(self.everybody.untouched())

        def take(kind: str, known: set[str], count: int, fits: Callable[[Member], bool]) -> None:
            self.found[kind] = [each for each in left if each.cadre in known and fits(each)][:count]
            for each in self.found[kind]:
                left.remove(each)

        take("a", excellent, COMPETITORS, lambda who: born(who) >= date(1985, 1, 1) and seasoned(who))
        take("e", excellent, self.count(6), lambda who: born(who) >= date(1985, 1, 1))
        good = excellent | competent
        take("f", good, self.count(12), lambda who: born(who) >= date(1990, 1, 1) and seasoned(who))
        take("c", good, 1, lambda who: born(who) >= date(1982, 1, 1) and seasoned(who))
        take("d", good, self.count(8), lambda who: who.row.post_since <= date(YEAR - 10, 12, 31))


def results(line: Line, grade: str) -> set[str]:
    """Return the cadres whose assessment of last year ended in a grade."""
    found: set[str] = set()
    more: dict[str, Any] = {}
    while True:
        sought = {"year": YEAR - 1, "subject_kind": "CADRE", "state": "FINAL", "grade": grade, "limit": 200}
        page = line.ask(people.ASSESS, "assessment", "/annuals", **sought, **more)
        found |= {str(each["cadre"]) for each in page["items"]}
        if not page["next"]:
            return found
        more = {"cursor": page["next"]}


def born(who: Member) -> date:
    """Return the day of birth, which the dossier has."""
    number = who.row.id_no
    return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))


def seasoned(who: Member) -> bool:
    """Say whether somebody is long enough in the post to be promoted."""
    return who.row.post_since <= IN_POST_SINCE


def chosen(stage: Stage, choice: Choice) -> Days:
    """Look for candidates, before the batches open."""
    yield at(OPENED, 8)
    choice.look(Line(stage, "batch-candidates"))


def planned(line: Line, kind: str, title: str, *positions: Mapping[str, Any]) -> Case:
    """Have a batch planned, approved by the committee, and opened."""
    batch = line.open(LEADS, "incentive", "batches", kind=kind, year=YEAR, title=title, positions=list(positions))
    line.take(people.COMMITTEE, batch, "approve")
    line.take(LEADS, batch, "open")
    line.take(LEADS, batch, "select")
    return batch


def nominated(line: Line, batch: Case, who: Member, **more: Any) -> Case:
    """Have a cadre nominated for the position of a batch; the gate is asked at once."""
    return line.open(
        LEADS,
        "incentive",
        "candidates",
        batch=batch.id,
        position="P1",
        cadre=who.cadre,
        born_on=born(who).isoformat(),
        **more,
    )


def selected(line: Line, candidates: Sequence[Case]) -> None:
    """Have candidates put on the shortlist, and then selected."""
    for each in candidates:
        line.take(LEADS, each, "shortlist")
    for each in candidates:
        line.take(LEADS, each, "select", reason=REASON)


def blocked(line: Line, candidate: Case, *codes: str) -> None:
    """See that the gate stopped a candidate for these reasons, and that nobody gets past it."""

    def told(found: Any) -> bool:
        reasons = {each["code"] for each in found["reasons"]}
        return found["verdict"] == "BLOCKED" and reasons >= set(codes)

    line.until(LEADS, candidate, told, f"blocked: {', '.join(codes)}")
    line.refused("GATE_BLOCKED", lambda: line.take(LEADS, candidate, "shortlist"))
    line.take(LEADS, candidate, "drop", reason="资格核查未通过(虚构)")


def decide(line: Line, batch: Case) -> None:
    """Have the committee decide."""
    line.take(people.COMMITTEE, batch, "decide", reason=REASON)


def appointed(line: Line, batch: Case) -> None:
    """Have the appointments made."""
    line.take(LEADS, batch, "implement", appointed_on=APPOINTED.isoformat())


def admonished(line: Line, who: Member) -> None:
    """Have somebody admonished."""
    measures.delivered(line, who, "ADMONISH", people.COMMITTEE)


# ---- the batches


def competition(stage: Stage, choice: Choice, unit: str) -> Days:
    """Batch a, and scenario 17: who is admonished the day before the decision stops it; the committee drops them."""
    line = Line(stage, "batch-a")
    yield at(OPENED, 10)
    members = choice.found["a"]
    if len(members) < COMPETITORS:
        return
    post = f"副{_head(unit)}"
    batch = planned(
        line, "a", "集中比选一批(虚构)", {"key": "P1", "unit": unit, "post": post, "slots": 1, "level": "DEPUTY"}
    )
    candidates = [nominated(line, batch, who) for who in members]
    recalled = _recalled(line, choice.everybody)
    if recalled is not None:
        line.refused("NOT_ELIGIBLE", lambda: nominated(line, batch, recalled))
    for each in candidates:
        line.take(LEADS, each, "shortlist")
    yield at(PUBLICISED)
    line.take(LEADS, candidates[0], "select", reason=REASON)
    line.take(LEADS, batch, "publicize")
    line.refused("PUBLICITY_OPEN", lambda: decide(line, batch))
    yield at(ADMONISHED_LATE)
    admonished(line, members[0])
    yield at(DECIDED)
    line.refused("GATE_BLOCKED", lambda: decide(line, batch))
    line.reaches(people.COMMITTEE, batch, "SELECTING")
    line.refused("COMMITTEE_CONFIRMS", lambda: line.take(LEADS, candidates[0], "drop", reason=REASON))
    line.take(people.COMMITTEE, candidates[0], "drop", reason="决定前一日受到诫勉,取消人选(虚构)")
    line.take(LEADS, candidates[1], "select", reason=REASON)
    line.take(LEADS, batch, "publicize")
    yield at(DECIDED_AT_LAST)
    decide(line, batch)
    yield at(APPOINTED)
    appointed(line, batch)
    adjustments.change_post(line, members[1], post=post, since=APPOINTED, unit=unit, rank="COUNTY_DEPUTY")
    line.tell(
        "集中比选:拟任人选决定前一日受诫勉,决定被拒、退回遴选、部务会确认取消后另选",
        "stopped at the decision: admonished the day before, dropped by the committee, another chosen",
        (batch, LEADS),
        (candidates[0], LEADS),
        (candidates[1], LEADS),
    )


def outsiders(stage: Stage, unit: str) -> Days:
    """Batch b: masters and doctors for a public institution; without consent to keep their data nobody is nominated."""
    line = Line(stage, "batch-b")
    yield at(OPENED, 10)
    position = {"key": "P1", "unit": unit, "post": "专业技术岗位", "slots": len(OUTSIDERS), "public_institution": True}
    batch = planned(line, "b", "招硕引博一批(虚构)", position)

    def offered(name: str, degree: str, born_on: date, consent: str | None) -> Case:
        external = {"name": name, "degree": degree} | ({"consent_on": consent} if consent else {})
        return line.open(
            LEADS,
            "incentive",
            "candidates",
            batch=batch.id,
            position="P1",
            external=external,
            born_on=born_on.isoformat(),
        )

    line.refused("CONSENT_MISSING", lambda: offered(*OUTSIDERS[0], None))
    candidates = [offered(*each, "2025-04-20") for each in OUTSIDERS]
    yield at(PUBLICISED)
    selected(line, candidates)
    line.take(LEADS, batch, "publicize")
    yield at(DECIDED)
    decide(line, batch)
    yield at(APPOINTED)
    appointed(line, batch)
    line.tell("招硕引博:面向全国招引的硕士、博士", "masters and doctors from outside", (batch, LEADS))


def directed(stage: Stage, choice: Choice, barred: Member) -> Days:
    """Batch c: an aged group wants a younger member; who was admonished, and who was recalled, is stopped at the gate."""
    line = Line(stage, "batch-c")
    yield at(ADMONISHED)
    admonished(line, barred)
    yield at(OPENED, 10)
    unit, group = aged_group(choice.everybody)
    post = f"副{_head(unit)}"
    position = {"key": "P1", "unit": unit, "post": post, "slots": 1, "members_born": group}
    batch = planned(line, "c", "定向选用一批(虚构)", position)
    specialty = "城乡规划(虚构)"
    effect = nominated(line, batch, barred, specialty=specialty)
    blocked(line, effect, "EFFECT_PERIOD_ACTIVE")
    line.tell(
        "诫勉影响期内被提名,资格核查未通过,载明至何日",
        "stopped at the gate in an effect period, with the day on which it ends",
        (batch, LEADS),
        (effect, LEADS),
    )
    recalled = _recalled(line, choice.everybody)
    if recalled is not None and born(recalled) >= YOUNGER:
        stopped = nominated(line, batch, recalled, specialty=specialty)
        blocked(line, stopped, "LAST_YEAR_BELOW_COMPETENT", "RECALL_RECENT")
    if not choice.found["c"]:
        return
    candidates = [nominated(line, batch, who, specialty=specialty) for who in choice.found["c"]]
    yield at(PUBLICISED)
    selected(line, candidates)
    line.take(LEADS, batch, "publicize")
    yield at(DECIDED)
    decide(line, batch)
    yield at(APPOINTED)
    appointed(line, batch)
    for who in choice.found["c"]:
        adjustments.change_post(line, who, post=post, since=APPOINTED, unit=unit, rank="COUNTY_DEPUTY")


def rotated(stage: Stage, choice: Choice, unit: str) -> Days:
    """Batch d: rotated after ten years in the same post; an objection in the publicity leads back."""
    line = Line(stage, "batch-d")
    yield at(OPENED, 10)
    members = choice.found["d"]
    if len(members) < LEAST:
        return
    position = {"key": "P1", "unit": unit, "post": "交流岗位", "slots": len(members)}
    batch = planned(line, "d", "交流任职一批(虚构)", position)
    candidates = [nominated(line, batch, who) for who in members]
    yield at(PUBLICISED)
    selected(line, candidates)
    line.take(LEADS, batch, "publicize")
    yield at(OBJECTED)
    line.take(people.DISCIPLINE, batch, "object", reason="公示期反映一名人选家庭确有困难(虚构)")
    line.take(LEADS, candidates[-1], "drop", reason="暂缓交流(虚构)")
    line.take(LEADS, batch, "publicize")
    yield at(DECIDED_AT_LAST)
    decide(line, batch)
    yield at(APPOINTED)
    appointed(line, batch)
    for who in members[:-1]:
        adjustments.change_post(line, who, post=f"{who.row.post}(交流)", since=APPOINTED, unit=unit)
    line.tell(
        "任现职满十年交流:公示期异议成立,退回调整后再公示",
        "rotated after ten years; an objection led back",
        (batch, LEADS),
        (candidates[0], LEADS),
        (candidates[-1], LEADS),
    )


def sent(stage: Stage, choice: Choice, kind: str, title: str, position: Mapping[str, Any]) -> Days:
    """Batches e and f: seconded to the front line, or cultivated; each who was found is chosen."""
    line = Line(stage, f"batch-{kind}")
    yield at(OPENED, 10)
    members = choice.found[kind]
    if len(members) < LEAST:
        return
    batch = planned(line, kind, title, {**position, "key": "P1", "slots": len(members)})
    candidates = [nominated(line, batch, who) for who in members]
    yield at(PUBLICISED)
    selected(line, candidates)
    line.take(LEADS, batch, "publicize")
    yield at(DECIDED)
    decide(line, batch)
    yield at(APPOINTED)
    appointed(line, batch)
    line.tell(title, f"batch {kind}, from the plan to the appointment", (batch, LEADS), (candidates[0], LEADS))


def aged_group(everybody: People) -> tuple[str, list[str]]:
    """Return the unit whose leading group is the oldest, and when its members were born."""

    def group(unit: str) -> list[date]:
        return sorted(born(each) for each in everybody.of(unit) if each.row.rank.startswith("县处级"))

    def mean(unit: str) -> float:
        days = group(unit)
        return sum(day.toordinal() for day in days) / len(days)

    oldest = min((unit for unit in everybody.units() if unit not in SPARED), key=mean)
    return oldest, [day.isoformat() for day in group(oldest)]


def _recalled(line: Line, everybody: People) -> Member | None:
    """Return the youngest of those who were recalled last year and restored late in it; None where there is none."""
    found = line.ask(people.SUPERVISE, "supervision", "/recalls", state="RESTORED", limit=200)["items"]
    cadres = {str(each["cadre"]) for each in found if str(each["outcome_on"]) >= f"{YEAR - 1}-11-01"}
    return max((each for each in everybody.members if each.cadre in cadres), key=born, default=None)


def _head(unit: str) -> str:
    return next(each.head for each in cast.city().units if each.code == unit)


def lines(stage: Stage, everybody: People, share: float) -> list[tuple[str, Days]]:
    """Return the lines of the six batches."""
    barred = max(everybody.call(4), key=born)
    choice = Choice(everybody, share)
    units = [unit for unit in everybody.in_play() if unit not in SPARED]
    hospital = cast.unit_code("黄石市中心医院")
    front = {"unit": units[2], "post": "挂职副主任", "place": "KEY_PROJECT", "months": 12}
    return [
        ("batch-candidates", chosen(stage, choice)),
        ("batch-a", competition(stage, choice, units[0])),
        ("batch-b", outsiders(stage, hospital)),
        ("batch-c", directed(stage, choice, barred)),
        ("batch-d", rotated(stage, choice, units[1])),
        ("batch-e", sent(stage, choice, "e", "挂职锻炼一批(虚构)", front)),
        ("batch-f", sent(stage, choice, "f", "跟踪培养一批(虚构)", {"unit": units[3], "post": "青干班学员"})),
    ]
