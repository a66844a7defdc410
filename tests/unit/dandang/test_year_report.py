"""The report of the year: its timelines put causes before effects, whichever service tells of them first."""

from typing import Any

from dandang.year.report import in_order
from dandang.year.stage import Case

EARLIER, NOON = "2024-05-06T01:00:00+00:00", "2024-05-31T04:00:00+00:00"
FINDING, TOLERANCE, EFFECTIVE, CORRECTION, WEIGHED = (
    f"01a219a0-000{number}-7000-8000-000000000000" for number in range(5)
)


def step(number: int, action: str, cause: str | None = None, at: str = NOON) -> dict[str, Any]:
    return {"number": number, "action": action, "event_cause": cause, "at": at}


def test_causes_come_before_effects_of_the_same_instant() -> None:
    finding, tolerance, correction = (
        Case("supervision", "findings", FINDING),
        Case("incentive", "tolerance-cases", TOLERANCE),
        Case("incentive", "corrections", CORRECTION),
    )
    steps = [
        (finding, step(7, "create", at=EARLIER)),
        (finding, step(9, "apply_tolerance", EFFECTIVE)),
        (tolerance, step(3, "take_effect")),
        (tolerance, step(6, "close")),
        (correction, step(4, "create")),
        (correction, step(5, "accept_done", WEIGHED)),
    ]
    assert [each["action"] for _, each in in_order(steps)] == [
        "create",
        "take_effect",
        "apply_tolerance",
        "create",
        "accept_done",
        "close",
    ]
