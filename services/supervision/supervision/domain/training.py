"""Training of a recalled cadre (S13): a seat in a class, four phases in order, the reflection, passed or failed.

A phase that was not passed may be entered again while the class lasts; the next one only after it. Nothing here is a
sanction: who fails twice is evaluated, and people decide.
"""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from citybus.cases.declare import Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked
from supervision.domain.points import points
from supervision.domain.recall_record import Recall, RecallFacts, Seats

_NONE: Final = Decimal(0)


def results(case: Recall) -> Mapping[int, dict[str, Any]]:
    """Return the last result of each phase in the present attempt."""
    return {entry["phase"]: entry for entry in case.phases if entry["attempt"] == case.attempt}


def phases_passed(case: Recall) -> int:
    """Return how many phases of the present attempt are passed; they are passed in order."""
    return sum(1 for entry in results(case).values() if entry["passed"])


def mean(case: Recall) -> Decimal:
    """Return the mean of the present attempt's scores; zero where there is none."""
    scores = [Decimal(entry["score"]) for entry in results(case).values()]
    return sum(scores, _NONE) / len(scores) if scores else _NONE


def take_seat(step: Step) -> None:
    """Enrol in the class that the form names.

    Raises 422 `UNKNOWN_CLASS`, `CLASS_NOT_OPEN` (not open for enrolment), `CLASS_FULL`.
    """
    case: Recall = step.case
    seats = _seats(step)
    if seats.taken >= seats.capacity:
        raise Refusal(
            "CLASS_FULL",
            zh=f"该班额定 {seats.capacity} 人,已满。",
            en=f"All {seats.capacity} seats of the class are taken.",
            capacity=seats.capacity,
            taken=seats.taken,
        )
    case.class_id, case.trainers = seats.id, list(seats.trainers)
    case.attempt += 1


def _seats(step: Step) -> Seats:
    facts: RecallFacts = step.facts
    seats = facts.seats
    if seats is None:
        raise Refusal("UNKNOWN_CLASS", zh="没有这个训导班。", en="There is no such class.")
    if seats.state != "OPEN":
        raise Refusal(
            "CLASS_NOT_OPEN",
            zh="该训导班不在报名阶段。",
            en="The class is not open for enrolment.",
            state=seats.state,
        )
    return seats


def may_retrain(step: Step) -> None:
    """Raise 422 `RETRAIN_LIMIT` where the cadre has been trained again already."""
    case: Recall = step.case
    if is_exhausted(step):
        limit = step.rule("recall.retrain_limit")
        raise Refusal(
            "RETRAIN_LIMIT",
            zh=f"补训最多 {limit} 次。",
            en=f"Training is repeated {limit} time(s) at most.",
            attempts=case.attempt,
            limit=limit,
        )


def is_exhausted(step: Step) -> bool:
    """Say whether no further attempt is left."""
    case: Recall = step.case
    return bool(case.attempt > step.rule("recall.retrain_limit"))


def take_another_seat(step: Step) -> None:
    """Enrol again. Raises the refusals of `take_seat`, and 422 `RETRAIN_LIMIT` where the class begins too late."""
    latest = _latest_beginning(step)
    starts = _seats(step).starts
    if starts > latest:
        raise Refusal(
            "RETRAIN_LIMIT",
            zh=f"补训须在 {latest} 前开班。",
            en=f"The repeated training begins by {latest}.",
            latest=latest.isoformat(),
            starts=starts.isoformat(),
        )
    take_seat(step)


def retraining_over(step: Step) -> None:
    """Raise 422 `RETRAIN_WINDOW_OPEN` while the training may still be repeated."""
    latest = _latest_beginning(step)
    if not is_exhausted(step) and step.at.date() <= latest:
        raise Refusal(
            "RETRAIN_WINDOW_OPEN",
            zh=f"补训可在 {latest} 前(含当日)开班,期满后方可终结训导。",
            en=f"The repeated training may begin until {latest}; failed training is concluded after that day.",
            latest=latest.isoformat(),
        )


def _latest_beginning(step: Step) -> date:
    """Return the last day on which a class may begin that repeats the training."""
    case: Recall = step.case
    found: date = step.rule("recall.retrain_period").last_day(case.failed_on or step.at.date()).day
    return found


def is_trainer(step: Step) -> None:
    """Raise 403 `DATA_SCOPE` where the actor is no trainer of the cadre's class."""
    case: Recall = step.case
    if not step.actor.system and step.actor.subject not in case.trainers:
        raise Refusal(
            "DATA_SCOPE",
            zh="您不是该训导班的教员。",
            en="You do not train the class in which the cadre is.",
            status=403,
        )


def reflect(step: Step) -> None:
    """Take the self-criticism (L4) of the third phase. Raises 422 `REFLECTION_TOO_SHORT`, 451 `SECRECY_LEVEL`."""
    case: Recall = step.case
    text = step.form["text"]
    refuse_marked([text], step.rules)
    least, length = step.rule("training.reflection_least"), len("".join(text.split()))
    if length < least:
        raise Refusal(
            "REFLECTION_TOO_SHORT",
            zh=f"反思材料不得少于 {least} 字,现 {length} 字。",
            en=f"The self-criticism has {least} characters or more; this one has {length}.",
            least=least,
            characters=length,
        )
    case.reflected = case.attempt


