"""The annual assessment (A8, M2) in a real database: its steps, its guards, its limits, and corrections with each revision kept."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from assessment.application.constraints import set_constraints
from assessment.application.record_facts import record_routine
from assessment.application.results import explained, result, results
from assessment.domain.annual import ANNUAL
from assessment.domain.constraint import Kind, Wanted
from assessment.domain.grade import Grade
from assessment.persistence.models import AnnualResultRow, ConstraintRow
from citybus import tables
from citybus.clock import ZONE
from citybus.errors import Invalid, Refusal
from tests.support.annual import ASSESSOR, COMMITTEE, EVIDENCE, HEAD, MEMBER, YEAR, Year, bound, officer, self_of
from tests.support.assessment import City, finding_data, finding_event, rulebook, some_id
from tests.support.grades import ASSESSOR as CLAIMS
from tests.support.grades import COMMITTEE as COMMITTEE_CLAIMS
from tests.support.grades import Client, a_sanction, an_event, person, problem

CAP = Wanted(YEAR, Kind.CAP, "RECALL", Grade.BASICALLY_COMPETENT, rule_packs=("LOCAL-HS-2016@1",))
OPEN_CASE = Wanted(YEAR, Kind.FLOOR_NONE, "CASE_PENDING", open_ended=True, hidden=True)
NO_GRADE = Wanted(YEAR, Kind.NO_GRADE, "SANCTION")


@pytest.fixture
def year(city: City) -> Year:
    return Year(city)


@pytest.fixture
def case(year: Year) -> Any:
    return year.annual(year.cadre())


def bind(year: Year, cadre: str, source: str, *wanted: Wanted) -> str:
    """Let a source want something because of an event; return the event's id."""
    event = an_event("supervision.recall.approved.v1", source, {}, time=year.city.clock.now())
    with year.city.acting() as uow:
        uow.caused_by(event)
        set_constraints(uow, source, cadre, wanted, event)
        uow.commit()
    year.tick()
    return event.id


def deduct(year: Year, cadre: str, weight: str, finding: str, sequence: int = 1, step: str = "verified") -> None:
    data = finding_data(
        finding, {cadre: "LEAD"}, base_weight="8.0", effective_weight=weight, verified_on="2023-11-06", year=YEAR
    )
    year.city.receive(finding_event(step, sequence, data))
    year.tick()


def refused(year: Year, case: Any, action: str, actor: Any = ASSESSOR, **form: Any) -> Refusal:
    before = year.again(case).version
    with pytest.raises(Refusal) as caught:
        year.take(case, action, actor, **form)
    assert year.again(case).version == before
    return caught.value


def hold_events(year: Year, cadre: str, hold: str) -> tuple[Any, Any]:
    opened, closed = (
        an_event(
            f"supervision.case-hold.{step}.v1",
            f"case-hold/{hold}",
            {"case_hold": hold, "cadre": cadre},
            sequence=place,
            time=year.city.clock.now(),
        )
        for place, step in enumerate(("opened", "closed"), 1)
    )
    return opened, closed


def open_deadlines(year: Year, case: Any) -> dict[str, datetime]:
    table = tables.deadlines
    rows = year.city.rows(table, table.c.ref == f"annual/{case.id}", table.c.state.in_(("ARMED", "WARNED")))
    return {row.kind: row.due_at.astimezone(ZONE) for row in rows}


def told_deadlines(year: Year, case: Any) -> list[Any]:
    return [event for event in year.city.outbox() if event.data.get("ref") == f"annual/{case.id}"]


def revisions(year: Year, case: Any) -> list[tuple[int, str | None, str, str | None]]:
    table = AnnualResultRow.__table__
    rows = year.city.rows(table, table.c.annual_id == case.id)
    return sorted((row.revision, row.grade, row.grade_status, row.cause) for row in rows)


def test_a_year_goes_from_the_report_to_the_final_grade(year: Year, case: Any) -> None:
    done = year.final(case)
    assert (done.state, done.grade, done.grade_status, done.revision) == ("FINAL", "COMPETENT", "GRADED", 1)
    # 40 % and 20 % of 80 given, 20 % of the ballot's 100, 20 % of the quarters' 95.
    assert done.composite == Decimal("87.00")
    assert year.told(case) == [
        "opened",
        "self-reported",
        "evaluated",
        "verified",
        "proposed",
        "approved",
        "notified",
        "finalized",
    ]
    served = [event for event in year.city.outbox() if event.subject == f"result/{case.id}"]
    assert [event.type for event in served] == ["assessment.result.served.v1"]
    assert (served[0].data["served_on"], served[0].data["appeal_until"]) == ("2024-03-04", "2024-04-03")
    with year.city.acting() as uow:
        shown = explained(bound().annuals, uow, case.id, self_of(case.cadre))
    assert shown["composite"] == "87"
    assert {part["dimension"]: part["points"] for part in shown["dimensions"]} == {
        "ACHIEVEMENT": "32",
        "BALLOT": "20",
        "LEADER": "16",
        "ROUTINE": "19",
    }
    assert shown["rule_packs"] == ["LOCAL-HS-2016@1"]


def test_the_first_assessment_freezes_the_scheme(year: Year, case: Any) -> None:
    scheme = year.scheme()
    assert scheme.state == "FROZEN"
    assert refused(year, scheme, "revise").code == "SCHEME_FROZEN"


