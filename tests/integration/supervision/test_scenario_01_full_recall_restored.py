"""Scenario 1, the part of supervision: a recall from the proposal to the restoration, and what it bars until when."""

from datetime import date

import pytest

from supervision.application.eligibility import reasons
from tests.support.recall import Recalls, number
from tests.support.supervision import COMM, EDU, LEAD, ORG, TRAINER, UNITHEAD, City

EVENTS = [
    "proposed",
    "notified",
    "approved",
    "enrolled",
    "training-started",
    *["phase-passed"] * 4,
    "training-passed",
    "observing",
    "evaluated",
    "outcome",
]


@pytest.fixture
def recalls(city: City) -> Recalls:
    found = Recalls(city)
    found.forget()
    return found


def barred(city: City, day: date, purpose: str = "PROMOTE") -> list[tuple[str, date | None]]:
    with city.acting(ORG) as uow:
        return [(reason.code, reason.until) for reason in reasons(uow, LEAD, purpose, day)]


def test_scenario_01_full_recall_restored(city: City, recalls: Recalls) -> None:
    finding = city.verified(severity=3, reason_codes=["WEAK_EXECUTION"])
    recalls.at(3, 5)
    case = recalls.proposed(finding)
    assert (case.state, case.circumstances, case.correlation_id) == ("PROPOSED", [2], "correlation")
    recalls.take(case, "notify", ORG)
    city.receive("supervision.notification", recalls.served(case, date(2024, 3, 7)))
    assert city.again(case).plea_until == date(2024, 3, 14)

    recalls.at(3, 15)
    assert recalls.take(case, "approve", COMM).approved_on == date(2024, 3, 15)
    group = recalls.open_class(starts=date(2024, 4, 8))
    assert group.ends == date(2024, 4, 14)
    recalls.take(case, "enrol", EDU, training_class=group.id)
    recalls.at(4, 8)
    assert city.again(case).state == "IN_TRAINING"
    recalls.at(4, 14)
    recalls.all_phases(case)
    recalls.take(case, "complete", TRAINER)

    recalls.at(4, 15)
    case = recalls.take(case, "observe", ORG)
    assert (case.observe_until, [entry["due"] for entry in case.reports]) == (
        date(2024, 7, 15),
        ["2024-05-05", "2024-06-05", "2024-07-05"],
    )
    for month, text in ((5, "2024-04"), (6, "2024-05"), (7, "2024-06")):
        recalls.at(month, 3)
        recalls.take(case, "report_month", UNITHEAD, month=text, text="本月履职情况")
    recalls.take(case, "review", ORG, score=number("75"), text="中期评估情况")
    recalls.take(case, "unit_opinion", UNITHEAD, score=number("85"), text="表现明显改进")
    recalls.at(7, 16)
    case = recalls.take(case, "evaluate", ORG, score=number("81"), text="评估意见")
    assert (case.proposal, case.unit_warned_on) == ("RESTORED", None)
    assert barred(city, date(2024, 7, 16)) == [("RECALL_OPEN", None)]

    recalls.at(7, 29)
    case = recalls.take(case, "restore", COMM, reason="考察合格,恢复履职")
    assert (case.state, case.outcome, case.outcome_on) == ("RESTORED", "RESTORED", date(2024, 7, 29))
    assert barred(city, date(2024, 7, 28)) == [("RECALL_OPEN", date(2024, 7, 29))]
    assert barred(city, date(2024, 7, 29)) == [("RECALL_RECENT", date(2025, 1, 29))]
    for purpose in ("PROMOTE", "TRANSFER", "AWARD"):
        assert barred(city, date(2025, 1, 28), purpose) == [("RECALL_RECENT", date(2025, 1, 29))]
        assert barred(city, date(2025, 1, 29), purpose) == []
    assert recalls.told(case) == EVENTS
    assert {event.correlationid for event in recalls.events(case)} == {"correlation"}
    assert [event.sequence for event in recalls.events(case)] == list(range(1, len(EVENTS) + 1))
