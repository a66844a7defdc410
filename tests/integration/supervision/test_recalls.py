"""Recalls in a real database: who may do what, what stands against them, what ends them, and what nobody else reads."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from citybus import tables
from citybus.cases import Actor
from citybus.cases.perform import system_actor
from citybus.errors import Invalid, Refusal
from citybus.ids import new_id
from supervision.application.apply_appeal import apply_appeal
from supervision.application.eligibility import reasons
from supervision.application.recalls import texts
from supervision.persistence.models import AdjustmentRow, RecallRow
from tests.support.recall import SELF_CRITICISM, Recalls, number
from tests.support.supervision import (
    BUREAU,
    COMM,
    DIRECT,
    DISC,
    EDU,
    LEAD,
    ORG,
    TRAINER,
    UNITHEAD,
    City,
    cadre,
    officer,
    outbox_events,
    texts_in_outbox,
)

SYSTEM = system_actor("supervision")
INCENTIVE, NOTIFICATION = "supervision.incentive", "supervision.notification"
SECRET = "只在此处可见的文字"


@pytest.fixture
def recalls(city: City) -> Iterator[Recalls]:
    found = Recalls(city)
    found.forget()
    yield found
    found.forget()


def refused(recalls: Recalls, case: Any, action: str, actor: Actor, **form: Any) -> Refusal:
    """Take a step that is refused, and see that nothing at all has changed."""
    before = recalls.city.picture()
    with pytest.raises(Refusal) as caught:
        recalls.take(case, action, actor, **form)
    assert recalls.city.picture() == before
    return caught.value


def not_proposed(recalls: Recalls, *findings: Any, cadre_id: str = LEAD) -> str:
    before = recalls.city.picture()
    with pytest.raises(Refusal) as caught:
        recalls.proposed(*findings, cadre_id=cadre_id)
    assert recalls.city.picture() == before
    return caught.value.code


def barred(city: City) -> list[str]:
    with city.acting(ORG) as uow:
        return [reason.code for reason in reasons(uow, LEAD, "PROMOTE", city.clock.today())]


# ---- what stands against a recall


def test_a_finding_that_was_not_verified_carries_no_recall(city: City, recalls: Recalls) -> None:
    assert not_proposed(recalls, city.notified()) == "NO_VERIFIED_FINDING"
    assert not_proposed(recalls, city.verified(reason_codes=["OTHER"])) == "NO_VERIFIED_FINDING"
    assert not_proposed(recalls, city.verified(), cadre_id=DIRECT) == "NOT_RESPONSIBLE"


def test_a_pending_case_stands_against_it(city: City, recalls: Recalls) -> None:
    finding = city.verified()
    hold = city.open(city.cases.case_holds, DISC, {"cadre": LEAD, "organ": "DISC", "case_no": "立1"})
    assert not_proposed(recalls, finding) == "CASE_PENDING"
    city.take(city.cases.case_holds, hold, "close", DISC, {"result": ""})
    assert recalls.proposed(finding).state == "PROPOSED"


@pytest.mark.parametrize(
    ("last", "code"), [("filed", "TOLERANCE_PENDING"), ("served", "TOLERANCE_PENDING"), ("withdrawn", None)]
)
def test_an_open_tolerance_case_on_the_finding_comes_first(
    city: City, recalls: Recalls, last: str, code: str | None
) -> None:
    finding, case = city.verified(), new_id()
    city.receive(INCENTIVE, city.tolerance(finding, case, "filed"))
    if last != "filed":
        city.receive(INCENTIVE, city.tolerance(finding, case, last))
    if code:
        assert not_proposed(recalls, finding) == code
    else:
        assert recalls.proposed(finding).state == "PROPOSED"


def test_a_cadre_has_one_recall_at_a_time_and_a_finding_leads_to_one_outcome(city: City, recalls: Recalls) -> None:
    case = recalls.evaluated()
    finding = city.rows(city.findings.model.__table__, city.findings.model.id == case.findings[0])[0]
    assert not_proposed(recalls, city.verified()) == "DUPLICATE"
    recalls.take(case, "restore", COMM, reason="合格")
    assert not_proposed(recalls, finding) == "DUPLICATE"
    assert recalls.proposed().state == "PROPOSED"


def test_the_database_itself_keeps_a_cadre_to_one_open_recall(city: City, recalls: Recalls) -> None:
    recalls.proposed()
    with city.engine.connect() as connection:
        indexes = connection.exec_driver_sql("SELECT indexdef FROM pg_indexes WHERE indexname = 'uq_recalls_open'")
        assert "UNIQUE" in indexes.scalar_one()


# ---- notice, answer, approval


def test_a_proposal_is_known_to_officers_alone(city: City, recalls: Recalls) -> None:
    case = recalls.proposed()
    for actor in (cadre(LEAD), UNITHEAD, officer("of-the-unit", "ORG.supervise", unit=BUREAU)):
        with city.acting(actor) as uow:
            with pytest.raises(Refusal) as caught:
                city.recalls.read(uow, case.id, actor)
            assert caught.value.code == "DATA_SCOPE"
            assert uow.session.scalars(city.recalls.listing(actor)).all() == []
    recalls.take(case, "notify", ORG)
    for actor in (cadre(LEAD), UNITHEAD, ORG, COMM, DISC, EDU):
        with city.acting(actor) as uow:
            assert city.recalls.read(uow, case.id, actor).id == case.id
            assert [row.id for row in uow.session.scalars(city.recalls.listing(actor))] == [case.id]


@pytest.mark.parametrize("how", ["signed", "refused", "substituted"])
def test_the_time_to_answer_runs_from_service(city: City, recalls: Recalls, how: str) -> None:
    case = recalls.take(recalls.proposed(), "notify", ORG)
    assert refused(recalls, case, "approve", COMM).code == "PLEA_WINDOW_OPEN"
    event = recalls.served(case, date(2024, 3, 14), how)
    for _ in range(2):
        city.receive(NOTIFICATION, event)
    assert (city.again(case).served_on, city.again(case).plea_until) == (date(2024, 3, 14), date(2024, 3, 21))
    recalls.at(3, 21)
    assert refused(recalls, case, "approve", COMM).code == "PLEA_WINDOW_OPEN"
    recalls.at(3, 22)
    assert refused(recalls, case, "plea", cadre(LEAD), text="迟到的说明").code == "OUT_OF_TIME"
    assert recalls.take(case, "approve", COMM).state == "APPROVED"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"recipient": {"kind": "CADRE", "id": DIRECT}}, "NOT_CONCERNED"),
        ({"ref": f"recall/{new_id()}"}, "UNKNOWN_CASE"),
        ({"served_on": None}, "NOT_SERVED"),
    ],
)
def test_a_service_that_cannot_be_right_is_parked(city: City, recalls: Recalls, changes: Any, reason: str) -> None:
    case = recalls.take(recalls.proposed(), "notify", ORG)
    with pytest.raises(Invalid) as caught:
        city.receive(NOTIFICATION, recalls.served(case, city.clock.today(), **changes))
    assert caught.value.reason == reason


def test_the_outcome_is_served_too_and_starts_nothing(city: City, recalls: Recalls) -> None:
    case = recalls.take(recalls.proposed(), "notify", ORG)
    assert city.receive(NOTIFICATION, recalls.served(case, city.clock.today(), document="RECALL_OUTCOME")) == []
    assert city.again(case).served_on is None


def test_who_proposed_does_not_approve(city: City, recalls: Recalls) -> None:
    both = officer(ORG.subject, "ORG.supervise", "COMM", unit="420200-ORG")
    case = recalls.notified()
    recalls.take(case, "plea", cadre(LEAD), text="说明")
    assert refused(recalls, case, "approve", both).code == "AVOIDANCE"
    assert refused(recalls, case, "approve", ORG).code == "FORBIDDEN"


# ---- training


def test_the_last_seat_is_taken_once(city: City, recalls: Recalls) -> None:
    case, group = recalls.approved(), recalls.open_class(capacity=1)
    recalls.take(case, "enrol", EDU, training_class=group.id)
    other = recalls.proposed(city.verified(responsible=[{"cadre": DIRECT, "role": "DIRECT"}]), cadre_id=DIRECT)
    recalls.take(other, "notify", ORG)
    city.receive(NOTIFICATION, recalls.served(other, city.clock.today()))
    recalls.take(other, "plea", cadre(DIRECT), text="说明")
    recalls.take(other, "approve", COMM)
    assert refused(recalls, other, "enrol", EDU, training_class=group.id).code == "CLASS_FULL"
    recalls.take(case, "cancel", ORG, reason="情况有变")
    assert recalls.take(other, "enrol", EDU, training_class=group.id).state == "ENROLLED"


def test_a_trainer_sees_and_marks_the_own_class_alone(city: City, recalls: Recalls) -> None:
    case = recalls.in_training()
    stranger = officer("trainer-2", "TRAINER", unit="420200-SCHOOL")
    form = {"phase": 1, "score": number("80"), "attendance": number("100")}
    assert refused(recalls, case, "pass_phase", stranger, **form).code == "DATA_SCOPE"
    for actor, seen in ((TRAINER, [case.id]), (stranger, [])):
        with city.acting(actor) as uow:
            assert [row.id for row in uow.session.scalars(city.recalls.listing(actor))] == seen
    with city.acting(stranger) as uow, pytest.raises(Refusal) as caught:
        city.recalls.read(uow, case.id, stranger)
    assert caught.value.code == "DATA_SCOPE"
    group = city.rows(city.training_classes.model.__table__, city.training_classes.model.id == case.class_id)[0]
    city.take(city.training_classes, group, "staff", EDU, {"trainers": [stranger.subject]})
    assert recalls.take(case, "pass_phase", stranger, **form).phases[0]["passed"]
    assert refused(recalls, case, "pass_phase", TRAINER, **form | {"phase": 2}).code == "DATA_SCOPE"


def test_a_class_that_ends_passes_those_who_reached_all(city: City, recalls: Recalls) -> None:
    case = recalls.in_training()
    recalls.all_phases(case)
    recalls.end(case)
    assert city.again(case).state == "TRAINING_PASSED"
    group = city.rows(city.training_classes.model.__table__, city.training_classes.model.id == case.class_id)[0]
    assert group.state == "COMPLETED"


# ---- observation and outcome


def test_missed_reports_warn_the_unit_and_are_wanted_still(city: City, recalls: Recalls) -> None:
    case = recalls.observing()
    for entry in case.reports:
        day = date.fromisoformat(entry["due"]) + timedelta(days=1)
        recalls.at(day.month, day.day, year=day.year)
    case = city.again(case)
    assert ([entry["missed"] for entry in case.reports], case.unit_warned_on) == (
        [True] * 3,
        date.fromisoformat(case.reports[1]["due"]) + timedelta(days=1),
    )
    assert recalls.told(case).count("unit-warned") == 1
    until = case.observe_until
    recalls.at(until.month, until.day, year=until.year)
    marked = {"score": number("81"), "text": "评估"}
    assert refused(recalls, case, "evaluate", ORG, **marked).code == "REPORTS_MISSING"
    recalls.papers(case)
    assert recalls.take(case, "evaluate", ORG, **marked).proposal == "RESTORED"


def test_a_report_in_time_leaves_nothing_to_miss(city: City, recalls: Recalls) -> None:
    case = recalls.observing()
    told = outbox_events(city)
    of_report = (f"recall/{case.id}", "recall.report_1")
    (armed,) = (event for event in told if (event.data.get("ref"), event.data.get("kind")) == of_report)
    recalls.take(case, "report_month", UNITHEAD, month=case.reports[0]["month"], text="情况")
    (settled,) = (event for event in city.outbox(armed.subject) if ".settled." in event.type)
    assert settled.data["state"] == "SATISFIED"
    day = date.fromisoformat(case.reports[0]["due"]) + timedelta(days=1)
    before = city.again(case).version
    recalls.at(day.month, day.day, year=day.year)
    assert city.again(case).version == before


@pytest.mark.parametrize(("score", "action"), [("81", "adjust"), ("69", "restore")])
def test_the_committee_decides_within_the_score_and_with_a_reason(
    city: City, recalls: Recalls, score: str, action: str
) -> None:
    case = recalls.evaluated(score)
    assert refused(recalls, case, action, COMM, reason="理由").code == "SCORE_RULE"
    right = {"adjust": "restore", "restore": "demote"}[action]
    assert refused(recalls, case, right, COMM).code == "REASON_MISSING"
    assert refused(recalls, case, right, ORG, reason="理由").code == "FORBIDDEN"
    case = recalls.take(case, right, COMM, reason="理由")
    assert (case.outcome, barred(city)) == (("RESTORED", ["RECALL_RECENT"]) if right == "restore" else ("DEMOTED", []))
    open_ones = tables.deadlines.c.state.in_(("ARMED", "WARNED"))
    assert city.rows(tables.deadlines, tables.deadlines.c.ref == f"recall/{case.id}", open_ones) == []


@pytest.mark.parametrize(("action", "way"), [("adjust", "TRANSFER"), ("remove", "REMOVE"), ("demote", "DEMOTE")])
def test_an_outcome_against_the_cadre_proposes_an_adjustment(
    city: City, recalls: Recalls, action: str, way: str
) -> None:
    case = recalls.take(recalls.evaluated("50"), action, COMM, reason="未改进")
    (row,) = city.rows(AdjustmentRow, AdjustmentRow.recall == case.id)
    assert (row.state, row.way, row.cadre, row.findings) == ("PROPOSED", way, LEAD, case.findings)


# ---- what ends it otherwise


@pytest.mark.parametrize("state", ["PROPOSED", "NOTIFIED", "IN_TRAINING", "OBSERVING"])
def test_tolerance_on_the_only_ground_cancels_a_recall(city: City, recalls: Recalls, state: str) -> None:
    finding = city.verified()
    case = {
        "PROPOSED": recalls.proposed,
        "NOTIFIED": recalls.notified,
        "IN_TRAINING": recalls.in_training,
        "OBSERVING": recalls.observing,
    }[state](finding)
    assert barred(city) == ["RECALL_OPEN"]
    effective = city.tolerance(finding, new_id(), "effective", decision="MITIGATE", factor="0.5")
    city.receive(INCENTIVE, effective)
    case = city.again(case)
    assert (case.state, case.cancel_reason, barred(city)) == ("CANCELLED", "TOLERANCE", [])
    event = recalls.events(case)[-1]
    assert (event.type, event.data["cancel_reason"]) == ("supervision.recall.cancelled.v1", "TOLERANCE")
    # It belongs to the tolerance case, whose consequences are watched under one correlation.
    assert (event.correlationid, event.causationid) == (effective.correlationid, effective.id)


def test_a_recall_falls_with_the_last_finding_it_rests_on(city: City, recalls: Recalls) -> None:
    first, second = city.verified(), city.verified()
    case = recalls.proposed(first, second)
    revoked = {"basis": "APPEAL", "reference": "appeal", "reason": "申诉成立"}
    city.take(city.findings, first, "revoke", SYSTEM, revoked)
    assert city.again(case).state == "PROPOSED"
    city.take(city.findings, second, "revoke", SYSTEM, revoked)
    case = city.again(case)
    assert (case.state, case.cancel_reason, barred(city)) == ("CANCELLED", "FINDING_REVOKED", [])


@pytest.mark.parametrize("decision", ["REVOKED", "UPHELD"])
@pytest.mark.parametrize("outcome", [None, "restore", "demote"])
def test_an_appeal_that_succeeds_undoes_a_recall(
    city: City, recalls: Recalls, outcome: str | None, decision: str
) -> None:
    case = recalls.evaluated("50" if outcome == "demote" else "90")
    if outcome:
        case = recalls.take(case, outcome, COMM, reason="决定")
    data = {
        "appeal": new_id(),
        "type": "APPEAL",
        "subject_ref": f"recall/{case.id}",
        "state": "DECIDED",
        "decision": decision,
        "amended_to": None,
    }
    with city.acting(ORG) as uow:
        apply_appeal(city.cases, uow, city.event("assessment.appeal.decided.v1", "appeal/a", data), data)
        uow.commit()
    done = city.again(case)
    if decision == "UPHELD":
        assert (done.state, done.version) == (case.state, case.version)
        return
    assert (done.state, done.cancel_reason, barred(city)) == ("CANCELLED", "APPEAL", [])
    left = city.rows(AdjustmentRow, AdjustmentRow.recall == case.id)
    assert [row.state for row in left] == (["WITHDRAWN"] if outcome == "demote" else [])


def test_a_recall_stands_on_what_tolerance_left(city: City, recalls: Recalls) -> None:
    first, second = city.verified(), city.verified()
    case = recalls.notified(first, second)
    for finding, state in ((first, "NOTIFIED"), (second, "CANCELLED")):
        city.receive(INCENTIVE, city.tolerance(finding, new_id(), "effective", decision="EXEMPT", factor="0"))
        assert city.again(case).state == state


def test_what_is_left_must_still_be_a_circumstance_of_recall(city: City, recalls: Recalls) -> None:
    ground, beside, other = city.verified(), city.verified(reason_codes=["OTHER"]), city.verified()
    case = recalls.approved(ground, beside, other)

    def excuse(finding: Any) -> None:
        city.receive(INCENTIVE, city.tolerance(finding, new_id(), "effective", decision="MITIGATE", factor="0.5"))

    excuse(other)
    assert city.again(case).state == "APPROVED"
    excuse(ground)
    assert (city.again(case).state, city.again(case).cancel_reason) == ("CANCELLED", "TOLERANCE")


@pytest.mark.parametrize("outcome", ["restore", "adjust"])
@pytest.mark.parametrize(
    ("cause", "undone"), [("FINDING_REVOKED", True), ("EXEMPT", True), ("MITIGATE", False), ("DENY", False)]
)
def test_a_decided_recall_falls_with_the_findings_it_rests_on(
    city: City, recalls: Recalls, outcome: str, cause: str, undone: bool
) -> None:
    """What bars the cadre for months after it rests on them too; a part that is excused leaves it standing (A14)."""
    case = recalls.evaluated("81" if outcome == "restore" else "60")
    case = recalls.take(case, outcome, COMM, reason="理由")
    decided, (finding_id,) = case.state, case.findings
    (finding,) = city.rows(city.findings.model.__table__, city.findings.model.id == finding_id)
    if cause == "FINDING_REVOKED":
        city.take(city.findings, finding, "revoke", SYSTEM, {"basis": "APPEAL", "reference": "a", "reason": "a"})
    else:
        factor = {"EXEMPT": "0", "MITIGATE": "0.5", "DENY": None}[cause]
        city.receive(INCENTIVE, city.tolerance(finding, new_id(), "effective", decision=cause, factor=factor))
    case = city.again(case)
    reason = "FINDING_REVOKED" if cause == "FINDING_REVOKED" else "TOLERANCE"
    assert (case.state, case.cancel_reason) == (("CANCELLED", reason) if undone else (decided, None))
    assert barred(city) == ([] if undone or outcome == "adjust" else ["RECALL_RECENT"])
    assert recalls.told(case)[-1] == ("cancelled" if undone else "outcome")


def test_a_denied_tolerance_leaves_a_recall_alone(city: City, recalls: Recalls) -> None:
    finding = city.verified()
    case = recalls.notified(finding)
    city.receive(INCENTIVE, city.tolerance(finding, new_id(), "effective", decision="DENY", factor=None))
    assert city.again(case).state == "NOTIFIED"


def test_the_commission_takes_a_recall_over(city: City, recalls: Recalls) -> None:
    case = recalls.in_training()
    assert refused(recalls, case, "to_discipline", ORG, text="x").code == "FORBIDDEN"
    case = recalls.take(case, "to_discipline", DISC, text="黄纪案〔2024〕9号")
    assert (case.state, barred(city)) == ("TRANSFERRED", [])
    assert "黄纪案" not in texts_in_outbox(city)
    with city.acting(ORG) as uow:
        assert "DISCIPLINE_CASE" not in {row.kind for row in texts(city.recalls, uow, case.id, ORG)}
    with city.acting(DISC) as uow:
        assert "DISCIPLINE_CASE" in {row.kind for row in texts(city.recalls, uow, case.id, DISC)}


@pytest.mark.parametrize(("actor", "reason"), [(COMM, "REJECTED"), (ORG, "WITHDRAWN")])
def test_people_cancel_with_a_reason(city: City, recalls: Recalls, actor: Actor, reason: str) -> None:
    case = recalls.notified()
    assert refused(recalls, case, "cancel", actor).code == "REASON_MISSING"
    case = recalls.take(case, "cancel", actor, reason="理由")
    assert (case.cancel_reason, barred(city)) == (reason, [])


def test_a_recall_of_a_year_is_watched(city: City, recalls: Recalls) -> None:
    case = recalls.proposed()
    (whole,) = city.rows(
        tables.deadlines, tables.deadlines.c.ref == f"recall/{case.id}", tables.deadlines.c.kind == "recall.whole"
    )
    assert (whole.due_at.date(), whole.warn_at.date()) == (date(2025, 3, 15), date(2025, 2, 12))


# ---- texts


def test_texts_stay_where_they_are_and_each_look_is_recorded(city: City, recalls: Recalls) -> None:
    case = recalls.in_training()
    recalls.score(case, 1, "80")
    recalls.take(case, "reflect", cadre(LEAD), text=SECRET + SELF_CRITICISM)
    assert SECRET not in texts_in_outbox(city)
    assert SECRET not in str(city.rows(tables.audit_entries))
    for actor, kinds in (
        (ORG, {"PROPOSAL", "PLEA", "REFLECTION"}),
        (TRAINER, {"REFLECTION"}),
        (cadre(LEAD), {"PROPOSAL", "PLEA", "REFLECTION"}),
        (UNITHEAD, set()),
        # Officers whom the case concerns are parties to it, and no more.
        (officer("org-lead", "ORG.supervise", unit="420200-ORG", person=LEAD), {"PROPOSAL"}),
        (officer("org-of-unit", "ORG.supervise", unit=BUREAU), set()),
        (officer("disc-of-unit", "DISC", unit=BUREAU), set()),
    ):
        with city.acting(actor) as uow:
            assert {row.kind for row in texts(city.recalls, uow, case.id, actor)} == kinds
            uow.commit()
    looks = city.rows(tables.audit_entries, tables.audit_entries.c.action == "recall.texts.read")
    assert {(look.actor, tuple(look.read_fields)) for look in looks} >= {(ORG.subject, ("text",))}


@pytest.mark.parametrize("outcome", [None, "restore"])
def test_the_cadre_reads_why_it_was_proposed_and_how_it_was_evaluated_once_decided(
    city: City, recalls: Recalls, outcome: str | None
) -> None:
    case = recalls.evaluated()
    if outcome:
        recalls.take(case, outcome, COMM, reason="合格")
    with city.acting(cadre(LEAD)) as uow:
        read = {row.kind for row in texts(city.recalls, uow, case.id, cadre(LEAD))}
    assert read == {"PROPOSAL", "PLEA", "REFLECTION"} | ({"EVALUATION"} if outcome else set())


def test_no_text_bears_a_mark_of_state_secrets(city: City, recalls: Recalls) -> None:
    case = recalls.notified()
    assert refused(recalls, case, "plea", cadre(LEAD), text="机密事项").code == "SECRECY_LEVEL"
    assert city.rows(RecallRow, RecallRow.id == case.id)[0].pleaded_on is None
