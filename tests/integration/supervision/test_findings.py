"""Findings in a real database: who may do what, in which order, and what goes with it in the same commit."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from citybus import tables
from citybus.cases import Actor
from citybus.errors import Refusal
from supervision.application import queries
from supervision.domain.finding import FINDING
from supervision.persistence.models import FindingRow, PleaRow, SignalRow
from tests.support.supervision import (
    BUREAU,
    DIRECT,
    DIRECTOR,
    DISC,
    DISTRICT,
    FIRST,
    LEAD,
    OFFICE,
    ORG,
    RECORDER,
    SECOND,
    STRANGER,
    UNITHEAD,
    City,
    a_draft,
    cadre,
    officer,
    texts_in_outbox,
)

BOTH = [{"cadre": LEAD, "role": "LEAD"}, {"cadre": DIRECT, "role": "DIRECT"}]
SECRET = "只在此处可见的文字"


def refused(city: City, case: Any, action: str, actor: Actor, form: Any = None) -> Refusal:
    """Take a step that is refused, and see that nothing at all has changed."""
    before = city.picture()
    with pytest.raises(Refusal) as caught:
        city.take(city.findings, case, action, actor, form)
    assert city.picture() == before
    return caught.value


def in_state(city: City, state: str) -> Any:
    match state:
        case "DRAFT":
            return city.open(city.findings, RECORDER, a_draft())
        case "NOTIFIED":
            return city.notified()
        case "PLEA_RECEIVED":
            return city.take(city.findings, city.notified(), "plea", cadre(LEAD), {"text": "说明"})[0]
        case "VERIFIED":
            return city.verified()
        case "REJECTED":
            return city.take(city.findings, city.notified(), "reject", FIRST, {"reason": "不属实"})[0]
        case _:
            # How a finding comes there is shown with rectifications.
            case = city.notified()
            with city.acting(RECORDER) as uow:
                uow.session.get_one(FindingRow, case.id).state = state
                uow.commit()
            return city.again(case)


ILLEGAL = [
    (state, action) for state in FINDING.states for action in FINDING.actions if FINDING.target(state, action) is None
]
FORMS: dict[str, Any] = {
    "revise": a_draft(),
    "attach": {"evidence": []},
    "plea": {"text": "说明"},
    "serve": {"cadre": LEAD, "served_on": date(2024, 3, 4)},
    "apply_tolerance": {"case": "c", "factor": 1},
    "undo_tolerance": {"case": None, "factor": None},
}
WHO = {
    **{name: Actor("s", system=True) for name, action in FINDING.actions.items() if not action.allow},
    "plea": cadre(LEAD),
    "sign": ORG,
    "revoke": ORG,
}


@pytest.mark.parametrize(("state", "action"), ILLEGAL)
def test_an_action_that_does_not_lead_on_changes_nothing(city: City, state: str, action: str) -> None:
    case = in_state(city, state)
    refusal = refused(city, case, action, WHO.get(action, FIRST), FORMS.get(action, {"reason": "理由"}))
    # Those concerned are not even told that there is a draft.
    hidden = (state, action) == ("DRAFT", "plea")
    assert (refusal.code, refusal.status) == (("DATA_SCOPE", 403) if hidden else ("INVALID_TRANSITION", 409))


def test_from_a_draft_to_a_verified_finding(city: City) -> None:
    case = city.verified()
    events = city.outbox(f"finding/{case.id}")
    assert [event.type for event in events] == [
        "supervision.finding.notified.v1",
        "supervision.finding.served.v1",
        "supervision.finding.verified.v1",
    ]
    assert [event.sequence for event in events] == [1, 2, 3]
    assert events[-1].data | {"state": "VERIFIED", "year": 2024, "effective_weight": "2.0"} == events[-1].data
    assert events[-1].rulepack == "LOCAL-HS-2016@1"
    with city.acting(RECORDER) as uow:
        history = city.findings.history(uow.session, case.id)
    steps = [(step["action"], step["actor"], step["reason"]) for step in history]
    (delivery,) = {step["reason"] for step in history if step["actor"] == "system:supervision"}
    assert delivery.startswith("delivery/")
    assert steps == [
        ("create", "officer-1", None),
        ("notify", "officer-1", None),
        ("serve", "system:supervision", delivery),
        ("verify", "officer-2", "属实"),
        ("verify", "officer-3", "核实无误"),
    ]


def test_every_step_is_audited(city: City) -> None:
    case = city.verified()
    entries = city.rows(tables.audit_entries, tables.audit_entries.c.target == f"finding/{case.id}")
    assert sorted(entry.action for entry in entries) == [
        "finding.create",
        "finding.notify",
        "finding.serve",
        "finding.verify",
        "finding.verify.confirm",
    ]
    assert all(entry.correlation_id and entry.actor for entry in entries)


def test_two_different_people_verify(city: City) -> None:
    case = city.ready_to_verify()
    half, events = city.take(city.findings, case, "verify", FIRST, {"reason": "属实"})
    assert (half.state, events) == ("NOTIFIED", [])
    refusal = refused(city, case, "verify", FIRST, {"reason": "再次确认"})
    assert (refusal.code, refusal.figures) == ("SAME_VERIFIER", {"confirmed": 1, "wanted": 2})
    done, _ = city.take(city.findings, case, "verify", SECOND, {"reason": "核实无误"})
    assert (done.state, done.verified_on, done.year) == ("VERIFIED", date(2024, 3, 14), 2024)


def test_its_events_tell_who_handled_it_so_far_but_not_those_who_answer(city: City) -> None:
    case = city.notified()
    city.receive("supervision.notification", city.served(case, case.responsible[0]["cadre"], city.clock.today()))
    city.take(city.findings, city.again(case), "plea", cadre(case.responsible[0]["cadre"]), {"text": "情况说明"})
    for verifier in (FIRST, SECOND):
        city.take(city.findings, city.again(case), "verify", verifier, {"reason": "属实"})
    told = {event.type.split(".")[2]: event.data["handlers"] for event in city.outbox(f"finding/{case.id}")}
    recorded = [RECORDER.subject]
    assert told == {
        "notified": recorded,
        "served": recorded,
        "plea-received": recorded,
        # Who confirmed first is the actor of no event.
        "verified": sorted((RECORDER.subject, FIRST.subject, SECOND.subject)),
    }


def test_who_recorded_a_finding_does_not_verify_it(city: City) -> None:
    assert refused(city, city.ready_to_verify(), "verify", RECORDER, {"reason": "属实"}).code == "AVOIDANCE"


def test_a_verifier_keeps_away_from_the_own_unit_and_the_own_person(city: City) -> None:
    case = city.ready_to_verify()
    of_unit = officer("officer-of-the-unit", unit=BUREAU)
    party = officer("officer-and-party", person=LEAD)
    for actor in (of_unit, party):
        assert refused(city, case, "verify", actor, {"reason": "属实"}).code == "AVOIDANCE"


def test_verifying_wants_a_reason(city: City) -> None:
    assert refused(city, city.ready_to_verify(), "verify", FIRST).code == "REASON_MISSING"


def test_no_reason_bears_a_mark_of_state_secrets(city: City) -> None:
    refusal = refused(city, city.notified(), "reject", FIRST, {"reason": "详见绝密文件"})
    assert (refusal.code, refusal.status) == ("SECRECY_LEVEL", 451)


def test_what_came_after_the_first_verifier_makes_the_confirmation_void(city: City) -> None:
    case = city.ready_to_verify()
    city.take(city.findings, case, "verify", FIRST, {"reason": "属实"})
    city.take(city.findings, case, "attach", RECORDER, {"evidence": [city.with_evidence(b"%PDF-more")]})
    half, _ = city.take(city.findings, case, "verify", SECOND, {"reason": "属实"})
    assert half.state == "NOTIFIED"


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (officer("u", "UNITHEAD", unit=BUREAU), "FORBIDDEN"),
        (cadre(LEAD), "FORBIDDEN"),
        (officer("far", units=frozenset({DISTRICT})), "DATA_SCOPE"),
        (officer("admin", "SYSADM"), "FORBIDDEN"),
    ],
)
def test_only_officers_within_their_scope_verify(city: City, actor: Actor, code: str) -> None:
    refusal = refused(city, city.ready_to_verify(), "verify", actor, {"reason": "r"})
    assert (refusal.code, refusal.status) == (code, 403)


def test_a_verification_waits_for_the_plea_window(city: City) -> None:
    case = city.notified()
    assert refused(city, case, "verify", FIRST, {"reason": "r"}).figures == {
        "plea_until": None,
        "served": 0,
        "responsible": 1,
    }
    city.receive("supervision.notification", city.served(case, LEAD, date(2024, 3, 4)))
    city.clock.advance(timedelta(days=7))
    refusal = refused(city, case, "verify", FIRST, {"reason": "r"})
    assert (refusal.code, refusal.figures["plea_until"]) == ("PLEA_WINDOW_OPEN", "2024-03-11")
    city.clock.advance(timedelta(days=1))
    city.take(city.findings, case, "verify", FIRST, {"reason": "r"})


def test_when_all_have_answered_nobody_waits_for_the_window(city: City) -> None:
    case = city.notified(responsible=BOTH)
    city.take(city.findings, case, "plea", cadre(LEAD), {"text": "第一份"})
    assert refused(city, case, "verify", FIRST, {"reason": "r"}).code == "PLEA_WINDOW_OPEN"
    city.take(city.findings, case, "plea", cadre(DIRECT), {"text": "第二份"})
    half, _ = city.take(city.findings, case, "verify", FIRST, {"reason": "r"})
    assert half.state == "PLEA_RECEIVED"


def test_an_answer_is_kept_here_and_in_no_event_nor_audit_entry(city: City) -> None:
    case = city.notified(facts=f"事实:{SECRET}")
    _, events = city.take(city.findings, case, "plea", cadre(LEAD), {"text": f"申辩:{SECRET}"})
    assert [event.type for event in events] == ["supervision.finding.plea-received.v1"]
    assert [row.text for row in city.rows(PleaRow.__table__, PleaRow.finding_id == case.id)] == [f"申辩:{SECRET}"]
    assert SECRET not in texts_in_outbox(city)
    assert SECRET not in str(city.rows(tables.audit_entries))


def test_only_those_held_responsible_answer(city: City) -> None:
    assert refused(city, city.notified(), "plea", cadre(DIRECT), {"text": "t"}).code == "DATA_SCOPE"


def test_an_answer_comes_within_the_window(city: City) -> None:
    case = city.ready_to_verify()
    assert refused(city, case, "plea", cadre(LEAD), {"text": "t"}).code == "OUT_OF_TIME"


def test_nothing_is_verified_without_evidence(city: City) -> None:
    case = city.ready_to_verify(evidence=[])
    assert refused(city, case, "verify", FIRST, {"reason": "r"}).code == "NO_EVIDENCE"
    city.take(city.findings, case, "attach", RECORDER, {"evidence": [city.with_evidence()]})
    city.take(city.findings, case, "verify", FIRST, {"reason": "r"})


def test_a_severe_finding_is_signed_by_the_organisation_department_first(city: City) -> None:
    case = city.ready_to_verify(severity=4)
    assert refused(city, case, "verify", FIRST, {"reason": "r"}).code == "SIGN_MISSING"
    assert refused(city, case, "sign", FIRST).code == "FORBIDDEN"
    signed, events = city.take(city.findings, case, "sign", ORG)
    assert (signed.signed_by, events) == ("org-1", [])
    city.take(city.findings, case, "verify", FIRST, {"reason": "r"})
    done, _ = city.take(city.findings, case, "verify", SECOND, {"reason": "r"})
    assert (done.state, str(done.effective_weight)) == ("VERIFIED", "4.0")


def test_a_light_finding_is_not_signed(city: City) -> None:
    assert refused(city, city.notified(), "sign", ORG).code == "SIGN_NOT_NEEDED"


def test_a_matter_of_discipline_goes_to_the_commission_and_the_finding_stays_a_draft(city: City) -> None:
    case = city.open(city.findings, RECORDER, a_draft(reason_codes=["TAKING_GIFTS"], facts=SECRET))
    before = city.again(case)
    with city.acting(RECORDER) as uow:
        with pytest.raises(Refusal) as caught:
            city.findings.take(uow, case.id, "notify", RECORDER, {}, before.version)
        assert (caught.value.code, caught.value.committed) == ("DISCIPLINE_THRESHOLD", True)
        uow.commit()
    after = city.again(case)
    assert (after.state, after.version) == ("DRAFT", before.version)
    (signal,) = city.rows(SignalRow.__table__, SignalRow.finding_id == case.id)
    assert (signal.state, signal.transferred_to, signal.unit) == ("TRANSFERRED", "DISC", BUREAU)
    (event,) = city.outbox(f"signal/{signal.id}")
    assert event.type == "supervision.signal.transferred.v1"
    assert SECRET not in str(event.data)
    assert LEAD not in str(event.data)
    audits = city.rows(tables.audit_entries, tables.audit_entries.c.action == "signal.transfer")
    assert [entry.target for entry in audits] == [f"finding/{case.id}"]


def test_a_finding_that_is_refused_again_makes_no_second_signal(city: City) -> None:
    case = city.open(city.findings, RECORDER, a_draft(type="DUTY_CRIME"))
    for _ in range(2):
        with city.acting(RECORDER) as uow:
            with pytest.raises(Refusal):
                city.findings.take(uow, case.id, "notify", RECORDER, {}, 1)
            uow.commit()
    (signal,) = city.rows(SignalRow.__table__, SignalRow.finding_id == case.id)
    assert len(city.outbox(f"signal/{signal.id}")) == 1


def test_asking_what_may_be_done_makes_no_signal(city: City) -> None:
    case = city.open(city.findings, RECORDER, a_draft(type="DUTY_CRIME"))
    with city.acting(RECORDER) as uow:
        options = {option["action"]: option for option in city.findings.options(uow, case, RECORDER)}
        uow.commit()
    assert options["notify"]["why"]["code"] == "DISCIPLINE_THRESHOLD"
    assert city.rows(SignalRow.__table__, SignalRow.finding_id == case.id) == []


def test_a_draft_is_revised_as_a_whole(city: City) -> None:
    case = city.open(city.findings, RECORDER, a_draft(type="DUTY_CRIME"))
    revised, events = city.take(city.findings, case, "revise", RECORDER, a_draft(severity=1, responsible=BOTH))
    assert (revised.type, str(revised.base_weight), len(revised.responsible)) == ("TASK_NOT_IMPLEMENTED", "0.5", 2)
    assert events == []
    city.take(city.findings, case, "notify", RECORDER)


def test_conduct_before_any_rule_weighs_nothing_for_there_is_no_finding(city: City) -> None:
    with pytest.raises(Refusal) as caught:
        city.open(city.findings, RECORDER, a_draft(occurred_on=date(2015, 12, 31)))
    assert caught.value.code == "NO_RULE_AT_CONDUCT"


def test_nothing_is_recorded_on_a_roster_that_is_out_of_date(city: City) -> None:
    with city.engine.begin() as connection:
        connection.execute(text("UPDATE projection_heartbeats SET last_seen = last_seen - interval '6 minutes'"))
    try:
        with pytest.raises(Refusal) as caught:
            city.open(city.findings, RECORDER, a_draft())
        assert (caught.value.code, caught.value.status) == ("DEPENDENCY_STALE", 503)
    finally:
        with city.engine.begin() as connection:
            connection.execute(text("UPDATE projection_heartbeats SET last_seen = now()"))


READERS = [
    RECORDER,
    DIRECTOR,
    ORG,
    DISC,
    officer("near", units=frozenset({BUREAU})),
    officer("far", units=frozenset({DISTRICT})),
    officer("party", person=LEAD),
    officer("of-unit", unit=BUREAU),
    cadre(LEAD),
    cadre(DIRECT),
    cadre(STRANGER, DISTRICT),
    UNITHEAD,
    officer("hr", "UNITHR", unit=BUREAU, units=frozenset()),
    officer("other-head", "UNITHEAD", unit=DISTRICT, units=frozenset()),
    officer("head-and-party", "UNITHEAD", "CADRE", unit=BUREAU, units=frozenset(), person=LEAD),
]


@pytest.mark.parametrize("actor", READERS, ids=lambda actor: actor.subject)
def test_the_list_shows_what_may_be_read_and_nothing_else(city: City, actor: Actor) -> None:
    cases = [in_state(city, "DRAFT"), in_state(city, "NOTIFIED"), city.notified(responsible=BOTH)]
    cases += [in_state(city, "VERIFIED"), in_state(city, "REJECTED")]
    with city.acting(actor) as uow:
        listed = {row.id for row in uow.session.scalars(city.findings.listing(actor))}
    for case in cases:
        try:
            city.findings.refuse_reader(actor, case)
        except Refusal:
            assert case.id not in listed
        else:
            assert case.id in listed


@pytest.mark.parametrize("actor", [cadre(LEAD), officer("party", person=LEAD), officer("of-unit", unit=BUREAU)])
def test_nobody_concerned_reads_a_draft(city: City, actor: Actor) -> None:
    with pytest.raises(Refusal) as caught:
        city.findings.refuse_reader(actor, in_state(city, "DRAFT"))
    assert caught.value.code == "DATA_SCOPE"
    city.findings.refuse_reader(actor, in_state(city, "NOTIFIED"))


def test_a_unit_reads_what_it_is_to_rectify_from_the_verification_on_and_no_answer(city: City) -> None:
    """Its plan is due five working days after that (S7)."""
    case = city.ready_to_verify(responsible=BOTH)
    case = city.again(case)
    for actor in (UNITHEAD, officer("hr", "UNITHR", unit=BUREAU, units=frozenset())):
        with pytest.raises(Refusal) as caught:
            city.findings.refuse_reader(actor, case)
        assert caught.value.code == "DATA_SCOPE"
    for verifier in (FIRST, SECOND):
        city.take(city.findings, case, "verify", verifier, {"reason": "属实"})
    with city.acting(UNITHEAD) as uow:
        assert city.findings.read(uow, case.id, UNITHEAD).facts
        assert queries.pleas(city.findings, uow, case.id, UNITHEAD) == []
    with pytest.raises(Refusal):
        city.findings.refuse_reader(officer("far", "UNITHEAD", unit=DISTRICT, units=frozenset()), city.again(case))


def test_the_database_itself_refuses_a_weight_above_the_base(city: City) -> None:
    case = city.notified()
    with city.engine.begin() as connection, pytest.raises(Exception, match="ck_findings_weight"):
        connection.execute(text("UPDATE findings SET effective_weight = 9 WHERE id = :id"), {"id": case.id})


def test_an_officer_whom_a_finding_concerns_reads_neither_the_answers_of_others_nor_the_evidence(city: City) -> None:
    case = city.notified(responsible=BOTH)
    for person, words in ((LEAD, "我的说明"), (DIRECT, "他人的说明")):
        case = city.take(city.findings, case, "plea", cadre(person), {"text": words})[0]
    (digest,) = case.evidence
    party = officer("supo-lead", unit=OFFICE, person=LEAD)
    for actor, answers in ((FIRST, 2), (party, 1), (officer("of-unit", unit=BUREAU), 0)):
        with city.acting(actor) as uow:
            assert len(queries.pleas(city.findings, uow, case.id, actor)) == answers
            if actor is FIRST:
                assert queries.evidence(uow, digest, actor).sha256 == digest
            else:
                with pytest.raises(Refusal) as caught:
                    queries.evidence(uow, digest, actor)
                assert caught.value.code == "DATA_SCOPE"
