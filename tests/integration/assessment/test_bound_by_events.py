"""What supervision publishes binds grades: once, in whatever order it comes, and no longer than its ground (A14)."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assessment.application.constraints import combined
from assessment.domain.grade import Grade, GradeStatus
from assessment.entrypoints.events import SUPERVISION, subscriptions
from assessment.persistence.models import ConstraintRow
from citybus import inbox
from citybus.envelope import CONTENT_TYPE, Event
from citybus.errors import Invalid
from tests.support.assessment import City, finding_data, finding_event, rulebook, some_id
from tests.support.grades import active, an_event

OPENED = datetime(2024, 5, 6, 1, tzinfo=UTC)


def sanction(cadre: str, number: str, *steps: tuple[str, dict[str, Any]]) -> list[Event]:
    """Return the events of a sanction of 2024-01-15: 记过 unless its steps say otherwise."""
    made = {
        "sanction": number,
        "cadre": cadre,
        "regime": "GOV",
        "kind": "DEMERIT",
        "state": "RECORDED",
        "decided_on": "2024-01-15",
        "effective_on": "2024-01-15",
        "end_on": "2025-01-15",
        "months": 12,
        "watch_until": None,
        "restored_on": None,
        "affects_use": False,
    }
    return events("sanction", number, made, steps)


def adjustment(cadre: str, number: str, finding: str, *steps: tuple[str, dict[str, Any]]) -> list[Event]:
    made = {
        "adjustment": number,
        "cadre": cadre,
        "findings": [finding],
        "recall": None,
        "way": "DEMOTE",
        "state": "DECIDED",
        "reason_codes": ["DUTY_WEAK"],
        "decided_on": "2024-05-06",
        "executed_on": None,
    }
    return events("adjustment", number, made, steps)


def recall(cadre: str, number: str, finding: str, *steps: tuple[str, dict[str, Any]]) -> list[Event]:
    made = {
        "recall": number,
        "cadre": cadre,
        "unit": "420202",
        "findings": [finding],
        "circumstances": [2],
        "state": "APPROVED",
        "approved_on": "2024-03-15",
        "outcome": None,
        "outcome_on": None,
        "cancel_reason": None,
    }
    return events("recall", number, made, steps)


def measure(cadre: str, number: str, finding: str, *steps: tuple[str, dict[str, Any]]) -> list[Event]:
    made = {
        "measure": number,
        "kind": "ADMONISH",
        "cadre": cadre,
        "findings": [finding],
        "state": "APPROVED",
        "delivered_on": None,
        "effect_until": None,
        "result": None,
        "reply_due": None,
    }
    return events("measure", number, made, steps)


def hold(cadre: str, number: str, *steps: str) -> list[Event]:
    return events("case-hold", number, {"case_hold": number, "cadre": cadre}, [(step, {}) for step in steps])


def events(kind: str, number: str, made: dict[str, Any], steps: Sequence[tuple[str, dict[str, Any]]]) -> list[Event]:
    found, state = [], dict(made)
    for place, (step, changes) in enumerate(steps, 1):
        state = state | changes
        event_type = f"supervision.{kind}.{step}.v1"
        found.append(an_event(event_type, f"{kind}/{number}", state, sequence=place, time=OPENED))
    return found


def bound(city: City, cadre: str, year: int = 2024) -> Any:
    with city.acting() as uow:
        return combined(uow, cadre, year)


def test_a_demerit_leaves_its_year_without_a_grade_until_it_is_revoked(city: City) -> None:
    cadre, number = some_id(), some_id()
    recorded, in_effect, revoked = sanction(
        cadre, number, ("recorded", {}), ("in-effect", {"state": "IN_EFFECT"}), ("revoked", {"state": "REVOKED"})
    )
    (told,) = city.receive(recorded, in_effect, recorded)
    assert (told.data["kind"], told.data["year"], told.data["source"]) == ("NO_GRADE", 2024, f"sanction/{number}")
    assert (told.causationid, told.correlationid) == (recorded.id, "correlation-of-the-source")
    assert bound(city, cadre).status is GradeStatus.NO_GRADE
    (lifted,) = city.receive(revoked)
    assert lifted.type == "assessment.constraint.lifted.v1"
    assert active(city, cadre) == set()


def test_scenario_14_two_regimes_hold_the_year_down_once_not_twice(city: City) -> None:
    cadre, party, gov = some_id(), some_id(), some_id()
    warning = {"kind": "WARNING", "state": "IN_EFFECT"}
    city.receive(
        *sanction(cadre, party, ("recorded", warning | {"regime": "PARTY", "end_on": "2025-01-15"})),
        *sanction(cadre, gov, ("recorded", warning | {"end_on": "2024-07-15", "months": 6})),
    )
    found = bound(city, cadre)
    assert (found.status, found.cap, found.applied(Grade.EXCELLENT)) == (
        GradeStatus.GRADED,
        Grade.COMPETENT,
        Grade.COMPETENT,
    )
    assert [part.reason_code for part in found.parts] == ["SANCTION", "SANCTION"]


def test_of_several_at_once_the_heavier_grade_effect_counts(city: City) -> None:
    cadre = some_id()
    probation = {"regime": "PARTY", "kind": "PROBATION", "end_on": None}
    city.receive(
        *sanction(cadre, some_id(), ("recorded", {"kind": "WARNING"})),
        *sanction(cadre, some_id(), ("recorded", {})),
        *sanction(cadre, some_id(), ("recorded", probation)),
    )
    assert bound(city, cadre).applied(Grade.EXCELLENT) is Grade.INCOMPETENT
    assert bound(city, cadre, 2025).status is GradeStatus.NO_GRADE


def test_a_modified_end_changes_the_years(city: City) -> None:
    cadre, number = some_id(), some_id()
    first, second = sanction(
        cadre,
        number,
        ("recorded", {"kind": "REMOVAL", "end_on": "2026-01-15", "months": 24}),
        ("modified", {"state": "MODIFIED", "end_on": "2025-01-15", "months": 12}),
    )
    city.receive(first)
    assert {row[0] for row in active(city, cadre)} == {2024, 2025}
    city.receive(second)
    assert {row[0] for row in active(city, cadre)} == {2024}


def test_a_recall_caps_its_years_and_its_cancellation_frees_them(city: City) -> None:
    cadre, number, finding = some_id(), some_id(), some_id()
    approved, cancelled = recall(cadre, number, finding, ("approved", {}), ("cancelled", {"state": "CANCELLED"}))
    city.receive(approved)
    assert active(city, cadre) == {
        (2024, "CAP", "BASICALLY_COMPETENT", "RECALL", f"recall/{number}", (finding,), False)
    }
    city.receive(cancelled)
    assert active(city, cadre) == set()


def test_an_admonition_costs_the_best_grade_from_its_delivery_until_it_is_revoked(city: City) -> None:
    cadre, number = some_id(), some_id()
    delivered = {"state": "DELIVERED", "delivered_on": "2024-04-01", "effect_until": "2024-10-01"}
    steps = measure(
        cadre, number, some_id(), ("approved", {}), ("delivered", delivered), ("closed", {"state": "REVOKED"})
    )
    bounds = []
    for event in steps:
        city.receive(event)
        bounds.append(bound(city, cadre).cap)
    assert bounds == [None, Grade.COMPETENT, None]


def test_an_open_case_puts_the_grade_off_and_its_close_frees_it(city: City) -> None:
    cadre, number = some_id(), some_id()
    opened, closed = hold(cadre, number, "opened", "closed")
    city.receive(opened)
    assert [bound(city, cadre, year).status for year in (2023, 2024, 2025)] == [
        GradeStatus.GRADED,
        GradeStatus.PENDING_MAKEUP,
        GradeStatus.PENDING_MAKEUP,
    ]
    city.receive(closed)
    assert bound(city, cadre).status is GradeStatus.GRADED


def test_a_kind_without_a_row_in_the_table_is_parked(city: City) -> None:
    (event,) = sanction(some_id(), some_id(), ("recorded", {"kind": "SCOLDING"}))
    subscription = subscriptions(rulebook())[SUPERVISION]
    with city.acting("consumer") as uow, pytest.raises(Invalid, match="UNKNOWN_KIND"):
        inbox.apply_batch(uow, subscription, [inbox.read(subscription, CONTENT_TYPE, event.to_json())])


def history(cadre: str) -> list[Event]:
    """Return all that happens to a cadre: sanctions, adjustments and recalls on a finding that is excused and one that is not, an open case."""
    finding, other = some_id(), some_id()
    excused = {"tolerance": {"case": some_id(), "factor": "0.0"}, "effective_weight": "0.0"}
    found = finding_data(finding, {cadre: "LEAD"})
    return [
        *sanction(
            cadre,
            some_id(),
            ("recorded", {"kind": "REMOVAL", "end_on": "2026-01-15", "months": 24}),
            ("in-effect", {"state": "IN_EFFECT"}),
            ("modified", {"state": "MODIFIED", "end_on": "2025-01-15"}),
        ),
        *sanction(cadre, some_id(), ("recorded", {}), ("revoked", {"state": "REVOKED"})),
        *sanction(cadre, some_id(), ("recorded", {"regime": "PARTY", "kind": "WARNING"})),
        finding_event("verified", 1, found),
        finding_event("weight-changed", 2, found | excused),
        finding_event("verified", 1, finding_data(other, {cadre: "DIRECT"})),
        finding_event("weight-changed", 2, finding_data(other, {cadre: "DIRECT"}) | excused),
        finding_event("weight-changed", 3, finding_data(other, {cadre: "DIRECT"})),
        *adjustment(cadre, some_id(), finding, ("decided", {}), ("executed", {"state": "EXECUTED"})),
        *adjustment(cadre, some_id(), other, ("decided", {"way": "TRANSFER", "decided_on": "2025-06-02"})),
        *recall(cadre, some_id(), finding, ("approved", {})),
        *recall(
            cadre,
            some_id(),
            other,
            ("approved", {"approved_on": "2024-11-01"}),
            ("outcome", {"state": "DEMOTED", "outcome": "DEMOTED", "outcome_on": "2025-06-02"}),
        ),
        *hold(cadre, some_id(), "opened", "closed"),
        *hold(cadre, some_id(), "opened"),
    ]


def picture(city: City, cadre: str) -> Any:
    """Return what binds a cadre's grades, who proposes what, and what each year comes to; without ids."""
    table = ConstraintRow.__table__
    rows = city.rows(table, table.c.cadre == cadre, table.c.state.in_(("ACTIVE", "PROPOSED")))
    held = sorted(
        (row.state, row.year, row.kind, row.grade or "", row.reason_code, row.source.partition("/")[0]) for row in rows
    )
    years = [bound(city, cadre, year) for year in range(2022, 2028)]
    return held, [(year.status, year.forced, year.cap, len(year.parts)) for year in years]


