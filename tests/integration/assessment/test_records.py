"""Verified findings reach the annual record: once, in whatever order they come, with each version kept (3.5)."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from assessment.domain.deduction import Role
from assessment.entrypoints.events import SUPERVISION, subscriptions
from assessment.persistence.models import AnnualRecordRow, FindingRow
from citybus import freshness, inbox, tables
from citybus.envelope import CONTENT_TYPE, Event
from citybus.errors import Invalid
from tests.support.assessment import City, finding_data, finding_event, rulebook, some_id

TOLERANCE = "01935790-0000-7000-8000-00000000eeee"


def versions(city: City, cadre: str, year: int = 2024) -> list[Any]:
    table = AnnualRecordRow.__table__
    with city.engine.connect() as connection:
        found = connection.execute(
            select(table).where(table.c.cadre == cadre, table.c.year == year).order_by(table.c.version)
        )
        return list(found.all())


def outcome(city: City, cadre: str) -> tuple[str, list[tuple[str, str, str]]]:
    """Return what the latest version says: the deduction, and finding, weight and points of each item."""
    last = versions(city, cadre)[-1]
    return str(last.deduction.normalize()), [
        (item["finding"], item["effective_weight"], item["points"]) for item in last.items
    ]


def mitigated(data: dict[str, Any], factor: str, effective: str) -> dict[str, Any]:
    return data | {"tolerance": {"case": TOLERANCE, "factor": factor}, "effective_weight": effective}


def test_a_verified_finding_deducts_weight_times_share_from_each_responsible(city: City) -> None:
    lead, direct, subordinate, finding = (some_id() for _ in range(4))
    data = finding_data(finding, {lead: "LEAD", direct: "DIRECT", subordinate: "SUBORDINATE"})
    event = finding_event("verified", 1, data)
    published = city.receive(event)
    assert [outcome(city, cadre) for cadre in (lead, direct, subordinate)] == [
        ("2", [(finding, "2.0", "2.00")]),
        ("1.6", [(finding, "2.0", "1.60")]),
        ("0.6", [(finding, "2.0", "0.60")]),
    ]
    assert {each.type for each in published} == {"assessment.deduction.changed.v1"}
    assert {each.subject for each in published} == {f"deduction/{cadre}-2024" for cadre in (lead, direct, subordinate)}
    told = next(each for each in published if each.data["cadre"] == direct)
    assert told.data == {
        "cadre": direct,
        "year": 2024,
        "deduction": "1.6",
        "cap": "20",
        "items": [
            {"finding": finding, "role": "DIRECT", "effective_weight": "2.0", "role_share": "0.8", "points": "1.60"}
        ],
    }
    assert (told.correlationid, told.causationid, told.actor) == (
        event.correlationid,
        event.id,
        "system:assessment",
    )
    assert told.rulepack == "LOCAL-HS-2016@1"


def test_rectification_and_relapse_change_what_counts_and_a_revoked_finding_counts_nothing(city: City) -> None:
    cadre, finding = some_id(), some_id()
    data = finding_data(finding, {cadre: "LEAD"})
    steps: list[tuple[str, dict[str, Any], str]] = [
        ("verified", {}, "2"),
        ("rectifying", {"state": "RECTIFYING"}, "2"),
        ("rectified", {"state": "RECTIFIED"}, "2"),
        ("weight-changed", {"state": "RECTIFIED", "effective_weight": "1.0", "rectified_factor": "0.5"}, "1"),
        ("reopened", {"state": "REOPENED", "severity": 4, "effective_weight": "1.0"}, "1"),
        ("weight-changed", {"state": "REOPENED", "base_weight": "3.0", "effective_weight": "3.0"}, "3"),
        ("revoked", {"state": "REVOKED", "base_weight": "3.0", "effective_weight": "0.0"}, "0"),
    ]
    for sequence, (step, changes, deduction) in enumerate(steps, 1):
        city.receive(finding_event(step, sequence, data | changes))
        assert str(versions(city, cadre)[-1].deduction.normalize()) == deduction, step
    # Steps that change no weight make no version, and every version is kept.
    assert [str(version.deduction.normalize()) for version in versions(city, cadre)] == ["2", "1", "3", "0"]
    assert versions(city, cadre)[-1].items == []


def test_tolerance_makes_a_new_version_and_the_old_one_is_kept(city: City) -> None:
    cadre, finding = some_id(), some_id()
    data = finding_data(finding, {cadre: "LEAD"})
    city.receive(finding_event("verified", 1, data))
    city.clock.advance(timedelta(days=30))
    event = finding_event("weight-changed", 2, mitigated(data, "0.5", "1.0"), correlationid="the tolerance case")
    (published,) = city.receive(event)
    assert (published.data["deduction"], published.correlationid, published.sequence) == ("1", "the tolerance case", 2)
    first, second = versions(city, cadre)
    assert (first.version, first.deduction, second.version, second.deduction) == (1, 2, 2, 1)
    assert second.recorded_at - first.recorded_at == timedelta(days=30)
    item = second.items[0]
    assert (item["tolerance_factor"], item["tolerance_case"], item["base_weight"]) == ("0.5", TOLERANCE, "2.0")
    assert (second.cause, second.correlation_id) == (event.id, "the tolerance case")


def test_an_exempted_finding_stays_listed_with_no_points(city: City) -> None:
    cadre, finding = some_id(), some_id()
    data = finding_data(finding, {cadre: "LEAD"})
    city.receive(finding_event("verified", 1, data), finding_event("weight-changed", 2, mitigated(data, "0", "0.0")))
    assert outcome(city, cadre) == ("0", [(finding, "0.0", "0.00")])


def test_what_changes_nothing_makes_no_version_and_no_event(city: City) -> None:
    cadre, finding = some_id(), some_id()
    data = finding_data(finding, {cadre: "LEAD"})
    city.receive(finding_event("verified", 1, data))
    assert city.receive(finding_event("weight-changed", 2, data | {"severity": 2})) == []
    assert len(versions(city, cadre)) == 1


def test_a_repeated_event_deducts_once(city: City) -> None:
    cadre = some_id()
    event = finding_event("verified", 1, finding_data(some_id(), {cadre: "LEAD"}))
    assert len(city.receive(event, event)) == 1
    assert city.receive(event) == []
    assert len(versions(city, cadre)) == 1


def test_a_finding_that_is_not_verified_leaves_no_trace(city: City) -> None:
    cadre, finding = some_id(), some_id()
    accused = finding_data(finding, {cadre: "LEAD"}, state="NOTIFIED", verified_on=None, year=None)
    steps = ["notified", "served", "plea-received"]
    events = [finding_event(step, number, accused) for number, step in enumerate(steps, start=1)]
    events.append(finding_event("weight-changed", 4, mitigated(accused, "0.5", "1.0")))
    events.append(finding_event("rejected", 5, accused | {"state": "REJECTED"}))
    assert city.receive(*events) == []
    assert versions(city, cadre) == []
    assert city.rows(FindingRow.__table__, FindingRow.id == finding) == []


def test_a_finding_eased_before_it_was_verified_counts_eased(city: City) -> None:
    cadre, finding = some_id(), some_id()
    accused = finding_data(finding, {cadre: "LEAD"}, state="NOTIFIED", verified_on=None, year=None)
    verified = mitigated(finding_data(finding, {cadre: "LEAD"}), "0.5", "1.0")
    eased = finding_event("weight-changed", 2, mitigated(accused, "0.5", "1.0"))
    city.receive(finding_event("notified", 1, accused), eased, finding_event("verified", 3, verified))
    assert outcome(city, cadre) == ("1", [(finding, "1.0", "1.00")])


def test_an_early_event_waits_for_the_gap_to_close(city: City) -> None:
    cadre, finding = some_id(), some_id()
    data = finding_data(finding, {cadre: "LEAD"})
    assert city.receive(finding_event("weight-changed", 2, mitigated(data, "0.5", "1.0"))) == []
    assert versions(city, cadre) == []
    city.receive(finding_event("verified", 1, data))
    assert outcome(city, cadre) == ("1", [(finding, "1.0", "1.00")])


def test_the_deduction_of_a_year_has_a_cap_and_years_are_apart(city: City) -> None:
    cadre = some_id()
    for number in range(3):
        data = finding_data(some_id(), {cadre: "LEAD"}, base_weight="8.0", verified_on=f"2024-04-0{number + 1}")
        city.receive(finding_event("verified", 1, data))
    last = versions(city, cadre)[-1]
    assert (last.deduction, last.points, len(last.items)) == (20, 24, 3)
    city.receive(
        finding_event("verified", 1, finding_data(some_id(), {cadre: "LEAD"}, verified_on="2025-01-02", year=2025))
    )
    assert versions(city, cadre, 2025)[-1].deduction == 2
    assert versions(city, cadre, 2024)[-1].deduction == 20


def test_a_finding_taken_from_a_cadre_no_longer_counts_for_them(city: City) -> None:
    first, second, finding = some_id(), some_id(), some_id()
    city.receive(finding_event("verified", 1, finding_data(finding, {first: "LEAD"})))
    city.receive(finding_event("weight-changed", 2, finding_data(finding, {second: "LEAD"})))
    assert outcome(city, first) == ("0", [])
    assert outcome(city, second) == ("2", [(finding, "2.0", "2.00")])


def test_a_finding_verified_before_any_rule_is_parked_with_its_reason(city: City) -> None:
    data = finding_data(some_id(), {some_id(): "LEAD"}, verified_on="2015-06-01", year=2015)
    with pytest.raises(Invalid) as refused:
        city.receive(finding_event("verified", 1, data))
    assert refused.value.reason == "MISSING_RULE"
    assert city.rows(FindingRow.__table__, FindingRow.id == data["finding"]) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"effective_weight": "-1"},
        {"responsible": [{"cadre": "not-an-id", "role": "LEAD"}]},
        {"responsible": [{"cadre": str(UUID(int=1)), "role": "BYSTANDER"}]},
        {"year": None},
        {"tolerance": {"case": TOLERANCE, "factor": "1.5"}},
    ],
)
def test_an_event_of_another_form_is_parked(city: City, changes: dict[str, Any]) -> None:
    data = finding_data(some_id(), {some_id(): "LEAD"}) | changes
    with pytest.raises(Invalid) as refused:
        city.receive(finding_event("verified", 1, data))
    assert refused.value.reason == "SCHEMA"


def test_each_version_is_audited_with_its_cause(city: City) -> None:
    cadre = some_id()
    event = finding_event("verified", 1, finding_data(some_id(), {cadre: "LEAD"}))
    city.receive(event)
    (entry,) = city.rows(tables.audit_entries, tables.audit_entries.c.target == f"annual-record/{cadre}-2024")
    assert (entry.action, entry.written) == (
        "annual-record.recompute",
        {"version": 1, "deduction": "2", "cause": event.id},
    )


def test_heartbeats_of_the_others_are_noted(city: City) -> None:
    beat = Event(
        id=some_id(),
        type="supervision.service.heartbeat.v1",
        source="/city/420200/supervision",
        subject="service/supervision",
        time=city.clock.now(),
        dataschema="urn:city:schema:supervision.service.heartbeat.v1",
        data={"service": "supervision", "sent_at": datetime.now(UTC).isoformat()},
        sequence=1,
        correlationid="beat",
        actor="system:supervision",
        dataclass="L2",
    )
    subscription = subscriptions(rulebook())[SUPERVISION]
    with city.acting("consumer") as uow:
        inbox.apply_batch(uow, subscription, [inbox.read(subscription, CONTENT_TYPE, beat.to_json())])
        assert freshness.stale(uow.session, "supervision", "incentive") == ["incentive"]


WEIGHTS = ("0.5", "1.0", "2.0", "4.0", "8.0")


@st.composite
def histories(draw: st.DrawFn) -> tuple[Sequence[tuple[str, str, list[str]]], random.Random]:
    """Some findings of one cadre: role, base weight, and the factors that ease each after it was verified."""
    finding = st.tuples(
        st.sampled_from([role.value for role in Role]),
        st.sampled_from(WEIGHTS),
        st.lists(st.sampled_from(["0.5", "0"]), max_size=2),
    )
    return draw(st.lists(finding, min_size=1, max_size=6)), draw(st.randoms(use_true_random=False))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories())
def test_any_order_repetition_and_splitting_ends_in_the_same_record(
    city: City, history: tuple[Sequence[tuple[str, str, list[str]]], random.Random]
) -> None:
    findings, chance = history
    ids = [some_id() for _ in findings]
    ends = []
    for shuffled in (False, True):
        cadre = some_id()
        # The same findings once more, under ids of their own for this cadre.
        own = {finding: some_id() for finding in ids}
        events = [
            event
            for place, (finding, (role, weight, factors)) in enumerate(zip(ids, findings, strict=True))
            for event in events_of(own[finding], cadre, role, weight, factors, date(2024, 3, 1 + place))
        ]
        if shuffled:
            events += chance.choices(events, k=len(events))
            chance.shuffle(events)
        while events:
            size = chance.randint(1, len(events)) if shuffled else 1
            city.receive(*events[:size])
            events = events[size:]
        names = {of: finding for finding, of in own.items()}
        deduction, items = outcome(city, cadre)
        ends.append((deduction, [(names[finding], *rest) for finding, *rest in items]))
    assert ends[0] == ends[1]


def events_of(finding: str, cadre: str, role: str, weight: str, factors: list[str], day: date) -> list[Event]:
    data = finding_data(finding, {cadre: role}, base_weight=weight, verified_on=day.isoformat())
    events = [finding_event("verified", 1, data)]
    for number, factor in enumerate(factors, start=2):
        effective = str(float(weight) * float(factor))
        events.append(finding_event("weight-changed", number, mitigated(data, factor, effective)))
    return events
