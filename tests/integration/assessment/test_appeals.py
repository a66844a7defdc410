"""Reviews and appeals against supervision's decisions (A16): filed, examined by others, decided, carried out."""

from datetime import date, datetime
from typing import Any

import pytest

from assessment.application.case_types import case_types
from assessment.entrypoints.events import NOTIFICATION
from citybus import deadlines, tables
from citybus.cases.timers import handlers
from citybus.clock import ZONE
from tests.support.assessment import City, finding_data, finding_event, rulebook, some_id
from tests.support.grades import ALL, Client, a_sanction, a_service, active, an_event, enrol, person, problem

REVIEWER = {"sub": "reviewer", "roles": ["ORG.appeal"], "scope": ALL}
SECOND = {"sub": "second", "roles": ["ORG"], "scope": ALL}
DECIDER = {"sub": "decider", "roles": ["ORG.appeal"], "scope": ALL}
FAIR = {"sub": "fair", "roles": ["FAIRCOMM"], "scope": ALL}
FAIR_TOO = {"sub": "fair-too", "roles": ["FAIRCOMM"], "scope": ALL}


@pytest.fixture(scope="module")
def client(module_city: City) -> Client:
    return Client(module_city)


@pytest.fixture(scope="module")
def cadre(module_city: City) -> str:
    return enrol(module_city)


def at(city: City, day: date, hour: int = 10) -> None:
    city.clock.set(datetime(day.year, day.month, day.day, hour, tzinfo=ZONE))


def sanctioned(city: City, cadre: str, served: str | None = "2025-03-10", **changes: Any) -> str:
    """Return the subject of a sanction that `decider` entered and that was served."""
    number = some_id()
    ref = f"sanction/{number}"
    at(city, date(2025, 3, 10))
    data = a_sanction(cadre, number, **changes)
    city.receive(an_event("supervision.sanction.recorded.v1", ref, data, time=city.clock.now(), actor="decider"))
    if served is not None:
        city.receive(a_service("SANCTION_NOTICE", ref, cadre, served), queue=NOTIFICATION)
    return ref


def file(client: Client, cadre: str, ref: str, kind: str = "REVIEW") -> Any:
    return client.post(person(cadre), "/appeals", {"type": kind, "subject_ref": ref, "grounds": "事实认定有误"})


def filed(city: City, client: Client, cadre: str, ref: str, kind: str = "REVIEW", day: date = date(2025, 4, 8)) -> str:
    at(city, day)
    answer = file(client, cadre, ref, kind)
    assert answer.status_code == 201, answer.text
    return f"/appeals/{answer.json['id']}"


def decided(client: Client, path: str, first: Any, second: Any, decision: dict[str, Any]) -> Any:
    for action in ("accept", "examine"):
        answer = client.take(first, path, action)
        assert answer.status_code == 200, answer.text
    for who in (first, second):
        answer = client.take(who, path, "decide", {"reason": "审查完毕", **decision})
    return answer


def open_deadlines(city: City, path: str) -> dict[str, datetime]:
    table = tables.deadlines
    rows = city.rows(table, table.c.ref == path.strip("/").replace("appeals", "appeal"), table.c.state != "SATISFIED")
    return {row.kind: row.due_at.astimezone(ZONE) for row in rows}


