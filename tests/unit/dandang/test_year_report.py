"""The report of the year: its timelines put causes before effects, whichever service tells of them first."""

from operator import itemgetter
from typing import Any

from dandang.year.report import placed

NOON = "2024-05-31T04:00:00+00:00"
FINDING, TOLERANCE, EFFECTIVE, WEIGHED = (f"01a219a0-000{number}-7000-8000-000000000000" for number in range(4))


def step(action: str, cause: str | None = None, at: str = NOON) -> dict[str, Any]:
    return {"action": action, "event_cause": cause, "at": at}


def test_what_an_event_led_to_at_the_same_instant_comes_after_it() -> None:
    finding = [step("create", at="2024-05-06T01:00:00+00:00"), step("apply_tolerance", EFFECTIVE), step("close")]
    tolerance = [step("take_effect"), step("begin_to_correct", WEIGHED)]
    entries = [*placed(FINDING, finding), *placed(TOLERANCE, tolerance)]
    ordered = [each["action"] for _, each in sorted(entries, key=itemgetter(0))]
    assert ordered == ["create", "take_effect", "apply_tolerance", "close", "begin_to_correct"]