EXPECTED = [
    ("ACTIVE", 2024, "CAP", "BASICALLY_COMPETENT", "RECALL", "recall"),
    ("ACTIVE", 2024, "CAP", "COMPETENT", "SANCTION", "sanction"),
    ("ACTIVE", 2024, "FLOOR_NONE", "", "CASE_PENDING", "case-hold"),
    ("ACTIVE", 2024, "NO_GRADE", "", "SANCTION", "sanction"),
    ("ACTIVE", 2025, "CAP", "BASICALLY_COMPETENT", "RECALL", "recall"),
    ("ACTIVE", 2025, "CAP", "COMPETENT", "ADJUSTMENT", "adjustment"),
    ("PROPOSED", 2025, "FORCED", "INCOMPETENT", "RECALL_OUTCOME", "recall"),
]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), batches=st.integers(1, 6), repeated=st.integers(0, 8))
def test_any_order_repetition_and_splitting_ends_in_the_same_constraints(
    city: City, seed: int, batches: int, repeated: int
) -> None:
    chance = random.Random(seed)
    cadre = some_id()
    arriving = history(cadre)
    arriving += chance.choices(arriving, k=repeated)
    chance.shuffle(arriving)
    cuts = sorted(chance.sample(range(len(arriving)), batches - 1))
    for start, end in zip([0, *cuts], [*cuts, len(arriving)], strict=True):
        city.receive(*arriving[start:end])
    held, years = picture(city, cadre)
    assert held == EXPECTED
    assert years == [
        (GradeStatus.GRADED, None, None, 0),
        (GradeStatus.GRADED, None, None, 0),
        (GradeStatus.PENDING_MAKEUP, None, Grade.BASICALLY_COMPETENT, 4),
        (GradeStatus.PENDING_MAKEUP, None, Grade.BASICALLY_COMPETENT, 3),
        (GradeStatus.PENDING_MAKEUP, None, None, 1),
        (GradeStatus.PENDING_MAKEUP, None, None, 1),
    ]
