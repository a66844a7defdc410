"""Eligibility (S16) as the year asks for it: who is barred on a day, by what and until when, and who is free."""

from datetime import date
from typing import Any

from dandang.slice.api import SliceFailed
from dandang.year import people
from dandang.year.people import Member
from dandang.year.stage import Line


def barred(line: Line, who: Member, purpose: str, day: date, code: str, until: date | None) -> None:
    """Have it asked whether a cadre is eligible on `day`. Raises SliceFailed unless `code` bars them until `until`."""
    found = _asked(line, who, purpose, day)
    reason = {"code": code, "until": until and until.isoformat()}
    if found["verdict"] != "BLOCKED" or reason not in found["reasons"]:
        raise _failed(line, day, f"BLOCKED {reason}", found)


def free(line: Line, who: Member, purpose: str, day: date) -> None:
    """Have it asked whether a cadre is eligible on `day`. Raises SliceFailed unless they are."""
    found = _asked(line, who, purpose, day)
    if found["verdict"] != "PASS":
        raise _failed(line, day, "PASS", found)


def _asked(line: Line, who: Member, purpose: str, day: date) -> Any:
    path = f"/eligibility/{who.cadre}"
    return line.ask(people.SUPERVISE, "supervision", path, purpose=purpose, as_of=day.isoformat())


def _failed(line: Line, day: date, wanted: str, found: Any) -> SliceFailed:
    told = {name: found[name] for name in ("purpose", "verdict", "reasons")}
    return SliceFailed(f"{line.name}: {day} 应为 / should be {wanted}, 实为 / is {told}")