def test_a_review_goes_from_filing_to_execution_and_suspends_nothing(city: City, client: Client, cadre: str) -> None:
    ref = sanctioned(city, cadre)
    path = filed(city, client, cadre, ref)
    seen = client.get(person(cadre), path).json
    assert (seen["state"], seen["file_until"], seen["original"]) == ("FILED", "2025-04-09", "REMOVAL")
    assert (seen["suspends_enforcement"], "grounds" in seen) == (False, False)
    assert open_deadlines(city, path) == {"appeal.accept": datetime(2025, 4, 16, tzinfo=ZONE)}
    assert any(row[4] == ref for row in active(city, cadre))
    answer = client.take(REVIEWER, path, "accept").json
    assert (answer["state"], answer["due_on"]) == ("ACCEPTED", "2025-05-08")
    assert open_deadlines(city, path) == {"appeal.decide": datetime(2025, 5, 9, tzinfo=ZONE)}
    assert client.take(REVIEWER, path, "examine").json["examiner"] == "reviewer"
    form = {"decision": "AMENDED", "amended_to": "SERIOUS_DEMERIT", "reason": "情节较轻"}
    assert client.take(REVIEWER, path, "decide", form).json["state"] == "UNDER_EXAMINATION"
    assert problem(client.take(REVIEWER, path, "decide", form)) == (422, "SAME_PERSON")
    answer = client.take(SECOND, path, "decide", form).json
    assert (answer["state"], answer["decision"], answer["amended_to"]) == ("DECIDED", "AMENDED", "SERIOUS_DEMERIT")
    assert open_deadlines(city, path) == {"appeal.execute": datetime(2025, 4, 23, tzinfo=ZONE)}
    assert client.take(REVIEWER, path, "execute").json["executed_on"] == "2025-04-08"
    assert open_deadlines(city, path) == {}
    told = [event for event in city.outbox() if event.subject == f"appeal/{seen['id']}"]
    assert [event.type.split(".")[2] for event in told] == ["filed", "accepted", "examined", "decided", "executed"]
    assert "事实认定有误" not in "".join(event.to_json().decode() for event in told)


def test_who_decided_keeps_away_and_so_does_the_unit(city: City, client: Client, cadre: str) -> None:
    path = filed(city, client, cadre, sanctioned(city, cadre))
    assert problem(client.take(DECIDER, path, "accept")) == (422, "AVOIDANCE")
    colleague = {"sub": "colleague", "roles": ["ORG.appeal"], "scope": {"units": "*", "unit": "N-1"}}
    assert problem(client.take(colleague, path, "accept")) == (422, "AVOIDANCE")
    assert problem(client.get(colleague, f"{path}/grounds")) == (422, "AVOIDANCE")
    assert problem(client.take(FAIR, path, "accept")) == (403, "FORBIDDEN")
    options = {option["action"]: option for option in client.get(DECIDER, path).json["actions"]}
    assert options["accept"]["why"]["code"] == "AVOIDANCE"


def test_what_is_late_is_refused_with_the_figures(city: City, client: Client, cadre: str) -> None:
    ref = sanctioned(city, cadre)
    at(city, date(2025, 4, 11))
    answer = file(client, cadre, ref)
    assert problem(answer) == (422, "OUT_OF_TIME")
    assert answer.json["figures"] == {
        "service_on": "2025-03-10",
        "until": "2025-04-09",
        "filed_on": "2025-04-11",
        "period": "30 d filing",
    }


def test_what_was_not_served_is_in_time_and_may_still_be_rejected(city: City, client: Client, cadre: str) -> None:
    ref = sanctioned(city, cadre, served=None)
    path = filed(city, client, cadre, ref, day=date(2025, 6, 3))
    assert client.get(person(cadre), path).json["file_until"] is None
    assert problem(client.take(REVIEWER, path, "reject", {"code": "OUT_OF_TIME"})) == (422, "REASON_MISSING")
    answer = client.take(REVIEWER, path, "reject", {"code": "OUT_OF_TIME", "reason": "本人早已知晓"}).json
    assert (answer["state"], answer["rejected_for"]) == ("REJECTED", "OUT_OF_TIME")
    assert file(client, cadre, ref).status_code == 201


def test_an_extension_moves_the_day_that_people_are_warned_of(city: City, client: Client, cadre: str) -> None:
    path = filed(city, client, cadre, sanctioned(city, cadre), "DIRECT_APPEAL")
    for step in ("accept", "examine"):
        client.take(FAIR, path, step)
    at(city, date(2025, 6, 7))
    deadlines.fire_due(city.units, handlers(case_types(rulebook())))
    assert client.take(FAIR, path, "extend", {"reason": "案情复杂"}).status_code == 200
    told = [
        (each.type.split(".")[2], each.data["due_at"])
        for each in city.outbox()
        if each.data.get("kind") == "appeal.decide" and each.data["ref"] == path.removeprefix("/").replace("s/", "/", 1)
    ]
    assert [what for what, _ in told] == ["armed", "armed"]
    assert [datetime.fromisoformat(due).astimezone(ZONE).date() for _, due in told] == [
        date(2025, 6, 8),
        date(2025, 7, 8),
    ]


