"""Constraints on grades (A14): replaced as a whole, lifted with what they rest on, confirmed by a person, explained."""

from datetime import timedelta
from typing import Any

import pytest

from assessment.application.constraints import combined, set_constraints
from assessment.domain.constraint import Kind, Wanted
from assessment.domain.grade import Grade, GradeStatus
from citybus.envelope import Event
from tests.support.assessment import City, finding_data, finding_event, some_id
from tests.support.grades import (
    ASSESSOR,
    COMMITTEE,
    OTHER_UNIT,
    Client,
    active,
    an_event,
    enrol,
    person,
    problem,
)

CAP = Wanted(2024, Kind.CAP, "RECALL", Grade.BASICALLY_COMPETENT, rule_packs=("LOCAL-HS-2016@1",))


@pytest.fixture(scope="module")
def client(module_city: City) -> Client:
    return Client(module_city)


@pytest.fixture(scope="module")
def cadre(module_city: City) -> str:
    return enrol(module_city)


def want(city: City, cadre: str, source: str, *wanted: Wanted) -> list[Event]:
    event = an_event("supervision.recall.approved.v1", source, {}, time=city.clock.now())
    with city.acting() as uow:
        uow.caused_by(event)
        set_constraints(uow, source, cadre, wanted, event)
        uow.commit()
        return uow.published


def bound(city: City, cadre: str, year: int = 2024) -> Any:
    with city.acting() as uow:
        return combined(uow, cadre, year)


def test_a_source_adds_keeps_and_lifts_as_it_wants(city: City) -> None:
    cadre, source = some_id(), f"recall/{some_id()}"
    (added,) = want(city, cadre, source, CAP)
    assert (added.type, added.data["state"], added.data["source"]) == (
        "assessment.constraint.added.v1",
        "ACTIVE",
        source,
    )
    assert added.rulepack == "LOCAL-HS-2016@1"
    assert bound(city, cadre).cap is Grade.BASICALLY_COMPETENT
    assert want(city, cadre, source, CAP) == []
    (lifted,) = want(city, cadre, source)
    assert (lifted.type, lifted.subject, lifted.sequence) == ("assessment.constraint.lifted.v1", added.subject, 2)
    assert bound(city, cadre).applied(Grade.EXCELLENT) is Grade.EXCELLENT


def test_what_rests_only_on_an_excused_finding_is_lifted_and_comes_back_with_it(city: City) -> None:
    cadre, source, finding = some_id(), f"recall/{some_id()}", some_id()
    data = finding_data(finding, {cadre: "LEAD"})
    rests = Wanted(2024, Kind.CAP, "RECALL", Grade.BASICALLY_COMPETENT, findings=(finding,))
    other = Wanted(2024, Kind.CAP, "ADMONITION", Grade.COMPETENT, findings=(finding, some_id()))
    city.receive(finding_event("verified", 1, data))
    want(city, cadre, source, rests, other)
    excused = data | {"effective_weight": "0.0", "tolerance": {"case": some_id(), "factor": "0.0"}}
    told = city.receive(finding_event("weight-changed", 2, excused, correlationid="the tolerance"))
    assert [(each.data["reason_code"], each.correlationid) for each in told if each.type.endswith("lifted.v1")] == [
        ("RECALL", "the tolerance")
    ]
    assert bound(city, cadre).cap is Grade.COMPETENT
    city.receive(finding_event("weight-changed", 3, data))
    assert bound(city, cadre).cap is Grade.BASICALLY_COMPETENT


def test_a_mitigated_finding_still_bears_what_rests_on_it(city: City) -> None:
    cadre, finding = some_id(), some_id()
    data = finding_data(finding, {cadre: "LEAD"})
    city.receive(finding_event("verified", 1, data))
    want(
        city, cadre, f"measure/{some_id()}", Wanted(2024, Kind.CAP, "ADMONITION", Grade.COMPETENT, findings=(finding,))
    )
    eased = data | {"effective_weight": "1.0", "tolerance": {"case": some_id(), "factor": "0.5"}}
    city.receive(finding_event("weight-changed", 2, eased))
    assert bound(city, cadre).cap is Grade.COMPETENT


def test_an_open_case_binds_later_years_too_until_it_is_lifted(city: City) -> None:
    cadre, source = some_id(), f"case-hold/{some_id()}"
    want(city, cadre, source, Wanted(2023, Kind.FLOOR_NONE, "CASE_PENDING", open_ended=True, hidden=True))
    assert bound(city, cadre, 2022).status is GradeStatus.GRADED
    assert {bound(city, cadre, year).status for year in (2023, 2025)} == {GradeStatus.PENDING_MAKEUP}
    want(city, cadre, source)
    assert bound(city, cadre, 2025).status is GradeStatus.GRADED