def test_weights_total_a_hundred(year: Year) -> None:
    scheme = year.open(bound().schemes, ASSESSOR, year=2030, target_kind="CADRE")
    light = {"ACHIEVEMENT": Decimal(60), "BALLOT": Decimal(35)}
    refusal = refused(year, scheme, "revise", weights=light)
    assert (refusal.code, refusal.figures["total"]) == ("WEIGHT_SUM", "95")
    assert refused(year, scheme, "revise", bands={"EXCELLENT": Decimal(90)}).code == "BANDS_ORDER"
    assert refused(year, scheme, "revise", weights={"LUCK": Decimal(100)}).code == "UNKNOWN_DIMENSION"
    with pytest.raises(Refusal, match="DUPLICATE"):
        year.open(bound().schemes, ASSESSOR, year=2030, target_kind="CADRE")


def test_an_evaluation_wants_a_valid_ballot_the_quarters_and_two_talks(year: Year, case: Any) -> None:
    year.take(case, "self_report", self_of(case.cadre), text="述职")
    few = year.ballot(case, {"EXCELLENT": 6})
    invalid = refused(year, case, "evaluate", ballot=few)
    assert (invalid.code, invalid.figures) == ("BALLOT_INVALID", {"turnout": "60.00", "least": "66.67"})
    ballot = year.ballot(case)
    assert refused(year, case, "evaluate", ballot=ballot).code == "ROUTINE_MISSING"
    year.facts(case)
    assert refused(year, case, "evaluate", ballot=some_id()).code == "BALLOT_MISSING"
    assert refused(year, case, "evaluate", ballot=ballot).figures["dimensions"] == ["ACHIEVEMENT", "LEADER"]
    given = {"ACHIEVEMENT": Decimal(80), "LEADER": Decimal(80), "ROUTINE": Decimal(100)}
    assert refused(year, case, "evaluate", ballot=ballot, scores=given).code == "SCORES_UNKNOWN"


def test_who_was_on_leave_is_evaluated_by_the_quarters_at_work(year: Year, case: Any) -> None:
    year.take(case, "self_report", self_of(case.cadre), text="述职")
    with year.city.acting() as uow:
        form = {"cadre": case.cadre, "year": YEAR, "quarter": 1, "grade": "GOOD", "basis": ["TALK"]}
        record_routine(rulebook(), uow, ASSESSOR, {**form, "evidence": EVIDENCE})
        uow.commit()
    form = {"ballot": year.ballot(case), "scores": {"ACHIEVEMENT": Decimal(80), "LEADER": Decimal(80)}}
    refusal = refused(year, case, "evaluate", **form)
    assert (refusal.code, refusal.figures) == ("ROUTINE_MISSING", {"recorded": 1, "least": 4})
    with year.city.acting() as uow:
        set_constraints(uow, f"absence/{case.cadre}", case.cadre, [Wanted(YEAR, Kind.NO_GRADE, "ABSENCE")])
        uow.commit()
    # The talks are still wanted.
    assert refused(year, case, "evaluate", **form).code == "TALKS_MISSING"
    year.talks(case)
    assert year.take(case, "evaluate", **form).scores["ROUTINE"] == "95"
    year.take(case, "verify")
    year.take(case, "propose")
    done = year.take(case, "approve", COMMITTEE)
    assert (done.grade, done.grade_status) == (None, "NO_GRADE")


def test_a_session_that_judged_badly_must_be_explained(year: Year, case: Any) -> None:
    year.take(case, "self_report", self_of(case.cadre), text="述职")
    year.facts(case)
    bad = year.ballot(case, {"COMPETENT": 6, "INCOMPETENT": 4})
    year.take(case, "evaluate", ballot=bad, scores={"ACHIEVEMENT": Decimal(80), "LEADER": Decimal(80)})
    assert refused(year, case, "verify").code == "BALLOT_FLAGGED"
    assert year.take(case, "verify", reason="已核实，未发现问题").state == "VERIFIED"


def test_reports_are_taken_within_the_window_and_findings_are_fixed_after_the_year(year: Year) -> None:
    year.city.clock.advance(timedelta(days=28))
    with pytest.raises(Refusal, match="CUTOFF_PASSED"):
        year.annual(year.cadre())
    early = year.annual(year.cadre(), 2024)
    assert refused(year, early, "self_report", text="述职").code == "TOO_EARLY"


@pytest.mark.parametrize(
    ("wanted", "status", "grade"),
    [(CAP, "GRADED", "BASICALLY_COMPETENT"), (NO_GRADE, "NO_GRADE", None)],
)
def test_limits_hold_the_grade_and_show_in_the_explanation(
    year: Year, case: Any, wanted: Wanted, status: str, grade: str | None
) -> None:
    bind(year, case.cadre, f"recall/{some_id()}", wanted)
    proposed = year.proposed(case, 90)
    assert (proposed.band, proposed.engine_grade, proposed.proposed_status) == ("EXCELLENT", grade, status)
    refusal = refused(year, case, "approve", COMMITTEE, grade="COMPETENT")
    assert (refusal.code, refusal.status) == ("CAP_VIOLATION", 409)
    assert [each["reason_code"] for each in refusal.figures["constraints"]] == [wanted.reason_code]
    done = year.take(case, "approve", COMMITTEE)
    assert (done.grade, done.grade_status) == (grade, status)
    with year.city.acting() as uow:
        kept = result(bound().annuals, uow, case.id, ASSESSOR, None)
        assert kept.explanation["constraints"][0]["reason_code"] == wanted.reason_code
        assert kept.explanation["composite"] == "93"