def test_no_extension_after_the_last_day(city: City, client: Client, cadre: str) -> None:
    path = filed(city, client, cadre, sanctioned(city, cadre), "DIRECT_APPEAL")
    for step in ("accept", "examine"):
        client.take(FAIR, path, step)
    at(city, date(2025, 6, 8))
    late = client.take(FAIR, path, "extend", {"reason": "案情复杂"})
    assert (problem(late), late.json["figures"]) == ((422, "OUT_OF_TIME"), {"until": "2025-06-07"})
    assert client.get(FAIR, path).json["due_on"] == "2025-06-07"


def test_an_appeal_follows_the_served_review_with_other_people_and_one_extension(
    city: City, client: Client, cadre: str
) -> None:
    ref = sanctioned(city, cadre)
    review = filed(city, client, cadre, ref)
    assert problem(file(client, cadre, ref)) == (409, "DUPLICATE")
    upheld = decided(client, review, REVIEWER, SECOND, {"decision": "UPHELD"}).json
    assert problem(client.take(REVIEWER, review, "execute")) == (422, "NOTHING_TO_EXECUTE")
    service = a_service("APPEAL_DECISION", f"appeal/{upheld['id']}", cadre, "2025-04-14")
    city.receive(service, service, queue=NOTIFICATION)
    at(city, date(2025, 4, 30))
    assert problem(file(client, cadre, ref, "APPEAL")) == (422, "OUT_OF_TIME")
    assert problem(file(client, cadre, ref, "DIRECT_APPEAL")) == (409, "DUPLICATE")
    path = filed(city, client, cadre, ref, "APPEAL", date(2025, 4, 29))
    assert client.get(FAIR, path).json["review"] == upheld["id"]
    twice = {"sub": "reviewer", "roles": ["FAIRCOMM"], "scope": ALL}
    assert problem(client.take(twice, path, "accept")) == (422, "AVOIDANCE")
    assert client.take(FAIR, path, "accept").json["due_on"] == "2025-06-28"
    client.take(FAIR, path, "examine")
    assert client.take(FAIR, path, "extend", {"reason": "案情复杂"}).json["due_on"] == "2025-07-28"
    assert open_deadlines(city, path) == {"appeal.decide": datetime(2025, 7, 29, tzinfo=ZONE)}
    assert problem(client.take(FAIR, path, "extend", {"reason": "再延"})) == (422, "EXTENSION_LIMIT")
    form = {"reason": "不予支持", "decision": "AMENDED", "amended_to": "DISMISSAL"}
    client.take(FAIR, path, "decide", form)
    assert problem(client.take(FAIR_TOO, path, "decide", form)) == (422, "NO_REFORMATIO_IN_PEIUS")


def test_an_appeal_follows_the_review_of_a_recall_whose_new_outcome_is_served(
    city: City, client: Client, cadre: str
) -> None:
    number = some_id()
    ref = f"recall/{number}"
    at(city, date(2025, 3, 10))

    def outcome(what: str, sequence: int, served: str) -> None:
        data = {"recall": number, "cadre": cadre, "findings": [some_id()], "state": what, "outcome": what}
        data |= {"approved_on": "2024-10-08", "outcome_on": "2025-03-10"}
        event = an_event("supervision.recall.outcome.v1", ref, data, sequence=sequence, time=city.clock.now())
        city.receive(event)
        city.receive(a_service("RECALL_OUTCOME", ref, cadre, served), queue=NOTIFICATION)

    outcome("DEMOTED", 1, "2025-03-10")
    review = filed(city, client, cadre, ref)
    form = {"decision": "AMENDED", "amended_to": "ADJUSTED"}
    assert decided(client, review, REVIEWER, SECOND, form).json["state"] == "DECIDED"
    assert client.take(REVIEWER, review, "execute").status_code == 200
    told = f"appeal/{review.removeprefix('/appeals/')}"
    city.receive(a_service("APPEAL_DECISION", told, cadre, "2025-04-14"), queue=NOTIFICATION)
    outcome("ADJUSTED", 2, "2025-04-16")
    path = filed(city, client, cadre, ref, "APPEAL", date(2025, 4, 29))
    seen = client.get(FAIR, path).json
    assert (seen["original"], seen["file_until"]) == ("ADJUSTED", "2025-04-29")


