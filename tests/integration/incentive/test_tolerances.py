"""Tolerance cases in a real database: who may do what, in which order, and what goes with it in the same commit."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from citybus import tables
from citybus.actor import Actor
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.ids import new_id
from incentive.domain.tolerance import TOLERANCE
from tests.support.incentive import (
    ACCEPTOR,
    APPLICANT,
    BUREAU,
    COMMITTEE,
    CONFIRMER,
    DECIDER,
    DIRECT,
    DISTRICT,
    FIRST,
    LEAD,
    ORGAN,
    SCORES,
    SECOND,
    SECRET,
    STRANGER,
    SYSTEM,
    VERIFIERS,
    City,
    a_decision,
    a_panel,
    an_application,
    cadre,
    head,
    officer,
    texts_in_outbox,
)

VERIFIED = {"factors": SCORES, "exclusions": [], "reason": "核实属实"}


def refused(city: City, case: Any, action: str, actor: Actor, form: Any = None) -> Refusal:
    """Take a step that is refused, and see that nothing at all has changed."""
    before = city.picture()
    with pytest.raises(Refusal) as caught:
        city.take(case, action, actor, form)
    assert city.picture() == before
    return caught.value


def reviewed(city: City) -> Any:
    """Return a case in the state that it passes through in the same moment as its review is decided."""
    case = city.decision_served()
    with city.engine.begin() as connection:
        connection.execute(text("UPDATE tolerances SET state = 'REVIEWED' WHERE id = :id"), {"id": case.id})
    return city.again(case)


def in_state(city: City, state: str) -> Any:
    match state:
        case "DRAFT":
            return city.drafted()
        case "FILED":
            return city.filed()
        case "ACCEPTED":
            return city.accepted()
        case "NOT_ACCEPTED":
            return city.take(city.filed(), "not_accept", ACCEPTOR, {"reason": "不属于容错情形"})[0]
        case "VERIFYING":
            return city.verifying()
        case "DELIBERATING":
            return city.deliberating()
        case "DECIDED":
            return city.decided()
        case "SERVED":
            return city.decision_served()
        case "REVIEWED":
            return reviewed(city)
        case "EFFECTIVE":
            return city.effective()
        case "CORRECTING":
            return city.correcting()
        case "CLOSED":
            return city.closed()
        case "REVOKED":
            return city.revoked()
        case _:
            return city.take(city.filed(), "withdraw", APPLICANT)[0]


FORMS: dict[str, Any] = {
    "revise": {"circumstance": 2, "statement": "s"},
    "attach": {"evidence": []},
    "refile": {"new_facts": "新的事实"},
    "assign": {"verifiers": VERIFIERS},
    "reassign": {"verifiers": VERIFIERS, "reason": "r"},
    "verify": VERIFIED,
    "decide": a_decision(),
    "serve": {"served_on": "2024-03-04"},
    "ask_review": {"grounds": "g"},
    "review": {"decision": "EXEMPT", "reason": "r"},
    "give_notice": {"ground": "FRAUD", "reason": "r"},
    "serve_refusal": {"served_on": date(2024, 3, 4)},
    "serve_notice": {"kind": "CADRE", "id": LEAD, "served_on": date(2024, 3, 4)},
    "answer": {"answer": "a"},
}
WHO = {
    **dict.fromkeys(("revise", "discard", "file", "attach", "refile", "withdraw"), APPLICANT),
    **dict.fromkeys(("accept", "not_accept", "assign", "reassign", "extend"), ACCEPTOR),
    "verify": FIRST,
    "decide": DECIDER,
    **dict.fromkeys(("ask_review", "answer"), APPLICANT),
    "review": COMMITTEE[0],
    "give_notice": ACCEPTOR,
    "revoke": COMMITTEE[0],
    **dict.fromkeys(("serve", "serve_refusal", "serve_notice", "take_effect", "correct", "close"), SYSTEM),
}


@pytest.mark.parametrize("state", TOLERANCE.states)
def test_an_action_that_does_not_lead_on_changes_nothing(city: City, state: str) -> None:
    case = in_state(city, state)
    before = city.picture()
    for action in TOLERANCE.actions:
        if TOLERANCE.target(state, action) is None:
            with pytest.raises(Refusal) as caught:
                city.take(case, action, WHO[action], FORMS.get(action, {"reason": "理由"}))
            assert (caught.value.code, caught.value.status) == ("INVALID_TRANSITION", 409), action
    assert city.picture() == before


def test_from_a_draft_to_an_effective_decision(city: City) -> None:
    case = city.effective()
    events = city.outbox(f"tolerance/{case.id}")
    assert [event.type.removeprefix("incentive.tolerance.") for event in events] == [
        "filed.v1",
        "accepted.v1",
        "verifying.v1",
        "deliberating.v1",
        "decided.v1",
        "served.v1",
        "effective.v1",
    ]
    assert [event.sequence for event in events] == list(range(1, 8))
    assert events[-1].data == {
        "case": case.id,
        "finding": case.finding_id,
        "applicant": {"kind": "CADRE", "id": LEAD},
        "unit": BUREAU,
        "circumstance": 2,
        "state": "EFFECTIVE",
        "decision": "MITIGATE",
        "factor": "0.5",
        "filed_on": "2024-03-04",
        "decided_on": "2024-03-04",
        "served_on": "2024-03-04",
        "effective_on": "2024-03-19",
        "recipients": [],
        "revoked_on": None,
    }
    assert events[4].rulepack == "LOCAL-HS-2016@1"
    with city.acting(ACCEPTOR) as uow:
        history = city.cases.history(uow.session, case.id)
    assert [(step["action"], step["actor"]) for step in history] == [
        ("create", APPLICANT.subject),
        ("file", APPLICANT.subject),
        ("accept", ACCEPTOR.subject),
        ("assign", ACCEPTOR.subject),
        ("verify", FIRST.subject),
        ("verify", SECOND.subject),
        ("decide", DECIDER.subject),
        ("decide", CONFIRMER.subject),
        ("serve", "system:incentive"),
        ("take_effect", "system:incentive"),
    ]


def test_every_step_is_audited(city: City) -> None:
    case = city.effective()
    entries = city.rows(tables.audit_entries, tables.audit_entries.c.target == f"tolerance/{case.id}")
    assert {entry.action for entry in entries} == {
        f"tolerance.{name}"
        for name in ("create", "file", "accept", "assign", "verify", "decide", "serve", "take_effect")
    } | {"tolerance.verify.confirm", "tolerance.decide.confirm"}


def test_each_period_is_armed_when_it_begins_and_closed_when_it_is_kept(city: City) -> None:
    case = city.filed()
    assert city.deadlines(case) == {"tolerance.accept": "2024-03-12T00:00"}
    city.take(case, "accept", ACCEPTOR)
    assert city.deadlines(case) == {"tolerance.assign": "2024-03-08T00:00"}
    city.take(case, "assign", ACCEPTOR, {"verifiers": VERIFIERS})
    assert city.deadlines(case) == {"tolerance.verify": "2024-04-02T00:00"}
    extended, events = city.take(case, "extend", ACCEPTOR, {"reason": "案情复杂"})
    # Tomb-sweeping day: 4 to 6 April are holidays, 7 April is a make-up workday.
    assert city.deadlines(case) == {"tolerance.verify": "2024-04-17T00:00"}
    assert (extended.verify_by.isoformat(), extended.extended_until.isoformat(), events) == (
        "2024-04-01",
        "2024-04-16",
        [],
    )
    city.take(case, "verify", FIRST, VERIFIED)
    assert city.deadlines(case) == {"tolerance.verify": "2024-04-17T00:00"}
    city.take(case, "verify", SECOND, VERIFIED)
    assert city.deadlines(case) == {"tolerance.decide": "2024-03-19T00:00"}
    for actor in (DECIDER, CONFIRMER):
        decided, _ = city.take(case, "decide", actor, a_decision())
    assert city.deadlines(case) == {"tolerance.serve": "2024-03-08T00:00"}
    city.receive("notification", city.served(decided, city.clock.today()))
    assert city.deadlines(case) == {"tolerance.review": "2024-03-19T00:00"}


@pytest.mark.parametrize(("state", "kind"), [("FILED", "accept"), ("ACCEPTED", "assign"), ("VERIFYING", "verify")])
def test_a_period_that_passes_tells_people_and_decides_nothing(city: City, state: str, kind: str) -> None:
    case = in_state(city, state)
    assert set(city.deadlines(case)) == {f"tolerance.{kind}"}
    city.clock.advance(timedelta(days=60))
    assert city.fire().fired >= 1
    assert (city.again(case).state, city.deadlines(case)) == (state, {})


@pytest.mark.parametrize("state", ["FILED", "ACCEPTED", "VERIFYING"])
def test_who_asked_withdraws_until_it_is_deliberated_and_may_ask_anew(city: City, state: str) -> None:
    finding = city.finding()
    case = {"FILED": city.filed, "ACCEPTED": city.accepted, "VERIFYING": city.verifying}[state](finding)
    assert refused(city, case, "withdraw", cadre(DIRECT)).code == "DATA_SCOPE"
    assert refused(city, case, "withdraw", ORGAN).code == "NOT_APPLICANT"
    done, (event,) = city.take(case, "withdraw", APPLICANT)
    assert (done.state, event.type, city.deadlines(case)) == ("WITHDRAWN", "incentive.tolerance.withdrawn.v1", {})
    city.filed(finding)


def test_a_draft_that_is_discarded_is_told_to_nobody(city: City) -> None:
    done, events = city.take(city.drafted(), "discard", APPLICANT)
    assert (done.state, events, city.outbox(f"tolerance/{done.id}")) == ("WITHDRAWN", [], [])


def test_nothing_that_anybody_wrote_is_in_an_event_or_audit_entry(city: City) -> None:
    case = city.filed(statement=f"理由：{SECRET}", late_cause=SECRET)
    city.take(case, "not_accept", ACCEPTOR, {"reason": SECRET})
    city.take(case, "refile", APPLICANT, {"new_facts": f"新事实：{SECRET}"})
    city.take(case, "accept", ACCEPTOR)
    city.take(case, "assign", ACCEPTOR, {"verifiers": VERIFIERS})
    for actor in (FIRST, SECOND):
        city.take(case, "verify", actor, VERIFIED | {"reason": SECRET})
    for actor in (DECIDER, CONFIRMER):
        city.take(case, "decide", actor, a_decision("EXEMPT", deviation=SECRET, reason=SECRET))
    assert SECRET not in texts_in_outbox(city)
    assert SECRET not in str(city.rows(tables.audit_entries))
    assert city.again(case).deviation == SECRET


@pytest.mark.parametrize(("action", "field"), [("not_accept", "reason"), ("refile", "new_facts")])
def test_a_text_with_a_mark_of_secrets_is_refused(city: City, action: str, field: str) -> None:
    case = city.filed() if action == "not_accept" else in_state(city, "NOT_ACCEPTED")
    refusal = refused(city, case, action, WHO[action], {field: "涉及机密事项"})
    assert (refusal.code, refusal.status) == ("SECRECY_LEVEL", 451)


def test_what_is_not_accepted_is_filed_again_once_with_new_facts(city: City) -> None:
    case = in_state(city, "NOT_ACCEPTED")
    same = refused(city, case, "refile", APPLICANT, {"new_facts": an_application()["statement"]})
    assert same.code == "NO_NEW_FACTS"
    done, (event,) = city.take(case, "refile", APPLICANT, {"new_facts": "会议纪要补充"})
    assert (done.state, done.refiled, event.type) == ("FILED", True, "incentive.tolerance.filed.v1")
    assert city.deadlines(case) == {"tolerance.accept": "2024-03-12T00:00"}
    city.take(case, "not_accept", ACCEPTOR, {"reason": "仍不符合"})
    assert refused(city, case, "refile", APPLICANT, {"new_facts": "又一次"}).code == "REFILED_ALREADY"


def test_the_time_to_file_again_ends(city: City) -> None:
    case = in_state(city, "NOT_ACCEPTED")
    city.clock.advance(timedelta(days=15))
    # It begins with the service of the refusal: 19 March, and ten working days from it.
    for day in (19, 20):
        city.receive("notification", city.served(case, date(2024, 3, day), document="TOLERANCE_NOT_ACCEPTED"))
    assert city.again(case).refusal_served_on == date(2024, 3, 19)
    city.clock.set(datetime(2024, 4, 3, 9, tzinfo=ZONE))
    refusal = refused(city, case, "refile", APPLICANT, {"new_facts": "n"})
    assert (refusal.code, refusal.figures["until"]) == ("STAGE_TOO_LATE", "2024-04-02")


def test_about_a_finding_that_ended_nothing_is_filed_again(city: City) -> None:
    case = in_state(city, "NOT_ACCEPTED")
    city.receive("supervision", city.about_finding(case.finding_id, "rejected", state="REJECTED"))
    refusal = refused(city, case, "refile", APPLICANT, {"new_facts": "n"})
    assert (refusal.code, refusal.figures["stage"]) == ("STAGE_TOO_LATE", "REJECTED")


# ---- who may ask, and when


@pytest.mark.parametrize(
    ("actor", "kind", "expected"),
    [
        (APPLICANT, "CADRE", (LEAD, [LEAD])),
        (head(), "UNIT", (BUREAU, [DIRECT, LEAD])),
        (ORGAN, "ORGAN", ("420200-DISC", [DIRECT, LEAD])),
    ],
)
def test_the_person_the_unit_and_the_organ_may_ask(city: City, actor: Actor, kind: str, expected: Any) -> None:
    case = city.filed(actor=actor, applicant=kind)
    assert (case.state, case.applicant_kind) == ("FILED", kind)
    assert (case.applicant_id, case.persons) == expected


@pytest.mark.parametrize(
    ("actor", "kind", "code"),
    [
        (cadre(STRANGER, DISTRICT), "CADRE", "NOT_CONCERNED"),
        (head(DISTRICT), "UNIT", "NOT_CONCERNED"),
        (APPLICANT, "UNIT", "FORBIDDEN"),
        (APPLICANT, "ORGAN", "FORBIDDEN"),
        (head(), "CADRE", "FORBIDDEN"),
        (officer("supo-of-unit", "SUPO", unit=BUREAU), "ORGAN", "AVOIDANCE"),
        (officer("supo-party", "SUPO", person=LEAD), "ORGAN", "AVOIDANCE"),
        (officer("far", "SUPO", units=frozenset({DISTRICT})), "ORGAN", "DATA_SCOPE"),
        (officer("admin", "SYSADM"), "ORGAN", "FORBIDDEN"),
    ],
)
def test_others_may_not_ask(city: City, actor: Actor, kind: str, code: str) -> None:
    finding = city.finding()
    before = city.picture()
    with pytest.raises(Refusal) as caught:
        city.drafted(finding, actor, applicant=kind)
    assert caught.value.code == code
    assert city.picture() == before


def test_nobody_asks_before_anybody_is_held_accountable(city: City) -> None:
    with pytest.raises(Refusal) as caught:
        city.drafted(new_id())
    assert (caught.value.code, caught.value.status) == ("STAGE_TOO_EARLY", 422)


def test_whoever_asks_asks_once_about_a_finding(city: City) -> None:
    finding = city.finding()
    city.drafted(finding)
    with pytest.raises(Refusal) as caught:
        city.drafted(finding)
    assert (caught.value.code, caught.value.status) == ("DUPLICATE", 409)
    # Another may ask as well.
    city.drafted(finding, cadre(DIRECT))
    city.drafted(finding, head(), applicant="UNIT")


def measured(city: City, *findings: str) -> str:
    """Have a measure against the cadre in the lead be told that rests on `findings`, and return its id."""
    measure = new_id()
    city.receive("supervision", city.measure(measure, findings, "approved", "APPROVED"))
    return measure


def asking(city: City, actor: Actor, measure: str, **changes: Any) -> Any:
    return city.open(actor, an_application(measure=measure, **changes))


def test_who_names_a_measure_asks_about_the_finding_on_which_it_rests(city: City) -> None:
    finding = city.finding()
    case = asking(city, APPLICANT, measured(city, finding))
    assert (case.finding_id, case.persons) == (finding, [LEAD])
    with pytest.raises(Refusal) as caught:
        city.drafted(finding)
    assert caught.value.code == "DUPLICATE"


def test_a_measure_that_rests_on_no_finding_or_on_several_names_none(city: City) -> None:
    findings = sorted([city.finding(), city.finding()])
    for measure, code, told in (
        (measured(city), "WITHOUT_FINDING", None),
        (measured(city, *findings), "SEVERAL_FINDINGS", findings),
    ):
        with pytest.raises(Refusal) as caught:
            asking(city, APPLICANT, measure)
        assert (caught.value.code, caught.value.figures.get("findings")) == (code, told)


@pytest.mark.parametrize(("actor", "kind"), [(cadre(DIRECT), "CADRE"), (head(), "UNIT")])
def test_nobody_learns_of_anothers_measure_by_asking(city: City, actor: Actor, kind: str) -> None:
    for measure in (new_id(), measured(city, city.finding())):
        with pytest.raises(Refusal) as caught:
            asking(city, actor, measure, applicant=kind)
        assert caught.value.code == "UNKNOWN_MEASURE"


def test_an_organ_may_name_a_measure(city: City) -> None:
    finding = city.finding()
    case = asking(city, ORGAN, measured(city, finding), applicant="ORGAN")
    assert (case.finding_id, case.applicant_kind) == (finding, "ORGAN")


def test_two_at_once_are_one(city: City) -> None:
    finding = city.finding()
    case = city.drafted(finding)
    copy = text(
        "INSERT INTO tolerances SELECT (jsonb_populate_record(t, jsonb_build_object('id', CAST(:id AS text)))).*"
        " FROM tolerances t WHERE t.id = :case"
    )
    with city.engine.begin() as connection, pytest.raises(IntegrityError, match="uq_tolerances_applicant"):
        connection.execute(copy, {"id": new_id(), "case": case.id})


def test_a_late_application_wants_a_cause_and_says_that_it_is_late(city: City) -> None:
    finding = city.finding(served_on="2024-03-04")
    case, caused = city.drafted(finding), city.drafted(finding, cadre(DIRECT), late_cause="住院")
    city.clock.advance(timedelta(days=15))
    refusal = refused(city, case, "file", APPLICANT)
    assert (refusal.code, refusal.figures["remedy"]) == ("STAGE_TOO_LATE", "LATE_CAUSE")
    done, _ = city.take(caused, "file", cadre(DIRECT))
    assert (done.late, done.account_stage) == (True, "NOTIFIED")


def test_a_month_after_verification_only_an_appeal_is_left(city: City) -> None:
    case = city.drafted(city.finding("VERIFIED", served_on="2024-03-04"), late_cause="住院")
    city.clock.advance(timedelta(days=31))
    # The thirtieth day is 3 April; it is a working day.
    refusal = refused(city, case, "file", APPLICANT)
    assert (refusal.code, refusal.figures["remedy"], refusal.figures["until"]) == (
        "STAGE_TOO_LATE",
        "APPEAL",
        "2024-04-03",
    )


def test_there_is_nothing_to_tolerate_in_a_rejected_finding(city: City) -> None:
    with pytest.raises(Refusal, match="STAGE_TOO_LATE"):
        city.drafted(city.finding("REJECTED"))


@pytest.mark.parametrize("action", ["create", "file", "assign", "decide"])
def test_nothing_is_decided_on_what_is_out_of_date(city: City, action: str) -> None:
    source = "assessment" if action in ("assign", "decide") else "supervision"
    finding = city.finding()
    case = {"assign": city.accepted, "decide": city.deliberating}.get(action, city.drafted)(finding)

    def attempt() -> Any:
        if action == "create":
            return city.drafted(finding, cadre(DIRECT))
        return city.take(case, action, WHO[action], FORMS.get(action))

    change = "UPDATE projection_heartbeats SET last_seen = last_seen {} interval '6 minutes' WHERE source = :source"
    with city.engine.begin() as connection:
        connection.execute(text(change.format("-")), {"source": source})
    try:
        with pytest.raises(Refusal) as caught:
            attempt()
        assert (caught.value.code, caught.value.status) == ("DEPENDENCY_STALE", 503)
        assert caught.value.figures["services"] == [source]
    finally:
        with city.engine.begin() as connection:
            connection.execute(text(change.format("+")), {"source": source})


# ---- evidence


def test_evidence_is_what_the_asker_uploaded(city: City) -> None:
    own, others = city.with_evidence(content=b"%PDF-own"), city.with_evidence(ACCEPTOR, b"%PDF-of-somebody-else")
    with pytest.raises(Refusal) as caught:
        city.drafted(evidence=[others])
    assert caught.value.code == "UNKNOWN_EVIDENCE"
    case = city.filed(evidence=[own])
    done, events = city.take(case, "attach", ACCEPTOR, {"evidence": [others]})
    assert (done.evidence, events) == (sorted([own, others]), [])


def test_only_who_asked_or_an_officer_adds_evidence(city: City) -> None:
    case = city.filed(actor=head(), applicant="UNIT")
    assert refused(city, case, "attach", APPLICANT, {"evidence": [city.with_evidence()]}).code == "NOT_APPLICANT"


# ---- verification and decision


def test_two_verifiers_agree_and_the_advice_is_kept_with_its_grounds(city: City) -> None:
    case = city.verifying()
    half, events = city.take(case, "verify", FIRST, VERIFIED)
    assert (half.state, half.advice, events) == ("VERIFYING", None, [])
    assert refused(city, case, "verify", FIRST, VERIFIED).code == "SAME_VERIFIER"
    other = VERIFIED | {"factors": SCORES | {"motive": 0}}
    assert refused(city, case, "verify", SECOND, other).code == "APPROVAL_DIFFERS"
    done, _ = city.take(case, "verify", SECOND, VERIFIED | {"reason": "另一种说法"})
    assert (done.state, done.advice, done.advice_grounds["total"]) == ("DELIBERATING", "MITIGATE", 8)
    assert done.advice_grounds["rule_packs"] == ["LOCAL-HS-2016@1"]


def test_evidence_that_comes_between_makes_the_first_confirmation_void(city: City) -> None:
    case = city.verifying()
    city.take(case, "verify", FIRST, VERIFIED)
    city.take(case, "attach", APPLICANT, {"evidence": [city.with_evidence(content=b"%PDF-late")]})
    half, _ = city.take(case, "verify", SECOND, VERIFIED)
    assert half.state == "VERIFYING"


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (officer("another"), "NOT_ASSIGNED"),
        (officer(FIRST.subject, "DISC", person="somebody-else"), "NOT_ASSIGNED"),
        (ACCEPTOR, "AVOIDANCE"),
        (APPLICANT, "FORBIDDEN"),
        (officer(FIRST.subject, "DISC", units=frozenset({DISTRICT})), "DATA_SCOPE"),
    ],
)
def test_only_the_assigned_verify(city: City, actor: Actor, code: str) -> None:
    assert refused(city, city.verifying(), "verify", actor, VERIFIED).code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"cadre": "colleague"}, "AVOIDANCE"),
        ({"cadre": DIRECT}, "AVOIDANCE"),
        ({"cadre": "nobody"}, "UNKNOWN_CADRE"),
        ({"subject": "supo-1"}, "AVOIDANCE"),
        ({"subject": ACCEPTOR.subject}, "AVOIDANCE"),
        ({"subject": SECOND.subject}, "NAMED_TWICE"),
        ({"cadre": "verifier-2"}, "NAMED_TWICE"),
    ],
)
def test_verifiers_have_no_part_in_the_matter(city: City, changes: Any, code: str) -> None:
    verifiers = [VERIFIERS[0] | changes, VERIFIERS[1]]
    assert refused(city, city.accepted(), "assign", ACCEPTOR, {"verifiers": verifiers}).code == code


def test_who_left_is_no_verifier_and_no_member_of_the_panel(city: City) -> None:
    person = new_id()
    registered = city.registered(person, DISTRICT)
    left = city.event("assessment.cadre.left.v1", registered.subject, dict(registered.data) | {"state": "LEFT"})
    verifiers = [VERIFIERS[0] | {"cadre": person}, VERIFIERS[1]]
    city.receive("assessment", registered)
    city.take(city.accepted(), "assign", ACCEPTOR, {"verifiers": verifiers})
    city.receive("assessment", left)
    refusal = refused(city, city.accepted(), "assign", ACCEPTOR, {"verifiers": verifiers})
    assert (refusal.code, refusal.figures) == ("CADRE_LEFT", {"cadres": [person]})
    form = a_decision(panel=a_panel({"MITIGATE": 5}, cadre=person))
    assert refused(city, city.deliberating(), "decide", DECIDER, form).code == "CADRE_LEFT"


def test_who_asked_for_the_organ_leads_no_further_step(city: City) -> None:
    case = city.filed(actor=ORGAN, applicant="ORGAN")
    assert refused(city, case, "accept", ORGAN).code == "AVOIDANCE"
    city.take(case, "accept", FIRST)


def test_verifiers_are_replaced_and_the_first_may_stay(city: City) -> None:
    case = city.verifying()
    city.take(case, "verify", FIRST, VERIFIED)
    verifiers = [VERIFIERS[0], {"subject": "org-substitute", "cadre": "member-1"}]
    done, events = city.take(case, "reassign", ACCEPTOR, {"verifiers": verifiers, "reason": "因病更换"})
    assert (done.verifiers, events) == (verifiers, [])
    assert refused(city, case, "verify", SECOND, VERIFIED).code == "NOT_ASSIGNED"
    city.take(case, "verify", FIRST, VERIFIED)
    assert city.take(case, "verify", officer("org-substitute"), VERIFIED)[0].state == "DELIBERATING"


def test_the_time_to_verify_is_extended_once_and_before_it_ends(city: City) -> None:
    case = city.verifying()
    city.take(case, "extend", ACCEPTOR, {"reason": "案情复杂"})
    assert refused(city, case, "extend", ACCEPTOR, {"reason": "r"}).code == "EXTENDED_ALREADY"
    other = city.verifying()
    city.clock.advance(timedelta(days=29))
    assert refused(city, other, "extend", ACCEPTOR, {"reason": "r"}).code == "OUT_OF_TIME"


def test_two_people_record_the_same_decision(city: City) -> None:
    case = city.deliberating()
    half, events = city.take(case, "decide", DECIDER, a_decision())
    assert (half.state, half.decision, events) == ("DELIBERATING", None, [])
    assert refused(city, case, "decide", DECIDER, a_decision()).code == "SAME_DECIDER"
    differs = a_decision("EXEMPT", deviation="d")
    assert refused(city, case, "decide", CONFIRMER, differs).code == "APPROVAL_DIFFERS"
    done, (event,) = city.take(case, "decide", CONFIRMER, a_decision())
    assert (done.decision, str(done.factor), len(done.panel)) == ("MITIGATE", "0.5", 5)
    assert (event.type, event.data["factor"], event.data["decision"]) == (
        "incentive.tolerance.decided.v1",
        "0.5",
        "MITIGATE",
    )


@pytest.mark.parametrize("actor", [ACCEPTOR, FIRST, officer("of-unit", unit=BUREAU), officer("party", person=LEAD)])
def test_who_had_a_part_does_not_decide(city: City, actor: Actor) -> None:
    assert refused(city, city.deliberating(), "decide", actor, a_decision()).code == "AVOIDANCE"


@pytest.mark.parametrize(
    ("form", "code"),
    [
        (a_decision(panel=a_panel({"MITIGATE": 4})), "PANEL_QUORUM"),
        (a_decision(panel=a_panel({"MITIGATE": 3, "DENY": 2})), "PANEL_MAJORITY"),
        (a_decision(panel=a_panel({"MITIGATE": 5}, cadre="colleague")), "AVOIDANCE"),
        (a_decision(panel=a_panel({"MITIGATE": 5}, subject="supo-1")), "AVOIDANCE"),
        (a_decision(panel=a_panel({"MITIGATE": 5}, subject=FIRST.subject)), "AVOIDANCE"),
        (a_decision(panel=a_panel({"MITIGATE": 5}, cadre="member-2")), "NAMED_TWICE"),
        (a_decision("EXEMPT"), "DEVIATION_UNEXPLAINED"),
        (a_decision(reason=None), "REASON_MISSING"),
    ],
)
def test_a_decision_that_is_not_right_is_refused_to_the_first_already(city: City, form: Any, code: str) -> None:
    assert refused(city, city.deliberating(), "decide", DECIDER, form).code == code


def test_a_deciding_recorder_may_sit_on_the_panel(city: City) -> None:
    case = city.deliberating()
    form = a_decision(panel=a_panel({"MITIGATE": 5}, subject=DECIDER.subject))
    city.take(case, "decide", DECIDER, form)
    assert city.take(case, "decide", CONFIRMER, form)[0].state == "DECIDED"


def test_an_exclusion_allows_only_to_deny(city: City) -> None:
    case = city.deliberating(exclusions=["PRIVATE_GAIN"])
    assert case.advice == "DENY"
    granted = a_decision(deviation="情节轻微")
    refusal = refused(city, case, "decide", DECIDER, granted)
    assert (refusal.code, refusal.figures["exclusions"]) == ("EXCLUDED_PRIVATE_GAIN", ["PRIVATE_GAIN"])
    for actor in (DECIDER, CONFIRMER):
        done, _ = city.take(case, "decide", actor, a_decision("DENY"))
    assert (done.decision, str(done.factor)) == ("DENY", "1.0")


def test_the_committee_alone_overrules_an_exclusion_and_says_why(city: City) -> None:
    case = city.deliberating(exclusions=["REPEATED", "CONCEALMENT"])
    assert refused(city, case, "decide", COMMITTEE[0], a_decision()).code == "DEVIATION_UNEXPLAINED"
    granted = a_decision(deviation="常委会集体研究")
    city.take(case, "decide", COMMITTEE[0], granted)
    assert refused(city, case, "decide", CONFIRMER, granted).code == "EXCLUDED_CONCEALMENT"
    done, _ = city.take(case, "decide", COMMITTEE[1], granted)
    assert (done.decision, done.deviation) == ("MITIGATE", "常委会集体研究")


# ---- readers

READERS = [
    ACCEPTOR,
    COMMITTEE[0],
    ORGAN,
    officer("supo", "SUPO"),
    officer("near", units=frozenset({BUREAU})),
    officer("far", units=frozenset({DISTRICT})),
    officer("party", person=LEAD),
    officer("of-unit", unit=BUREAU),
    APPLICANT,
    cadre(DIRECT),
    cadre(STRANGER, DISTRICT),
    head(),
    head(DISTRICT),
]


@pytest.mark.parametrize("actor", READERS, ids=lambda actor: actor.subject)
def test_the_list_shows_what_may_be_read_and_nothing_else(city: City, actor: Actor) -> None:
    cases = [
        city.drafted(),
        city.filed(),
        city.drafted(actor=ORGAN, applicant="ORGAN"),
        city.filed(actor=ORGAN, applicant="ORGAN"),
        city.filed(actor=head(), applicant="UNIT"),
    ]
    with city.acting(actor) as uow:
        listed = {row.id for row in uow.session.scalars(city.cases.listing(actor))}
    for case in cases:
        try:
            city.cases.refuse_reader(actor, case)
        except Refusal:
            assert case.id not in listed
        else:
            assert case.id in listed


@pytest.mark.parametrize("actor", [APPLICANT, head(), officer("of-unit", unit=BUREAU)])
def test_what_an_organ_prepares_is_told_when_it_is_filed(city: City, actor: Actor) -> None:
    case = city.drafted(actor=ORGAN, applicant="ORGAN")
    with pytest.raises(Refusal) as caught:
        city.cases.refuse_reader(actor, case)
    assert caught.value.code == "DATA_SCOPE"
    city.cases.refuse_reader(actor, city.take(case, "file", ORGAN)[0])


def test_the_database_itself_refuses_a_factor_above_one(city: City) -> None:
    case = city.filed()
    with city.engine.begin() as connection, pytest.raises(IntegrityError, match="ck_tolerances_factor"):
        connection.execute(text("UPDATE tolerances SET factor = 1.5 WHERE id = :id"), {"id": case.id})