def test_a_proposal_follows_the_deduction_while_it_is_not_approved(year: Year, case: Any) -> None:
    year.proposed(case)
    finding = some_id()
    deduct(year, case.cadre, "8.0", finding)
    deduct(year, case.cadre, "0.0", some_id())
    assert (year.again(case).state, year.again(case).composite, year.again(case).deduction) == ("PROPOSED", 79, 8)
    deduct(year, case.cadre, "4.0", finding, 2, "weight-changed")
    assert year.again(case).composite == 83


def test_an_excellent_grade_is_publicised_and_an_objection_leads_back(year: Year, case: Any) -> None:
    year.proposed(case, 95)
    assert refused(year, case, "approve", COMMITTEE).code == "PUBLICITY_MISSING"
    year.take(case, "publicize")
    refusal = refused(year, case, "approve", COMMITTEE)
    assert (refusal.code, refusal.figures["until"]) == ("PUBLICITY_OPEN", "2024-03-11")
    assert refused(year, case, "object").code == "REASON_MISSING"
    assert year.take(case, "object", reason="收到异议").state == "VERIFIED"
    bind(year, case.cadre, f"measure/{some_id()}", Wanted(YEAR, Kind.CAP, "ADMONITION", Grade.COMPETENT))
    assert year.take(case, "propose").proposed_grade == "COMPETENT"
    assert refused(year, case, "propose", grade="EXCELLENT").code == "CAP_VIOLATION"
    assert refused(year, case, "publicize").code == "PUBLICITY_NOT_NEEDED"


def test_a_wrong_score_is_mended_until_the_grade_is_decided(year: Year, case: Any) -> None:
    wrong = year.proposed(case, 8)
    assert wrong.proposed_grade == "INCOMPETENT"
    form = {"ballot": wrong.ballot_id, "scores": {"ACHIEVEMENT": Decimal(80), "LEADER": Decimal(80)}}
    assert refused(year, case, "re_evaluate", **form).code == "REASON_MISSING"
    assert refused(year, case, "re_evaluate", ballot=wrong.ballot_id, reason="录入有误").code == "SCORES_MISSING"
    mended = year.take(case, "re_evaluate", **form, reason="录入有误，应为 80 分")
    assert (mended.state, mended.composite, mended.proposed_grade, mended.cutoff_on) == ("EVALUATED", None, None, None)
    year.take(case, "verify")
    assert year.take(case, "propose").proposed_grade == "COMPETENT"
    both = officer("assessor", "COMM", unit="4202-101")
    assert refused(year, case, "approve", both).code == "AVOIDANCE"
    year.take(case, "approve", COMMITTEE)
    assert refused(year, case, "re_evaluate", **form, reason="录入有误").code == "INVALID_TRANSITION"


def test_publicity_ends_when_the_grade_falls(year: Year, case: Any) -> None:
    year.take(year.proposed(case, 95), "publicize")
    bind(year, case.cadre, f"measure/{some_id()}", Wanted(YEAR, Kind.CAP, "ADMONITION", Grade.COMPETENT))
    assert year.again(case).state == "VERIFIED"


def test_who_proposed_does_not_approve_and_a_lower_grade_wants_a_reason(year: Year, case: Any) -> None:
    both = officer("both", "COMM", "ORG.assess", unit="4202-101")
    year.take(year.verified(case), "propose", both)
    assert refused(year, case, "approve", both).code == "AVOIDANCE"
    assert refused(year, case, "approve", COMMITTEE, grade="EXCELLENT").code == "GRADE_ABOVE_BAND"
    assert refused(year, case, "approve", COMMITTEE, grade="BASICALLY_COMPETENT").code == "REASON_MISSING"
    done = year.take(case, "approve", COMMITTEE, grade="BASICALLY_COMPETENT", reason="集体研究")
    assert done.grade == "BASICALLY_COMPETENT"


def test_a_grade_is_not_approved_that_the_points_no_longer_give(year: Year, case: Any) -> None:
    year.publicized(year.proposed(case, 95))
    data = finding_data(some_id(), {case.cadre: "LEAD"}, base_weight="8.0", verified_on="2023-11-06", year=YEAR)
    year.city.receive(finding_event("verified", 1, data))
    # Nothing has reckoned the proposal anew so far.
    refusal = refused(year, case, "approve", COMMITTEE)
    assert (refusal.code, refusal.figures["grade"], refusal.figures["best"]) == (
        "GRADE_ABOVE_BAND",
        "EXCELLENT",
        "COMPETENT",
    )
    year.tick()
    assert year.again(case).state == "VERIFIED"