def test_a_breached_day_tells_people_and_the_decision_is_still_wanted(city: City, client: Client, cadre: str) -> None:
    path = filed(city, client, cadre, sanctioned(city, cadre))
    client.take(REVIEWER, path, "accept")
    client.take(REVIEWER, path, "examine")
    at(city, date(2025, 5, 20))
    assert deadlines.fire_due(city.units, handlers(case_types(rulebook()))).failed == 0
    assert open_deadlines(city, path) == {"appeal.decide": datetime(2025, 5, 9, tzinfo=ZONE)}
    for who in (REVIEWER, SECOND):
        answer = client.take(who, path, "decide", {"decision": "UPHELD", "reason": "维持"})
    assert answer.json["state"] == "DECIDED"


def test_the_cadre_may_withdraw_until_it_is_decided(city: City, client: Client, cadre: str) -> None:
    ref = sanctioned(city, cadre)
    path = filed(city, client, cadre, ref)
    assert problem(client.take(REVIEWER, path, "withdraw")) == (403, "FORBIDDEN")
    assert client.take(person(cadre), path, "withdraw").json["state"] == "WITHDRAWN"
    assert open_deadlines(city, path) == {}
    path = filed(city, client, cadre, ref)
    decided(client, path, REVIEWER, SECOND, {"decision": "UPHELD"})
    assert problem(client.take(person(cadre), path, "withdraw")) == (409, "INVALID_TRANSITION")


def test_a_direct_appeal_may_revoke_and_what_is_revoked_cannot_be_appealed_against(
    city: City, client: Client, cadre: str
) -> None:
    ref = sanctioned(city, cadre)
    path = filed(city, client, cadre, ref, "DIRECT_APPEAL")
    assert decided(client, path, FAIR, FAIR_TOO, {"decision": "REVOKED"}).json["decision"] == "REVOKED"
    revoked = a_sanction(cadre, ref.partition("/")[2], state="REVOKED")
    event = an_event("supervision.sanction.revoked.v1", ref, revoked, sequence=2, time=city.clock.now())
    city.receive(event)
    assert not any(row[4] == ref for row in active(city, cadre))
    assert client.take(FAIR, path, "execute").json["state"] == "EXECUTED"
    assert problem(file(client, cadre, ref)) == (422, "NOT_APPEALABLE")


def test_each_of_those_responsible_appeals_against_a_finding_for_themselves(
    city: City, client: Client, cadre: str
) -> None:
    other, finding = enrol(city, number=7), some_id()
    data = finding_data(finding, {cadre: "LEAD", other: "DIRECT"})
    city.receive(finding_event("verified", 1, data, actor="verifier"))
    at(city, date(2024, 4, 8))
    for who in (cadre, other):
        assert file(client, who, f"finding/{finding}").json["file_until"] == "2024-04-17"
    stranger = enrol(city, number=8)
    assert problem(file(client, stranger, f"finding/{finding}")) == (403, "DATA_SCOPE")
    assert problem(file(client, cadre, f"finding/{some_id()}")) == (422, "UNKNOWN_MATTER")


def test_the_text_is_read_by_those_who_handle_it_and_the_look_is_recorded(
    city: City, client: Client, cadre: str
) -> None:
    path = filed(city, client, cadre, sanctioned(city, cadre))
    assert client.get(REVIEWER, f"{path}/grounds").json == {"grounds": "事实认定有误"}
    assert client.get(person(cadre), f"{path}/grounds").status_code == 200
    assert problem(client.get(person(some_id()), f"{path}/grounds")) == (403, "DATA_SCOPE")
    audit = tables.metadata.tables["audit_entries"]
    rows = city.rows(audit, audit.c.action == "appeal.grounds.read", audit.c.actor == "reviewer")
    assert [list(row.read_fields) for row in rows] == [["grounds"]]
    elsewhere = {"sub": "else", "roles": ["ORG.appeal"], "scope": {"units": ["N-9"], "unit": "4202-102"}}
    assert client.get(elsewhere, "/appeals").json["items"] == []
    assert client.get(REVIEWER, f"/appeals?cadre={cadre}").json["items"]
    assert problem(client.get(elsewhere, path)) == (403, "DATA_SCOPE")
