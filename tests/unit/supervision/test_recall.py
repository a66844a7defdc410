"""The rules of recall, training and observation, each with what it lets pass and what it refuses."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from citybus.cases import Actor
from citybus.clock import ZONE
from citybus.errors import Refusal
from supervision.domain import observation, recall, training, training_class
from supervision.domain.recall_record import Ground, RecallFacts, Seats
from supervision.domain.training_class import ClassFacts
from tests.support.recall import SELF_CRITICISM
from tests.support.supervision import BUREAU, COMM, DISTRICT, EDU, LEAD, MONDAY, ORG, TRAINER, officer, step

SYSTEM = Actor("system:supervision", system=True)


def a_recall(**changes: Any) -> SimpleNamespace:
    """Return a recall in training, without a result yet."""
    made: dict[str, Any] = {
        "id": "r1",
        "state": "IN_TRAINING",
        "cadre": LEAD,
        "unit": BUREAU,
        "findings": ["f1"],
        "circumstances": [2],
        "proposed_on": date(2024, 3, 4),
        "notified_on": date(2024, 3, 4),
        "served_on": date(2024, 3, 4),
        "plea_until": date(2024, 3, 11),
        "pleaded_on": None,
        "approved_on": date(2024, 3, 15),
        "class_id": "c1",
        "trainers": [TRAINER.subject],
        "attempt": 1,
        "phases": [],
        "reflected": 0,
        "failed_on": None,
        "observe_from": None,
        "observe_until": None,
        "observe_months": None,
        "extensions": 0,
        "reports": [],
        "unit_warned_on": None,
        "mid_score": None,
        "mid_review_on": None,
        "unit_score": None,
        "final_score": None,
        "evaluated_on": None,
        "proposal": None,
        "outcome": None,
        "outcome_on": None,
        "cancel_reason": None,
        "closed_on": None,
    }
    return SimpleNamespace(**made | changes)


def a_ground(**changes: Any) -> Ground:
    made: dict[str, Any] = {
        "id": "f1",
        "state": "VERIFIED",
        "unit": BUREAU,
        "cadres": frozenset({LEAD}),
        "circumstances": frozenset({2}),
    }
    return Ground(**made | changes)


def facts(*grounds: Ground, **changes: Any) -> RecallFacts:
    made: dict[str, Any] = {"unit": BUREAU, "grounds": grounds or (a_ground(),)}
    return RecallFacts(**made | changes)


def refused(rule: Callable[[Any], Any], attempt: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        rule(attempt)
    return caught.value


def entered(*scores: str, attendance: str = "100", attempt: int = 1) -> list[dict[str, Any]]:
    """Return results of phases 1, 2, … as they are kept."""
    return [
        {
            "attempt": attempt,
            "phase": phase,
            "score": score,
            "attendance": attendance,
            "passed": Decimal(score) >= 60 and Decimal(attendance) >= 90,
            "why": None if Decimal(score) >= 60 and Decimal(attendance) >= 90 else "SCORE",
            "on": "2024-04-08",
        }
        for phase, score in enumerate(scores, 1)
    ]


def proposing(**changes: Any) -> Any:
    attempt = step(a_recall(), form={"cadre": LEAD, "findings": ["f1"]}, facts=facts(**changes), actor=ORG)
    attempt.action = "create"
    return attempt


# ---- the proposal


@pytest.mark.parametrize(
    ("looked_up", "code", "status"),
    [
        ({"unit": None}, "UNKNOWN_CADRE", 422),
        ({"unknown": ("f2",)}, "UNKNOWN_FINDING", 422),
        ({"grounds": (a_ground(cadres=frozenset({"somebody"})),)}, "NOT_RESPONSIBLE", 422),
    ],
)
def test_who_and_what_is_named_must_be_known(looked_up: Any, code: str, status: int) -> None:
    refusal = refused(recall.known_and_in_reach, proposing(**looked_up))
    assert (refusal.code, refusal.status) == (code, status)


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (officer("o", "ORG.supervise", units=frozenset({DISTRICT})), "DATA_SCOPE"),
        (officer("o", "ORG.supervise", unit=BUREAU), "AVOIDANCE"),
        (officer("o", "ORG.supervise", person=LEAD), "AVOIDANCE"),
    ],
)
def test_nobody_proposes_outside_of_their_reach_or_in_their_own_matter(actor: Actor, code: str) -> None:
    attempt = proposing()
    attempt.actor = actor
    assert refused(recall.known_and_in_reach, attempt).code == code


@pytest.mark.parametrize(
    ("grounds", "code"),
    [
        ((a_ground(state="DRAFT"),), "NO_VERIFIED_FINDING"),
        ((a_ground(state="REJECTED"),), "NO_VERIFIED_FINDING"),
        ((a_ground(state="REVOKED"),), "NO_VERIFIED_FINDING"),
        ((a_ground(circumstances=frozenset()),), "NO_VERIFIED_FINDING"),
        ((a_ground(tolerated=True),), "NO_VERIFIED_FINDING"),
        ((a_ground(), a_ground(id="f2", state="NOTIFIED")), "NO_VERIFIED_FINDING"),
        ((a_ground(tolerance_open=True),), "TOLERANCE_PENDING"),
    ],
)
def test_a_recall_wants_a_verified_finding_with_a_recall_code(grounds: Any, code: str) -> None:
    assert refused(recall.grounds_stand, proposing(grounds=grounds)).code == code


@pytest.mark.parametrize("state", ["VERIFIED", "RECTIFYING", "RECTIFIED", "REOPENED", "CLOSED"])
def test_rectification_does_not_take_the_ground_away(state: str) -> None:
    recall.grounds_stand(proposing(grounds=(a_ground(state=state), a_ground(id="f2", circumstances=frozenset()))))


def test_one_ground_that_fell_since_does_not_stop_the_approval() -> None:
    fallen = (a_ground(), a_ground(id="f2", tolerated=True))
    attempt = proposing(grounds=fallen)
    attempt.action = "approve"
    recall.grounds_stand(attempt)


def test_a_matter_of_discipline_comes_before_all_else_and_has_a_duty() -> None:
    attempt = proposing(grounds=(a_ground(state="DRAFT", over=("TAKING_GIFTS",)),))
    refusal = refused(recall.below_discipline_threshold, attempt)
    assert (refusal.code, refusal.committed) == ("DISCIPLINE_THRESHOLD", True)
    assert refusal.figures == {"findings": ["f1"], "reasons": ["TAKING_GIFTS"]}


def test_a_pending_case_and_an_open_recall_stand_against_it() -> None:
    assert refused(recall.no_case_pending, proposing(held=True)).code == "CASE_PENDING"
    for changes in ({"open_recall": "r0"}, {"grounds": (a_ground(recalled_by="r0"),)}):
        refusal = refused(recall.first_recall, proposing(**changes))
        assert (refusal.code, refusal.status) == ("DUPLICATE", 409)


def test_the_circumstances_are_those_of_the_findings() -> None:
    attempt = proposing(grounds=(a_ground(), a_ground(id="f2", circumstances=frozenset({8, 1}))))
    recall.propose(attempt)
    assert (attempt.case.findings, attempt.case.circumstances) == (["f1", "f2"], [1, 2, 8])


# ---- the answer


@pytest.mark.parametrize(
    ("plea_until", "pleaded_on", "at", "opens"),
    [
        (None, None, datetime(2024, 3, 20, tzinfo=ZONE), False),
        (date(2024, 3, 11), None, datetime(2024, 3, 11, 23, 59, tzinfo=ZONE), False),
        (date(2024, 3, 11), None, datetime(2024, 3, 12, tzinfo=ZONE), True),
        (date(2024, 3, 11), date(2024, 3, 5), datetime(2024, 3, 5, 12, tzinfo=ZONE), True),
    ],
)
def test_nothing_is_approved_before_the_time_to_answer_is_over(
    plea_until: Any, pleaded_on: Any, at: datetime, opens: bool
) -> None:
    attempt = step(a_recall(plea_until=plea_until, pleaded_on=pleaded_on), at=at, actor=COMM)
    if opens:
        recall.plea_window_over(attempt)
    else:
        assert refused(recall.plea_window_over, attempt).code == "PLEA_WINDOW_OPEN"


def test_five_working_days_run_from_the_day_of_service() -> None:
    case = a_recall(served_on=None, plea_until=None)
    recall.serve(step(case, form={"served_on": date(2024, 4, 3)}))
    # Qingming: 4 to 6 April are days off, Sunday the 7th is worked.
    assert (case.served_on, case.plea_until) == (date(2024, 4, 3), date(2024, 4, 11))


# ---- training


@pytest.mark.parametrize(
    ("phases", "form", "code"),
    [
        ((), (2, "80", "100"), "PHASE_ORDER"),
        (("80",), (3, "80", "100"), "PHASE_ORDER"),
        (("80",), (1, "80", "100"), "PHASE_ORDER"),
        (("80", "55"), (3, "80", "100"), "PHASE_ORDER"),
        (("80", "80", "80", "80"), (4, "80", "100"), "PHASE_ORDER"),
        ((), (1, "-0.01", "100"), "SCORE_RANGE"),
        ((), (1, "100.01", "100"), "SCORE_RANGE"),
        ((), (1, "80", "100.01"), "ATTENDANCE"),
        ((), (1, "80", "-1"), "ATTENDANCE"),
        (("80", "80"), (3, "80", "100"), "REFLECTION_MISSING"),
    ],
)
def test_a_result_that_cannot_be_is_refused(phases: Any, form: Any, code: str) -> None:
    phase, score, attendance = form
    sent = {"phase": phase, "score": Decimal(score), "attendance": Decimal(attendance)}
    case = a_recall(phases=entered(*phases))
    assert refused(training.enter_phase, step(case, form=sent)).code == code
    assert case.phases == entered(*phases)


@pytest.mark.parametrize(
    ("score", "attendance", "passed", "why"),
    [
        ("60", "90", True, None),
        ("59.99", "100", False, "SCORE"),
        ("0", "100", False, "SCORE"),
        ("100", "89.99", False, "ATTENDANCE"),
        ("20", "20", False, "ATTENDANCE"),
    ],
)
def test_a_phase_is_passed_by_score_and_attendance(score: str, attendance: str, passed: bool, why: Any) -> None:
    case = a_recall()
    attempt = step(case, form={"phase": 1, "score": Decimal(score), "attendance": Decimal(attendance)})
    training.enter_phase(attempt)
    assert (training.has_passed(attempt), case.phases[-1]["why"]) == (passed, why)


def test_a_failed_phase_may_be_entered_again_and_stays_on_record() -> None:
    case = a_recall(phases=entered("55"))
    training.enter_phase(step(case, form={"phase": 1, "score": Decimal(70), "attendance": Decimal(95)}))
    assert ([entry["score"] for entry in case.phases], training.phases_passed(case)) == (["55", "70.0"], 1)
    assert training.mean(case) == 70


@pytest.mark.parametrize(
    ("phases", "code"),
    [
        ((), "PHASES_OPEN"),
        (("80", "80", "80"), "PHASES_OPEN"),
        (("80", "80", "80", "59"), "PHASES_OPEN"),
        (("69", "70", "70", "70.99"), "MEAN_TOO_LOW"),
        (("60", "70", "70", "80"), None),
        (("78", "82", "75", "88"), None),
    ],
)
def test_training_is_passed_with_four_phases_and_their_mean(phases: Any, code: str | None) -> None:
    attempt = step(a_recall(phases=entered(*phases)))
    if code is None:
        training.may_complete(attempt)
        assert refused(training.not_passed, attempt).code == "TRAINING_IS_PASSED"
    else:
        assert refused(training.may_complete, attempt).code == code
        training.not_passed(attempt)


def test_who_was_absent_is_told_so() -> None:
    phases = entered("80")
    phases[0] |= {"passed": False, "why": "ATTENDANCE", "attendance": "80.0"}
    assert refused(training.may_complete, step(a_recall(phases=phases))).code == "ATTENDANCE"


def test_results_of_the_first_attempt_do_not_count_in_the_second() -> None:
    case = a_recall(attempt=2, phases=entered("80", "80", "80", "80"))
    assert (training.phases_passed(case), training.mean(case)) == (0, 0)


@pytest.mark.parametrize(
    ("text", "passes"), [("字" * 999, False), ("字 \n" * 999, False), ("字" * 1000, True), (SELF_CRITICISM, True)]
)
def test_the_self_criticism_has_a_thousand_characters(text: str, passes: bool) -> None:
    case = a_recall(attempt=2)
    attempt = step(case, form={"text": text})
    if passes:
        training.reflect(attempt)
        assert case.reflected == 2
    else:
        refusal = refused(training.reflect, attempt)
        assert (refusal.code, refusal.figures) == ("REFLECTION_TOO_SHORT", {"least": 1000, "characters": 999})


def seats(**changes: Any) -> RecallFacts:
    made: dict[str, Any] = {"id": "c2", "state": "OPEN", "starts": date(2024, 4, 8), "capacity": 2, "taken": 1}
    return RecallFacts(seats=Seats(**made | changes))


@pytest.mark.parametrize(
    ("looked_up", "code"),
    [
        (RecallFacts(), "UNKNOWN_CLASS"),
        (seats(state="PLANNED"), "CLASS_NOT_OPEN"),
        (seats(state="RUNNING"), "CLASS_NOT_OPEN"),
        (seats(taken=2), "CLASS_FULL"),
    ],
)
def test_a_class_without_a_seat_takes_nobody(looked_up: RecallFacts, code: str) -> None:
    case = a_recall(attempt=0, class_id=None)
    assert refused(training.take_seat, step(case, facts=looked_up, actor=EDU)).code == code
    assert (case.attempt, case.class_id) == (0, None)


@pytest.mark.parametrize(("starts", "passes"), [(date(2024, 6, 14), True), (date(2024, 6, 15), False)])
def test_the_repeated_training_begins_within_sixty_days(starts: date, passes: bool) -> None:
    case = a_recall(failed_on=date(2024, 4, 15))
    attempt = step(case, facts=seats(starts=starts))
    if passes:
        training.take_another_seat(attempt)
        assert (case.attempt, case.class_id) == (2, "c2")
    else:
        assert refused(training.take_another_seat, attempt).code == "RETRAIN_LIMIT"


def test_there_is_one_repetition() -> None:
    training.may_retrain(step(a_recall(attempt=1)))
    assert refused(training.may_retrain, step(a_recall(attempt=2))).code == "RETRAIN_LIMIT"


def test_only_a_trainer_of_the_class_enters_results() -> None:
    training.is_trainer(step(a_recall(), actor=TRAINER))
    refusal = refused(training.is_trainer, step(a_recall(), actor=officer("other", "TRAINER")))
    assert (refusal.code, refusal.status) == ("DATA_SCOPE", 403)


# ---- the class


def a_class(**changes: Any) -> SimpleNamespace:
    made: dict[str, Any] = {"state": "RUNNING", "starts": date(2024, 4, 8), "ends": date(2024, 4, 14), "capacity": 3}
    return SimpleNamespace(**made | changes)


def test_a_class_lasts_a_week_and_begins_after_today() -> None:
    form = {"title": "一", "place": "党校", "starts": date(2024, 4, 8), "capacity": 3, "trainers": ["b", "a"]}
    case = a_class()
    training_class.plan(step(case, form=form))
    assert (case.ends, case.trainers) == (date(2024, 4, 14), ["a", "b"])
    today = step(a_class(), form=form | {"starts": MONDAY.date()})
    assert refused(training_class.plan, today).code == "CLASS_DATES"


def test_people_end_a_class_when_all_are_settled_and_it_is_over() -> None:
    last, before = datetime(2024, 4, 14, 17, tzinfo=ZONE), datetime(2024, 4, 13, 17, tzinfo=ZONE)
    training_class.all_settled(step(a_class(), facts=ClassFacts(), at=last))
    for facts_, at in ((ClassFacts(unsettled=1), last), (ClassFacts(), before)):
        refusal = refused(training_class.all_settled, step(a_class(), facts=facts_, at=at))
        assert refusal.code == "TRAINING_UNSETTLED"
    training_class.all_settled(step(a_class(), facts=ClassFacts(unsettled=1), at=last, actor=SYSTEM))


def test_seats_that_are_taken_stay() -> None:
    attempt = step(a_class(), form={"capacity": 2}, facts=ClassFacts(taken=3))
    assert refused(training_class.enlarge, attempt).code == "CLASS_FULL"


# ---- observation


@pytest.mark.parametrize(("months", "until"), [(None, "2024-07-15"), (3, "2024-07-15"), (6, "2024-10-15")])
def test_an_observation_lasts_three_to_six_months(months: int | None, until: str) -> None:
    case = a_recall()
    form = {} if months is None else {"months": months}
    observation.observe(step(case, form=form, at=datetime(2024, 4, 15, 9, tzinfo=ZONE)))
    assert (case.observe_until.isoformat(), len(case.reports)) == (until, case.observe_months)
    assert [entry["due"] for entry in case.reports][:3] == ["2024-05-05", "2024-06-05", "2024-07-05"]


@pytest.mark.parametrize("months", [1, 2, 7, 12])
def test_a_shorter_or_longer_observation_is_refused(months: int) -> None:
    assert refused(observation.observe, step(a_recall(), form={"months": months})).code == "OBSERVE_RANGE"


@pytest.mark.parametrize(
    ("day", "dues"),
    [
        ((2024, 1, 1), ["2024-02-05", "2024-03-05"]),
        ((2024, 1, 5), ["2024-02-05", "2024-03-05", "2024-04-05"]),
        ((2023, 11, 30), ["2023-12-05", "2024-01-05", "2024-02-05"]),
    ],
)
def test_each_month_is_reported_whose_report_falls_due_within(day: Any, dues: list[str]) -> None:
    case = a_recall()
    observation.observe(step(case, at=datetime(*day, 9, tzinfo=ZONE)))
    assert [entry["due"] for entry in case.reports] == dues


def observed(**changes: Any) -> SimpleNamespace:
    case = a_recall(state="OBSERVING")
    observation.observe(step(case, at=datetime(2024, 4, 15, 9, tzinfo=ZONE)))
    for name, value in changes.items():
        setattr(case, name, value)
    return case


def test_an_observation_is_prolonged_once_and_keeps_its_reports() -> None:
    case = observed()
    at = datetime(2024, 5, 3, 9, tzinfo=ZONE)
    observation.report_month(step(case, form={"month": "2024-04", "text": "情况"}, at=at))
    for months in (3, 7):
        assert refused(observation.extend, step(case, form={"months": months}, at=at)).code == "OBSERVE_RANGE"
    observation.extend(step(case, form={"months": 5}, at=at))
    assert (case.observe_until, len(case.reports)) == (date(2024, 9, 15), 5)
    assert case.reports[0]["submitted_on"] == "2024-05-03"
    assert refused(observation.extend, step(case, form={"months": 6}, at=at)).code == "EXTEND_LIMIT"


@pytest.mark.parametrize(
    ("month", "code", "status"),
    [("2024-07", "MONTH_NOT_WANTED", 422), ("2024-06", "MONTH_NOT_BEGUN", 422), ("2024-04", "DUPLICATE", 409)],
)
def test_a_report_of_another_month_is_refused(month: str, code: str, status: int) -> None:
    case, at = observed(), datetime(2024, 5, 31, 9, tzinfo=ZONE)
    observation.report_month(step(case, form={"month": "2024-04", "text": "情况"}, at=at))
    refusal = refused(observation.report_month, step(case, form={"month": month, "text": "情况"}, at=at))
    assert (refusal.code, refusal.status) == (code, status)


def test_two_missed_reports_warn_the_unit_once() -> None:
    case = observed()
    for at, missed, warns in (
        (datetime(2024, 5, 5, 23, tzinfo=ZONE), 0, False),
        (datetime(2024, 5, 6, tzinfo=ZONE), 1, False),
        (datetime(2024, 6, 6, tzinfo=ZONE), 2, True),
    ):
        attempt = step(case, at=at)
        observation.miss_month(attempt)
        assert (observation.missed(case), observation.wants_warning(attempt)) == (missed, warns)
    observation.warn_unit(attempt)
    assert (case.unit_warned_on, observation.wants_warning(attempt)) == (date(2024, 6, 6), False)


def test_an_evaluation_wants_the_whole_time_and_every_paper() -> None:
    case, at = observed(), datetime(2024, 7, 15, 9, tzinfo=ZONE)
    early = step(case, at=datetime(2024, 7, 14, 23, tzinfo=ZONE))
    assert refused(observation.observation_over, early).code == "OBSERVATION_OPEN"
    attempt = step(case, at=at)
    observation.observation_over(attempt)
    assert refused(observation.papers_present, attempt).figures == {"months": ["2024-04", "2024-05", "2024-06"]}
    case.reports = [entry | {"submitted_on": "2024-07-01"} for entry in case.reports]
    assert refused(observation.papers_present, attempt).code == "REVIEW_MISSING"
    observation.review(step(case, form={"score": Decimal(70), "text": "中期"}, at=at))
    assert refused(observation.papers_present, attempt).code == "OPINION_MISSING"
    observation.unit_opinion(step(case, form={"score": Decimal(70), "text": "意见"}, at=at))
    observation.papers_present(attempt)


@pytest.mark.parametrize(
    ("score", "proposal", "allowed"),
    [
        ("70", "RESTORED", recall.restoration_proposed),
        ("81", "RESTORED", recall.restoration_proposed),
        ("69.99", "ADJUSTED", recall.adjustment_proposed),
        ("0", "ADJUSTED", recall.adjustment_proposed),
    ],
)
def test_seventy_points_restore_and_nothing_else_is_decided_then(score: str, proposal: str, allowed: Any) -> None:
    case = observed()
    observation.evaluate(step(case, form={"score": Decimal(score), "text": "评估"}))
    assert (case.proposal, case.outcome) == (proposal, None)
    allowed(step(case))
    other = recall.adjustment_proposed if allowed is recall.restoration_proposed else recall.restoration_proposed
    assert refused(other, step(case)).code == "SCORE_RULE"


@pytest.mark.parametrize(
    ("state", "days", "bars"),
    [
        ("OBSERVING", {}, [("RECALL_OPEN", "2024-03-04", None)]),
        (
            "RESTORED",
            {"outcome_on": date(2024, 8, 31), "closed_on": date(2024, 8, 31)},
            [("RECALL_OPEN", "2024-03-04", "2024-08-31"), ("RECALL_RECENT", "2024-08-31", "2025-02-28")],
        ),
        (
            "ADJUSTED",
            {"outcome_on": date(2024, 8, 1), "closed_on": date(2024, 8, 1)},
            [("RECALL_OPEN", "2024-03-04", "2024-08-01")],
        ),
        ("TRANSFERRED", {"closed_on": date(2024, 4, 1)}, [("RECALL_OPEN", "2024-03-04", "2024-04-01")]),
        ("CANCELLED", {"closed_on": date(2024, 4, 1)}, []),
    ],
)
def test_what_bars_until_when(state: str, days: Any, bars: Any) -> None:
    found = recall.bars(step(a_recall(state=state, **days)))
    assert [(bar.code, bar.start.isoformat(), bar.until and bar.until.isoformat()) for bar in found] == bars


@pytest.mark.parametrize(
    ("actor", "form", "reason"),
    [
        (COMM, {"reason": "不同意"}, "REJECTED"),
        (ORG, {"reason": "情况有变"}, "WITHDRAWN"),
        (SYSTEM, {"cause": "TOLERANCE"}, "TOLERANCE"),
    ],
)
def test_a_cancelled_recall_says_why(actor: Actor, form: Any, reason: str) -> None:
    case = a_recall()
    recall.cancel(step(case, form=form, actor=actor))
    assert case.cancel_reason == reason