def test_an_open_case_puts_the_grade_off_and_it_is_made_up_later(year: Year, case: Any) -> None:
    year.verified(case)
    hold = f"case-hold/{some_id()}"
    bind(year, case.cadre, hold, OPEN_CASE)
    held = year.again(case)
    assert (held.state, held.grade_status) == ("PENDING_MAKEUP", "PENDING_MAKEUP")
    # Nobody concerned is told; officers are.
    with year.city.acting() as uow, pytest.raises(Refusal, match="DATA_SCOPE"):
        bound().annuals.read(uow, case.id, self_of(case.cadre))
    assert refused(year, case, "make_up").code == "CASE_PENDING"
    bind(year, case.cadre, hold)
    assert year.again(case).hold_closed_on == date(2024, 3, 4)
    year.city.clock.advance(timedelta(days=31))
    made = year.take(case, "make_up")
    assert (made.state, made.proposed_grade, made.notes) == ("PROPOSED", "COMPETENT", ["MADE_UP_LATE"])
    armed, settled = told_deadlines(year, case)
    assert (armed.data["kind"], armed.data["disclosed"], armed.data["confidential"]) == ("annual.makeup", False, True)
    assert (settled.data["disclosed"], settled.data["confidential"]) == (True, True)
    assert year.take(case, "approve", COMMITTEE).grade_status == "GRADED"
    assert year.told(case)[-3:] == ["suspended", "made-up", "approved"]


def test_a_grade_that_a_sanction_forces_does_not_wait_for_another_case(year: Year, case: Any) -> None:
    year.proposed(case)
    hold = f"case-hold/{some_id()}"
    bind(year, case.cadre, hold, OPEN_CASE)
    assert year.again(case).state == "PENDING_MAKEUP"
    bind(year, case.cadre, f"sanction/{some_id()}", Wanted(YEAR, Kind.FORCED, "SANCTION", Grade.INCOMPETENT))
    made = year.take(case, "make_up")
    assert (made.state, made.proposed_grade, made.proposed_status) == ("PROPOSED", "INCOMPETENT", "GRADED")
    assert year.take(case, "approve", COMMITTEE).grade == "INCOMPETENT"
    # That the case is closed leaves no trace on the decision.
    bind(year, case.cadre, hold)
    assert (year.again(case).state, year.again(case).revision) == ("APPROVED", 1)


def test_what_is_opened_while_a_case_is_open_is_put_off_at_once(year: Year) -> None:
    cadre = year.cadre()
    hold = f"case-hold/{some_id()}"
    bind(year, cadre, hold, OPEN_CASE)
    case = year.annual(cadre)
    year.tick()
    assert year.again(case).state == "PENDING_MAKEUP"
    bind(year, cadre, hold)
    year.facts(case)
    made = year.take(
        case, "make_up", ballot=year.ballot(case), scores={"ACHIEVEMENT": Decimal(80), "LEADER": Decimal(80)}
    )
    assert (made.proposed_grade, made.notes) == ("COMPETENT", [])


def test_a_case_opened_after_the_window_still_puts_off_a_grade_that_is_not_approved(year: Year, case: Any) -> None:
    done = year.annual(year.cadre())
    year.proposed(case)
    year.approved(done)
    year.city.clock.advance(timedelta(days=50))
    for each in (case, done):
        opened, closed = hold_events(year, each.cadre, some_id())
        year.city.receive(opened)
        year.tick()
        table = ConstraintRow.__table__
        (held,) = year.city.rows(table, table.c.cadre == each.cadre)
        assert held.year == (YEAR if each is case else YEAR + 1)
        year.city.receive(closed)
    assert (year.again(case).state, year.again(done).state) == ("PENDING_MAKEUP", "APPROVED")
    year.tick()
    assert year.take(case, "make_up").state == "PROPOSED"


def test_another_case_before_the_grade_is_made_up_puts_it_off_anew(year: Year, case: Any) -> None:
    year.verified(case)
    first, second = f"case-hold/{some_id()}", f"case-hold/{some_id()}"
    bind(year, case.cadre, first, OPEN_CASE)
    bind(year, case.cadre, first)
    year.city.clock.advance(timedelta(days=10))
    bind(year, case.cadre, second, OPEN_CASE)
    waiting = year.again(case)
    assert (waiting.state, waiting.hold_closed_on) == ("PENDING_MAKEUP", None)
    year.city.clock.advance(timedelta(days=40))
    year.tick()
    bind(year, case.cadre, second)
    assert year.again(case).hold_closed_on == date(2024, 4, 23)
    year.city.clock.advance(timedelta(days=30))
    assert year.take(case, "make_up").notes == []


def test_a_grade_is_made_up_after_the_year_and_a_flagged_ballot_is_explained(year: Year) -> None:
    cadre = year.cadre()
    hold = f"case-hold/{some_id()}"
    bind(year, cadre, hold, Wanted(2024, Kind.FLOOR_NONE, "CASE_PENDING", open_ended=True, hidden=True))
    early, case = year.annual(cadre, 2024), year.annual(cadre)
    year.tick()
    bind(year, cadre, hold)
    assert year.again(early).state == "PENDING_MAKEUP"
    refusal = refused(year, early, "make_up")
    assert (refusal.code, refusal.figures["cutoff"]) == ("CUTOFF_OPEN", "2024-12-31")
    # The thirty days run from the end of the year.
    assert open_deadlines(year, early) == {"annual.makeup": datetime(2025, 1, 31, tzinfo=ZONE)}
    bind(year, cadre, hold, OPEN_CASE)
    bind(year, cadre, hold)
    year.facts(case)
    bad = year.ballot(case, {"COMPETENT": 6, "INCOMPETENT": 4})
    form = {"ballot": bad, "scores": {"ACHIEVEMENT": Decimal(80), "LEADER": Decimal(80)}}
    assert refused(year, case, "make_up", **form).code == "BALLOT_FLAGGED"
    assert year.take(case, "make_up", **form, reason="已核实，未发现问题").state == "PROPOSED"