def test_a_proposal_counts_for_nothing_until_the_committee_confirms_it(city: City, client: Client, cadre: str) -> None:
    source = f"recall/{some_id()}"
    proposal = Wanted(2021, Kind.FORCED, "RECALL_OUTCOME", Grade.INCOMPETENT, proposal=True)
    assert want(city, cadre, source, proposal) == []
    assert bound(city, cadre, 2021).forced is None
    (found,) = client.get(ASSESSOR, f"/constraints?cadre={cadre}&state=PROPOSED&year=2021").json["items"]
    path = f"/constraints/{found['id']}"
    assert problem(client.get(person(cadre), path)) == (403, "DATA_SCOPE")
    assert problem(client.take(ASSESSOR, path, "confirm", {"reason": "同意"})) == (403, "FORBIDDEN")
    assert problem(client.take(COMMITTEE, path, "confirm")) == (422, "REASON_MISSING")
    assert client.take(COMMITTEE, path, "confirm", {"reason": "会议同意"}).json["state"] == "ACTIVE"
    assert bound(city, cadre, 2021).forced is Grade.INCOMPETENT
    assert city.outbox()[-1].type == "assessment.constraint.added.v1"
    assert client.get(person(cadre), path).json["state"] == "ACTIVE"
    history = client.get(ASSESSOR, f"{path}/history").json["items"]
    assert [(step["action"], step["to_state"]) for step in history] == [("create", "PROPOSED"), ("confirm", "ACTIVE")]
    want(city, cadre, source)
    assert bound(city, cadre, 2021).forced is None


def test_a_declined_proposal_is_not_proposed_again(city: City, client: Client, cadre: str) -> None:
    source = f"recall/{some_id()}"
    proposal = Wanted(2020, Kind.FORCED, "RECALL_OUTCOME", Grade.INCOMPETENT, proposal=True)
    want(city, cadre, source, proposal)
    (found,) = client.get(COMMITTEE, f"/constraints?source={source}").json["items"]
    assert client.take(COMMITTEE, f"/constraints/{found['id']}", "decline", {"reason": "不采纳"}).status_code == 200
    assert want(city, cadre, source, proposal) == []
    assert client.get(COMMITTEE, f"/constraints?source={source}&state=PROPOSED").json["items"] == []


def test_the_explanation_tells_each_reader_what_they_may_know(city: City, client: Client, cadre: str) -> None:
    want(city, cadre, "recall/1", CAP)
    want(city, cadre, "case-hold/1", Wanted(2024, Kind.FLOOR_NONE, "CASE_PENDING", open_ended=True, hidden=True))
    path = f"/cadres/{cadre}/constraints?year=2024"
    seen = client.get(ASSESSOR, path).json
    assert (seen["status"], [each["reason_code"] for each in seen["constraints"]]) == (
        "PENDING_MAKEUP",
        ["CASE_PENDING", "RECALL"],
    )
    assert [each["decisive"] for each in seen["constraints"]] == [True, False]
    own = client.get(person(cadre), path).json
    assert (own["status"], own["cap"]) == ("GRADED", "BASICALLY_COMPETENT")
    assert own["explanation"]["zh"] == "等次不高于基本称职：召回。"
    assert "CASE_PENDING" not in client.get(person(cadre), f"/constraints?cadre={cadre}").text
    assert problem(client.get(OTHER_UNIT, path)) == (403, "DATA_SCOPE")
    assert problem(client.get(ASSESSOR, f"/cadres/{some_id()}/constraints?year=2024")) == (404, "NOT_FOUND")
    want(city, cadre, "case-hold/1")


def test_a_reader_may_ask_as_of_a_day(city: City, client: Client, cadre: str) -> None:
    before = city.clock.now().isoformat().replace("+", "%2B")
    city.clock.advance(timedelta(days=1))
    want(city, cadre, "recall/2", Wanted(2019, Kind.CAP, "RECALL", Grade.BASICALLY_COMPETENT))
    during = city.clock.now().isoformat().replace("+", "%2B")
    city.clock.advance(timedelta(days=1))
    want(city, cadre, "recall/2")
    path = f"/cadres/{cadre}/constraints?year=2019"
    assert [client.get(ASSESSOR, f"{path}{at}").json["cap"] for at in ("", f"&as_of={before}", f"&as_of={during}")] == [
        None,
        None,
        "BASICALLY_COMPETENT",
    ]


def test_nobody_opens_a_constraint_by_hand(client: Client) -> None:
    assert client.post(COMMITTEE, "/constraints", {}).status_code == 405


def test_active_lists_what_binds(city: City) -> None:
    cadre = some_id()
    want(city, cadre, "recall/3", CAP)
    assert active(city, cadre) == {(2024, "CAP", "BASICALLY_COMPETENT", "RECALL", "recall/3", (), False)}
