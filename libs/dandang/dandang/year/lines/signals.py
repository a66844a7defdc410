"""Clues (S1) as the year needs them: one that leads to a finding, its duplicate, one handed over, one dismissed."""

from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Final

from dandang.slice import cast
from dandang.slice.cast import Person
from dandang.year import people
from dandang.year.lines import findings
from dandang.year.people import Member, People
from dandang.year.play import Days, at
from dandang.year.stage import Case, Line, Stage

POSTED: Final = date(2024, 3, 4)
TRIAGED: Final = date(2024, 3, 6)
NOTICED: Final = date(2024, 3, 11)
"""When the finding to which the clue led is notified; it is verified two working days on, and the clue linked then."""
SETTLED: Final = date(2024, 3, 15)
"""When the others are handed over, and dismissed."""

PURPOSE: Final = "核实线索来源,当面了解情况(虚构)"


@dataclass(frozen=True, slots=True)
class ToldOf:
    """Whom clues are about, and the personnel officer of another unit, who posts as well."""

    linked: Member
    transferred: Member
    neighbour: Person


def call(everybody: People) -> ToldOf:
    """Call upon those of whom somebody tells."""
    linked, transferred = everybody.call(2, county_level=False)
    unit = next(unit for unit in everybody.in_play() if unit not in people.SPARED | {linked.unit, transferred.unit})
    return ToldOf(linked, transferred, everybody.personnel(unit))


def posted(
    line: Line,
    who: Person,
    unit: str,
    kind: str,
    text: str,
    *,
    source: str = "OTHER_DEPT",
    severity: int = 2,
    cadre: str | None = None,
    informant: str | None = None,
) -> Case:
    """Have `who` post a clue; what comes back is the receipt."""
    told = {"source": source, "unit": unit, "type": kind, "severity": severity, "text": text}
    more = ({} if cadre is None else {"cadre": cadre}) | (
        {} if informant is None else {"informant": {"name": informant}}
    )
    return line.open(who, "supervision", "signals", **told, **more)


def receipt(line: Line, who: Person, signal: Case, state: str) -> None:
    """Have who posted a clue see how far it is."""
    line.reaches(who, Case("supervision", "signal-receipts", signal.id), state)


def linked(stage: Stage, name: str, told_of: ToldOf) -> Days:
    """Have a department tell of a task that stands still, another tell the same, and the clue lead to a finding."""
    line, who = Line(stage, name), told_of.linked
    tell = partial(posted, line, unit=who.unit, kind="TASK_NOT_IMPLEMENTED", cadre=who.cadre)
    yield at(POSTED)
    first = tell(cast.DEPARTMENT, text="专项资金拨付后任务未启动(虚构)。", informant="反映人赵某某(虚构)")
    yield at(TRIAGED)
    again = "群众反映同一任务迟迟未启动(虚构)。"
    second = tell(told_of.neighbour, text=again, source="PETITION", severity=3)
    receipt(line, told_of.neighbour, second, "MERGED")
    receipt(line, cast.DEPARTMENT, first, "RECEIVED")
    line.refused("FORBIDDEN", lambda: line.look(cast.DEPARTMENT, first))
    line.ask(people.SUPERVISE, "supervision", f"{first.path}/texts")
    line.take(people.SUPERVISE, first, "triage", reason="两件反映同一事项,属职责范围(虚构)")
    access = line.open(people.SUPERVISE, "supervision", "informant-accesses", signal=first.id, purpose=PURPOSE)
    line.refused("ACCESS_NOT_GRANTED", lambda: identity(line, people.SUPERVISE, access))
    line.take(people.CUSTODIAN, access, "grant", reason="用途正当(虚构)")
    identity(line, people.SUPERVISE, access)
    line.refused("FORBIDDEN", lambda: identity(line, people.DISCIPLINE, access))
    finding = yield from findings.verified(line, who, NOTICED, source="OTHER_DEPT", severity=1)
    line.reaches(people.SUPERVISE, access, "GRANTED")
    line.take(people.SUPERVISE, first, "link", finding=finding.id, reason="经核实形成问题(虚构)")
    receipt(line, cast.DEPARTMENT, first, "LINKED")
    yield at(SETTLED)
    line.reaches(people.SUPERVISE, access, "EXPIRED")
    line.tell(
        "部门报送线索:重复件并入,经双人查阅举报人,挂接已认定的问题",
        "a clue of a department: its duplicate is merged, the informant looked up by four eyes, a finding comes of it",
        (first, people.SUPERVISE),
        (second, people.SUPERVISE),
        (access, people.SUPERVISE),
        (finding, cast.INSPECTOR),
    )


def identity(line: Line, who: Person, access: Case) -> None:
    """Have `who` read who told of a clue."""
    line.ask(who, "supervision", f"{access.path}/identity")


def transferred(stage: Stage, name: str, told_of: ToldOf) -> Days:
    """Have a clue of a matter of discipline: it is handed over, and may not be dismissed."""
    line, who = Line(stage, name), told_of.transferred
    yield at(TRIAGED)
    text = "在项目验收中收受礼金(虚构)。"
    signal = posted(
        line, cast.INSPECTOR, who.unit, "DISCIPLINE_VIOLATION", text, source="INSPECTION", severity=4, cadre=who.cadre
    )
    yield at(SETTLED)
    line.take(people.SUPERVISE, signal, "triage", reason="涉嫌违纪(虚构)")
    line.refused("DISCIPLINE_MATTER", lambda: line.take(people.SUPERVISE, signal, "dismiss", reason="不予采用(虚构)"))
    line.take(people.SUPERVISE, signal, "transfer", reason="涉嫌违纪,依规移送(虚构)")
    line.listed(people.DISCIPLINE, "supervision", "/signals", lambda each: each["id"] == signal.id, state="TRANSFERRED")
    line.ask(people.DISCIPLINE, "supervision", f"{signal.path}/texts")
    line.tell("涉嫌违纪的线索:移送纪委监委", "a matter of discipline: handed over", (signal, people.DISCIPLINE))


def dismissed(stage: Stage, name: str, told_of: ToldOf) -> Days:
    """Have a clue with nothing in it: somebody else than who posted it dismisses it."""
    line = Line(stage, name)
    yield at(TRIAGED)
    text = "谈话中反映窗口排队时间长(虚构)。"
    signal = posted(line, people.SUPERVISE, told_of.linked.unit, "SERVICE", text, source="TALK", severity=1)
    yield at(SETTLED)
    line.take(people.SUPERVISE, signal, "triage")
    reason = "经了解为系统升级所致,当日已恢复(虚构)"
    line.refused("AVOIDANCE", lambda: line.take(people.SUPERVISE, signal, "dismiss", reason=reason))
    line.take(people.SUPERVISE_SECOND, signal, "dismiss", reason=reason)
    line.tell("查无实据的线索:由他人复核后不予采用", "a clue with nothing in it", (signal, people.SUPERVISE))


def lines(stage: Stage, told_of: ToldOf) -> list[tuple[str, Days]]:
    """Return the lines of all clues."""
    return [
        (f"signal-{name}", story(stage, f"signal-{name}", told_of))
        for name, story in (("linked", linked), ("transferred", transferred), ("dismissed", dismissed))
    ]