PUT_OFF = [
    ("PARTY", "WARNING", 0, "GRADED", "COMPETENT"),
    ("GOV", "WARNING", 0, "GRADED", "COMPETENT"),
    ("GOV", "DEMERIT", 0, "NO_GRADE", None),
    ("PARTY", "SERIOUS_WARNING", 0, "NO_GRADE", None),
    # Another matter: an admonition is no sanction, and this one was decided long after the case was closed.
    ("ADMONITION", "ADMONITION", 0, "GRADED", "EXCELLENT"),
    ("GOV", "DEMERIT", 60, "GRADED", "EXCELLENT"),
]


@pytest.mark.parametrize(("regime", "kind", "later", "status", "grade"), PUT_OFF)
@pytest.mark.parametrize("closed_first", [True, False])
def test_a_grade_put_off_is_made_up_by_how_the_case_ended(
    year: Year, case: Any, regime: str, kind: str, later: int, status: str, grade: str | None, closed_first: bool
) -> None:
    year.verified(case, 95)
    hold, number = some_id(), some_id()
    opened, closed = hold_events(year, case.cadre, hold)
    year.city.receive(opened)
    year.tick()
    assert year.again(case).state == "PENDING_MAKEUP"
    year.city.clock.advance(timedelta(days=14))
    decided = (year.city.clock.today() + timedelta(days=later)).isoformat()
    state = a_sanction(case.cadre, number, regime=regime, kind=kind, decided_on=decided, effective_on=decided)
    recorded = an_event(
        "supervision.sanction.recorded.v1", f"sanction/{number}", state, sequence=1, time=year.city.clock.now()
    )
    for event in (closed, recorded) if closed_first else (recorded, closed):
        year.city.receive(event)
        year.tick()
    made = year.take(case, "make_up")
    assert (made.proposed_status, made.proposed_grade) == (status, grade)
    gone = state | {"state": "REVOKED"}
    revoked = an_event("supervision.sanction.revoked.v1", recorded.subject, gone, sequence=2, time=recorded.time)
    year.city.receive(revoked)
    year.tick()
    assert (year.again(case).proposed_status, year.again(case).proposed_grade) == ("GRADED", "EXCELLENT")


def test_a_lighter_deduction_corrects_a_final_grade_and_restarts_the_clock(year: Year, case: Any) -> None:
    finding = some_id()
    deduct(year, case.cadre, "8.0", finding)
    year.final(case, 55)
    assert year.again(case).grade == "BASICALLY_COMPETENT"
    before = year.city.clock.now()
    year.city.clock.advance(timedelta(days=1))
    deduct(year, case.cadre, "1.0", finding, 2, "weight-changed")
    fixed = year.again(case)
    cause = fixed.cause
    assert (fixed.state, fixed.grade, fixed.revision, fixed.appeal_until) == ("CORRECTED", "COMPETENT", 2, None)
    assert revisions(year, case) == [
        (1, "BASICALLY_COMPETENT", "GRADED", None),
        (2, "COMPETENT", "GRADED", cause),
    ]
    with year.city.acting() as uow:
        assert result(bound().annuals, uow, case.id, ASSESSOR, before).explanation["deduction"]["points"] == "8"
        assert [each.revision for each in results(bound().annuals, uow, case.id, ASSESSOR, None)] == [1, 2]
    year.serve(fixed)
    assert year.again(case).appeal_until > year.city.clock.today()
    year.city.clock.advance(timedelta(days=33))
    year.tick()
    assert year.again(case).state == "FINAL"


def test_people_are_warned_of_a_result_that_is_to_be_served_also_after_a_correction(year: Year, case: Any) -> None:
    finding = some_id()
    deduct(year, case.cadre, "8.0", finding)
    year.approved(case, 55)
    due = {"annual.feedback": datetime(2024, 3, 19, tzinfo=ZONE)}
    assert open_deadlines(year, case) == due
    armed, *others = told_deadlines(year, case)
    assert (armed.data["kind"], armed.data["warn_at"][:10], armed.data["acts"]) == (
        "annual.feedback",
        "2024-03-13",
        False,
    )
    assert (armed.data["persons"], armed.data["offices"], others) == ([case.cadre], ["COMM", "ORG.assess"], [])
    year.serve(case)
    assert "annual.feedback" not in open_deadlines(year, case)
    year.city.clock.advance(timedelta(days=2))
    deduct(year, case.cadre, "1.0", finding, 2, "weight-changed")
    assert open_deadlines(year, case) == {"annual.feedback": datetime(2024, 3, 21, tzinfo=ZONE)}
    assert [event.type.split(".")[2] for event in told_deadlines(year, case)] == ["armed", "settled", "armed"]


