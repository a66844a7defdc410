"""Findings (S5) as the year needs them: recorded, served, answered, and verified by two."""

from collections.abc import Generator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from citybus.calendar import Calendar
from dandang.slice import cast
from dandang.year.people import Member
from dandang.year.play import at
from dandang.year.stage import Case, Line

PLEA: Final = "陈述申辩(虚构):情况属实,已着手整改。"
REASON: Final = "证据充分,申辩意见已核对(虚构)。"
_CALENDAR: Final = Calendar.load(None)

Acting = Generator[datetime, None, Case]
"""Days of a line that end in a case."""


def working_days_after(day: date, count: int) -> date:
    """Return the working day that is `count` working days after `day`."""
    return _CALENDAR.add_working_days(day, count).day


def recorded(
    line: Line,
    who: Member,
    day: date,
    *,
    kind: str = "TASK_NOT_IMPLEMENTED",
    reason_codes: Sequence[str] = ("WEAK_EXECUTION",),
    severity: int = 3,
    role: str = "LEAD",
    facts: str = "重点任务未按期落实(虚构)。",
    inspection: Case | None = None,
    source: str = "AUDIT",
) -> Case:
    """Have a finding recorded with its evidence on `day`; nobody is told yet."""
    digest = line.evidence(cast.INSPECTOR, "supervision", f"{line.name} {day}")
    origin = {"inspection": inspection.id} if inspection else {"source": source}
    return line.open(
        cast.INSPECTOR,
        "supervision",
        "findings",
        **origin,
        unit=who.unit,
        type=kind,
        reason_codes=list(reason_codes),
        facts=facts,
        severity=severity,
        occurred_on=(day - timedelta(days=3)).isoformat(),
        responsible=[{"cadre": who.cadre, "role": role}],
        evidence=[digest],
    )


def verified(line: Line, who: Member, noticed: date, *, plea: bool = True, **told: Any) -> Acting:
    """Have a finding recorded and notified on the day `noticed`, answered two days on, and verified after the window.

    A generator of days that returns the finding: `finding = yield from verified(…)`. Without `plea` the time passes.
    `told` is what `recorded` takes.
    """
    yield at(noticed)
    finding = recorded(line, who, noticed, **told)
    line.take(cast.INSPECTOR, finding, "notify")
    line.sign(who.who, finding, "FINDING_NOTICE")
    line.until(cast.INSPECTOR, finding, lambda found: found["served_on"], "served")
    yield at(working_days_after(noticed, 2))
    if plea:
        line.take(who.who, finding, "plea", text=PLEA)
    else:
        yield at(working_days_after(noticed, 6))
    for officer in (cast.FIRST, cast.SECOND):
        line.take(officer, finding, "verify", reason=REASON)
    return finding