def enter_phase(step: Step) -> None:
    """Enter the result of a phase; it is passed where score and attendance reach what the rules want.

    Raises 422 `PHASE_ORDER` (the phase before is not passed, or this one is already), `SCORE_RANGE`, `ATTENDANCE` (no
    percentage), `REFLECTION_MISSING`.
    """
    case: Recall = step.case
    phase, score, attendance = step.form["phase"], step.form["score"], step.form["attendance"]
    most = step.rule("training.score_most")
    expected = phases_passed(case) + 1
    if phase != expected:
        raise Refusal(
            "PHASE_ORDER",
            zh=f"应按顺序评定,现为第 {expected} 阶段。" if expected <= _count(step) else "各阶段均已通过。",
            en=f"Phases are passed in order; phase {expected} is next." if expected <= _count(step) else "All passed.",
            phase=phase,
            expected=expected,
        )
    if not 0 <= score <= most:
        raise Refusal(
            "SCORE_RANGE",
            zh=f"分数须在 0 至 {most} 之间。",
            en=f"A score lies between 0 and {most}.",
            score=str(score),
            most=most,
        )
    if not 0 <= attendance <= 100:
        raise Refusal(
            "ATTENDANCE",
            zh="出勤率须在 0 至 100 之间。",
            en="Attendance lies between 0 and 100 per cent.",
            attendance=str(attendance),
        )
    if phase == step.rule("training.reflection_phase") and case.reflected != case.attempt:
        raise Refusal(
            "REFLECTION_MISSING",
            zh="该阶段须先提交反思材料。",
            en="The self-criticism comes before the result of this phase.",
            phase=phase,
        )
    enough = attendance >= step.rule("training.attendance_least")
    good = score >= step.rule("training.phase_pass_score")
    entry = {
        "attempt": case.attempt,
        "phase": phase,
        "score": points(score),
        "attendance": points(attendance),
        "passed": enough and good,
        "why": None if enough and good else "SCORE" if enough else "ATTENDANCE",
        "on": step.at.date().isoformat(),
    }
    case.phases = [*case.phases, entry]


def has_passed(step: Step) -> bool:
    """Say whether the result just entered was enough."""
    case: Recall = step.case
    return bool(case.phases[-1]["passed"])


def may_complete(step: Step) -> None:
    """Raise 422 where the training is not passed.

    `ATTENDANCE` or `PHASES_OPEN` (not all phases are passed), `MEAN_TOO_LOW`.
    """
    case: Recall = step.case
    done, wanted = phases_passed(case), _count(step)
    if done < wanted:
        last = results(case).get(done + 1)
        if last is not None and last["why"] == "ATTENDANCE":
            least = step.rule("training.attendance_least")
            raise Refusal(
                "ATTENDANCE",
                zh=f"出勤率 {last['attendance']}% 低于 {least}%。",
                en=f"Attendance was {last['attendance']} per cent; {least} is wanted.",
                attendance=last["attendance"],
                least=least,
                phase=done + 1,
            )
        raise Refusal(
            "PHASES_OPEN",
            zh=f"{wanted} 个阶段中已通过 {done} 个。",
            en=f"{done} of {wanted} phases are passed.",
            passed=done,
            wanted=wanted,
        )
    least = step.rule("training.mean_least")
    if mean(case) < least:
        raise Refusal(
            "MEAN_TOO_LOW",
            zh=f"各阶段平均 {points(mean(case))} 分,低于 {least} 分。",
            en=f"The mean is {points(mean(case))}; {least} is wanted.",
            mean=points(mean(case)),
            least=least,
        )


def is_passed(step: Step) -> bool:
    """Say whether the training is passed."""
    try:
        may_complete(step)
    except Refusal:
        return False
    return True


def not_passed(step: Step) -> None:
    """Raise 422 `TRAINING_IS_PASSED` where the training is passed: it cannot be failed any more."""
    if is_passed(step):
        raise Refusal(
            "TRAINING_IS_PASSED",
            zh="各项成绩均已达标,不得评为不合格。",
            en="All that is wanted was reached; the training cannot be failed.",
        )


def fail(step: Step) -> None:
    """Note the day of the failure."""
    case: Recall = step.case
    case.failed_on = step.at.date()


def retrain_from(step: Step) -> datetime | None:
    """Return from when the time for the repeated training runs; None where none is left."""
    case: Recall = step.case
    return None if is_exhausted(step) or case.failed_on is None else datetime.combine(case.failed_on, time.min, ZONE)


def last_day(starts: date, step: Step) -> date:
    """Return the last day of a class that begins on `starts`: its first day counts."""
    found: date = step.rule("training.days").last_day(starts - timedelta(days=1)).day
    return found


def _count(step: Step) -> int:
    return len(step.rule("training.phases"))