def test_a_correction_that_leaves_the_grade_leaves_the_clock(year: Year, case: Any) -> None:
    finding = some_id()
    deduct(year, case.cadre, "8.0", finding)
    year.final(case)
    until = year.again(case).appeal_until
    deduct(year, case.cadre, "4.0", finding, 2, "weight-changed")
    assert (year.again(case).state, year.again(case).appeal_until) == ("CORRECTED", until)
    year.serve(year.again(case))
    year.tick()
    assert (year.again(case).state, year.again(case).appeal_until) == ("FINAL", until)


def test_a_correction_that_is_served_during_a_review_does_not_end_it(year: Year, case: Any) -> None:
    finding = some_id()
    deduct(year, case.cadre, "12.0", finding)
    year.approved(case, 55)
    year.serve(case)
    review = year.open(
        bound().appeals, self_of(case.cadre), type="REVIEW", subject_ref=f"annual/{case.id}", grounds="评价与事实不符"
    )
    assert year.again(case).state == "REVIEW_REQUESTED"
    deduct(year, case.cadre, "10.0", finding, 2, "weight-changed")
    assert (year.again(case).state, year.again(case).grade) == ("CORRECTED", "BASICALLY_COMPETENT")
    year.serve(case)
    assert year.again(case).state == "REVIEW_REQUESTED"
    year.city.clock.advance(timedelta(days=60))
    year.tick()
    assert year.again(case).state == "REVIEW_REQUESTED"
    year.take(review, "withdraw", self_of(case.cadre))
    assert year.again(case).state == "FINAL"


def test_nothing_becomes_heavier_or_excellent_by_itself(year: Year, case: Any) -> None:
    source = f"recall/{some_id()}"
    cause = bind(year, case.cadre, source, CAP)
    year.final(case, 95)
    cause = bind(year, case.cadre, source)
    fixed = year.again(case)
    assert (fixed.grade, fixed.notes) == ("COMPETENT", ["EXCELLENT_NEEDS_DECISION"])
    assert fixed.cause == cause
    again = bind(year, case.cadre, source, CAP)
    waiting = year.again(case)
    assert (waiting.grade, waiting.pending_cause, waiting.revision) == ("COMPETENT", again, 2)
    # What asked for a decision falls away, and comes again.
    bind(year, case.cadre, source)
    assert (year.again(case).pending_cause, year.again(case).notes, year.again(case).revision) == (None, [], 2)
    bind(year, case.cadre, source, CAP)
    unknown = refused(year, case, "amend", COMMITTEE, cause=some_id(), reason="更正")
    assert unknown.code == "CAUSE_UNKNOWN"
    known = year.city.outbox()[-1].id
    assert (
        refused(year, case, "amend", COMMITTEE, cause=known, reason="更正", grade="COMPETENT").code == "CAP_VIOLATION"
    )
    done = year.take(case, "amend", COMMITTEE, cause=known, reason="集体研究")
    assert (done.state, done.grade, done.revision, done.pending_cause, done.clock_from) == (
        "CORRECTED",
        "BASICALLY_COMPETENT",
        3,
        None,
        None,
    )


def test_what_a_person_confirms_after_the_decision_waits_for_the_committee(year: Year, case: Any) -> None:
    year.final(case)
    source = f"recall/{some_id()}"
    bind(year, case.cadre, source, Wanted(YEAR, Kind.FORCED, "RECALL_OUTCOME", Grade.INCOMPETENT, proposal=True))
    assert year.again(case).pending_cause is None
    table = ConstraintRow.__table__
    (proposal,) = year.city.rows(table, table.c.source == source)
    with year.city.acting("committee") as uow:
        bound().constraints.take(uow, proposal.id, "confirm", COMMITTEE, {"reason": "集体研究"}, proposal.version)
        uow.commit()
        (told,) = uow.published
    year.tick()
    waiting = year.again(case)
    assert (waiting.state, waiting.grade, waiting.pending_cause) == ("FINAL", "COMPETENT", told.id)
    assert waiting.notes == ["HEAVIER_NEEDS_DECISION"]
    done = year.take(case, "amend", COMMITTEE, cause=told.id, reason="集体研究")
    assert (done.grade, done.pending_cause, done.cause) == ("INCOMPETENT", None, told.id)


def test_what_a_person_takes_back_after_the_decision_waits_for_the_committee_too(year: Year, case: Any) -> None:
    source = f"absence/{case.cadre}"
    with year.city.acting() as uow:
        set_constraints(uow, source, case.cadre, [Wanted(YEAR, Kind.NO_GRADE, "ABSENCE")])
        uow.commit()
    year.final(case)
    with year.city.acting() as uow:
        set_constraints(uow, source, case.cadre, [])
        uow.commit()
        (told,) = uow.published
    year.tick()
    waiting = year.again(case)
    assert (waiting.grade_status, waiting.pending_cause, waiting.notes) == (
        "NO_GRADE",
        told.id,
        ["CHANGE_NEEDS_DECISION"],
    )
    found = Client(year.city).get(COMMITTEE_CLAIMS, f"/annuals?year={YEAR}&pending_decision=true").json["items"]
    assert case.id in [each["id"] for each in found]
    assert all(each["pending_cause"] for each in found)


def test_a_service_that_fits_nobody_is_refused_and_one_on_paper_counts(year: Year, case: Any) -> None:
    year.approved(case)
    assert year.serve(case, document="FINDING_NOTICE") == []
    with pytest.raises(Invalid, match="NOT_CONCERNED"):
        year.serve(case, recipient={"kind": "CADRE", "id": some_id()})
    with pytest.raises(Invalid, match="UNKNOWN_ANNUAL"):
        year.serve(case, ref=f"annual/{some_id()}")
    assert refused(year, case, "hand_over", served_on=date(2024, 3, 5), reason="书面").code == "DATE_IN_FUTURE"
    assert refused(year, case, "hand_over", served_on=date(2024, 3, 1), reason="书面").code == "DATE_RANGE"
    done = year.take(case, "hand_over", served_on=date(2024, 3, 4), reason="书面反馈")
    assert (done.state, done.appeal_until) == ("NOTIFIED", date(2024, 4, 3))
    assert year.serve(case) == []


def test_a_correction_is_not_served_before_it_was_made(year: Year, case: Any) -> None:
    finding = some_id()
    deduct(year, case.cadre, "8.0", finding)
    year.final(case, 55)
    deduct(year, case.cadre, "1.0", finding, 2, "weight-changed")
    assert (year.again(case).state, year.city.clock.today()) == ("CORRECTED", date(2024, 4, 6))
    refusal = refused(year, case, "hand_over", served_on=date(2024, 4, 5), reason="书面")
    assert (refusal.code, refusal.figures["earliest"]) == ("DATE_RANGE", "2024-04-06")
    assert year.take(case, "hand_over", served_on=date(2024, 4, 6), reason="书面").appeal_until == date(2024, 5, 6)


def test_a_group_has_its_own_dimensions_and_grades_and_binds_its_head(year: Year) -> None:
    head = year.annual(year.cadre("N-7", HEAD))
    group = year.group("N-7")
    year.proposed(head, 95)
    assert refused(year, head, "approve", COMMITTEE).code in ("PUBLICITY_MISSING", "GROUP_FIRST")
    done = year.approved(group, 50)
    assert (done.grade, done.quota_category) == ("POOR", "GROUP")
    year.tick()
    bound_head = year.again(head)
    assert (bound_head.engine_grade, bound_head.limits[0]["reason_code"]) == ("BASICALLY_COMPETENT", "GROUP_POOR")


def test_a_head_waits_for_no_group_where_groups_are_not_assessed(year: Year) -> None:
    year.city.clock.set(datetime(2025, 3, 3, 9, tzinfo=ZONE))
    head = year.proposed(year.annual(year.cadre("N-7", HEAD), 2024))
    assert year.take(head, "approve", COMMITTEE).grade == "COMPETENT"


def test_who_headed_a_group_in_the_year_is_bound_by_its_grade_wherever_the_post_is_now(year: Year) -> None:
    former, new = year.cadre("M-1", HEAD), year.cadre("M-2", HEAD)
    year.move(former, "M-2", date(2024, 1, 10), HEAD)
    year.move(new, "M-1", date(2024, 1, 10), HEAD)
    stayed = year.cadre("M-1", HEAD)
    year.move(stayed, "M-1", date(2023, 12, 31), MEMBER)
    first, second = year.annual(former), year.annual(new)
    group, other = year.group("M-1"), year.group("M-2")
    assert (first.unit, first.head_of, second.head_of) == ("M-2", "M-1", "M-2")
    for head in (first, second):
        year.proposed(head, 80)
        refusal = refused(year, head, "approve", COMMITTEE)
        assert (refusal.code, refusal.figures) == ("GROUP_FIRST", {"unit": head.head_of})
    assert year.approved(group, 50).grade == "POOR"
    assert year.approved(other, 80).grade == "GOOD"
    year.tick()
    assert year.take(first, "approve", COMMITTEE).grade == "BASICALLY_COMPETENT"
    assert year.take(second, "approve", COMMITTEE).grade == "COMPETENT"
    # Who gave the headship up by the last day of the year is no head of it, also when opened after the group.
    third = year.annual(stayed)
    assert (third.head, third.head_of) == (False, None)
    fourth = year.cadre("M-1", HEAD)
    late = year.annual(fourth)
    assert [limit["reason_code"] for limit in year.proposed(late, 80).limits] == ["GROUP_POOR"]


@pytest.mark.parametrize("state", sorted(ANNUAL.states))
def test_every_state_is_reachable_and_labelled(state: str) -> None:
    assert state == ANNUAL.initial or any(target == state for _, _, target in ANNUAL.transitions)


def test_a_case_that_is_opened_after_the_decision_leaves_no_trace_on_it(year: Year, case: Any) -> None:
    year.final(case)
    before = year.again(case).version
    bind(year, case.cadre, f"case-hold/{some_id()}", OPEN_CASE)
    assert (year.again(case).version, year.again(case).pending_cause) == (before, None)


def test_the_routes_record_facts_and_show_how_a_grade_came_about(year: Year, case: Any) -> None:
    client = Client(year.city)
    secret = "谈话中只在此处可见的内容"
    subject = {
        "subject_kind": "CADRE",
        "cadre": case.cadre,
        "year": YEAR,
        "held_on": "2024-01-08",
        "evidence": EVIDENCE,
    }
    few = {"name": "B", "expected": 4, "counts": {"EXCELLENT": 4}}
    many = {"name": "A", "expected": 6, "counts": {"EXCELLENT": 6}}
    ballot = client.post(CLAIMS, "/ballots", {**subject, "classes": [few, many]})
    assert (ballot.status_code, ballot.json["turnout"], ballot.json["valid"]) == (201, "100", True)
    assert [each["counts"] for each in ballot.json["classes"]] == [None, {"EXCELLENT": 6}]
    talkers = [year.cadre("N-9"), year.cadre("N-9")]
    alone = {**subject, "interviewers": talkers[:1], "summary": secret}
    assert problem(client.post(CLAIMS, "/talks", alone)) == (422, "TWO_INTERVIEWERS")
    assert problem(client.post(CLAIMS, "/talks", {**alone, "summary": "绝密"})) == (451, "SECRECY_LEVEL")
    talk = client.post(CLAIMS, "/talks", {**alone, "interviewers": talkers})
    assert (talk.status_code, "summary" in talk.json) == (201, False)
    assert client.get(CLAIMS, f"/talks/{talk.json['id']}/summary").json == {"summary": secret}
    routine = {
        "cadre": case.cadre,
        "year": YEAR,
        "quarter": 1,
        "grade": "GOOD",
        "basis": ["TALK"],
        "evidence": EVIDENCE,
    }
    assert client.post(CLAIMS, "/routine-grades", routine).status_code == 201
    assert problem(client.post(CLAIMS, "/routine-grades", routine)) == (409, "DUPLICATE")
    for path in ("ballots", "talks", "routine-grades"):
        assert len(client.get(CLAIMS, f"/{path}?cadre={case.cadre}").json["items"]) == 1
    path = f"/annuals/{case.id}"
    who = person(case.cadre)
    assert problem(client.get(who, f"{path}/explanation")) == (409, "NOT_DECIDED")
    done = year.annual(year.cadre())
    year.approved(done)
    path, who = f"/annuals/{done.id}", person(done.cadre)
    shown = client.get(who, f"{path}/explanation").json
    assert (shown["composite"], shown["grade"], shown["bands"]["EXCELLENT"]) == ("87", "COMPETENT", "90")
    assert client.get(who, f"{path}/result").json["explanation"] == shown
    assert [each["revision"] for each in client.get(who, f"{path}/results").json["items"]] == [1]
    assert client.get(who, f"{path}/report").json == {"text": "述职报告"}
    assert problem(client.get(who, f"{path}/result?as_of=2023-01-01")) == (409, "NOT_DECIDED")
    with year.city.engine.connect() as connection:
        audits = str(connection.execute(select(tables.audit_entries)).all())
    assert secret not in audits
    assert secret not in "".join(str(event.data) for event in year.city.outbox())


def test_what_binds_a_grade_is_for_the_officers_and_the_person_alone(year: Year, case: Any) -> None:
    client, path = Client(year.city), f"/annuals/{case.id}"
    source = f"measure/{some_id()}"
    bind(year, case.cadre, source, Wanted(YEAR, Kind.CAP, "ADMONITION", Grade.COMPETENT))
    year.approved(case, 95)
    head = {"sub": "head", "roles": ["UNITHEAD"], "scope": {"units": ["N-1"], "unit": "N-1", "person": some_id()}}
    for who, seen in ((CLAIMS, [source]), (person(case.cadre), [source]), (head, [])):
        for shown in (
            client.get(who, f"{path}/explanation").json,
            client.get(who, f"{path}/result").json["explanation"],
            client.get(who, f"{path}/results").json["items"][0]["explanation"],
        ):
            assert [each["source"] for each in shown["constraints"]] == seen
            assert (shown["grade"], shown["composite"]) == ("COMPETENT", "96")


def test_an_officer_learns_nothing_of_an_open_case_of_the_own_unit_from_an_explanation(year: Year, case: Any) -> None:
    bind(year, case.cadre, f"sanction/{some_id()}", Wanted(YEAR, Kind.FORCED, "SANCTION", Grade.INCOMPETENT))
    bind(year, case.cadre, f"case-hold/{some_id()}", OPEN_CASE)
    year.approved(case)
    path = f"/annuals/{case.id}/explanation"
    near = CLAIMS | {"sub": "near", "scope": {"units": "*", "unit": "N-1"}}
    kinds = {
        who["sub"]: {each["kind"] for each in Client(year.city).get(who, path).json["constraints"]}
        for who in (CLAIMS, near, person(case.cadre))
    }
    assert kinds == {
        "assessor": {"FORCED", "FLOOR_NONE"},
        "near": {"FORCED"},
        f"user-{case.cadre}": {"FORCED"},
    }


def test_a_cadre_sees_of_a_ballot_only_what_it_comes_to(year: Year, case: Any) -> None:
    year.ballot(case, {"EXCELLENT": 6, "COMPETENT": 2})
    path = f"/ballots?cadre={case.cadre}"
    (officers,) = Client(year.city).get(CLAIMS, path).json["items"]
    (own,) = Client(year.city).get(person(case.cadre), path).json["items"]
    assert officers["classes"][0]["counts"] == {"EXCELLENT": 6, "COMPETENT": 2}
    assert own["classes"] == [{"name": "A", "expected": 10, "counts": None}]
    assert (own["score"], own["turnout"]) == (officers["score"], "80")
