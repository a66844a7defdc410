"""Annual assessments (A8, M2) of cadres and of leading groups (A18): from the report to the grade that is served."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final, Protocol

from statemachine import State, StateMachine

from assessment.domain import grading
from assessment.domain.grade import GradeStatus
from assessment.domain.grading import EXCELLENT, Limit, SubjectKind
from assessment.domain.quota import Use, refuse_exceeding
from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked

DERIVED: Final = ("BALLOT", "ROUTINE")
"""Dimensions whose score is reckoned from recorded facts; all others are given."""
QUOTA_FULL: Final = "QUOTA_FULL"
EXCELLENT_NEEDS_DECISION: Final = "EXCELLENT_NEEDS_DECISION"
HEAVIER_NEEDS_DECISION: Final = "HEAVIER_NEEDS_DECISION"
CHANGE_NEEDS_DECISION: Final = "CHANGE_NEEDS_DECISION"
MADE_UP_LATE: Final = "MADE_UP_LATE"

ROUND_ACTIONS: Final = ("open", "verify", "publicize", "approve")
"""What may be done of a whole year at once, case by case; proposing is done in sets."""


class Annual(Protocol):
    """What the rules read and change of an assessment.

    `head_of` is the unit whose group the cadre headed in the year (A18), `head` says that there is one.
    `band` is the grade by points alone, `engine_grade` the one within the limits, `proposed_grade` what is proposed,
    `grade` what was decided. Lists and mappings are replaced, never changed in place. `self_report` enters no event.
    """

    id: str
    state: str
    subject_kind: str
    cadre: str | None
    unit: str
    year: int
    scheme_id: str
    head: bool
    head_of: str | None
    quota_category: str
    self_report: str | None
    reported_on: date | None
    ballot_id: str | None
    ballot_flagged: bool
    scores: dict[str, str]
    cutoff_on: date | None
    record_version: int | None
    deduction: Decimal | None
    composite: Decimal | None
    band: str | None
    engine_grade: str | None
    proposed_grade: str | None
    proposed_status: str | None
    limits: list[dict[str, Any]]
    notes: list[str]
    quota_id: str | None
    publicity_until: date | None
    grade: str | None
    grade_status: str | None
    revision: int
    approved_on: date | None
    served_on: date | None
    clock_from: date | None
    appeal_until: date | None
    cause: str | None
    pending_cause: str | None
    hold_closed_on: date | None


@dataclass(frozen=True, slots=True)
class Known:
    """A scheme as far as an assessment asks for it."""

    id: str
    state: str
    weights: Mapping[str, str]
    bands: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Person:
    """A cadre as far as an assessment asks for one. `headed` is the unit whose group was headed when the year ended."""

    unit: str
    state: str
    categories: tuple[str, ...]
    headed: str | None = None


@dataclass(frozen=True, slots=True)
class BallotResult:
    """A counted session: whether turnout makes it valid, its score, and whether it wants verification."""

    id: str
    valid: bool
    score: Decimal
    flagged: bool
    turnout: Decimal


@dataclass(frozen=True, slots=True)
class Record:
    """What is deducted in the year, by the record's version in force."""

    version: int = 0
    deduction: Decimal = Decimal(0)


def _no_use() -> Use | None:
    return None


@dataclass(frozen=True, slots=True)
class AnnualFacts:
    """What was looked up for a step.

    `quota` tells the use of the pool's quota, under its lock; `decided_on` is the day of the last decision.
    """

    duplicate: bool = False
    scheme: Known | None = None
    person: Person | None = None
    unit_known: bool = False
    ballot: BallotResult | None = None
    routine: Sequence[Decimal] = ()
    talks: int = 0
    record: Record = Record()
    limits: tuple[Limit, ...] = ()
    group_pending: bool = False
    quota: Callable[[], Use | None] = _no_use
    cause_known: bool = False
    decided_on: date | None = None


class AnnualMachine(StateMachine):
    """M2. An open case puts the grade off; what is approved is corrected, never changed in place."""

    OPEN = State(initial=True)
    SELF_REPORTED = State()
    EVALUATED = State()
    VERIFIED = State()
    PROPOSED = State()
    PUBLICIZED = State()
    PENDING_MAKEUP = State()
    APPROVED = State()
    NOTIFIED = State()
    REVIEW_REQUESTED = State()
    FINAL = State()
    CORRECTED = State()

    self_report = OPEN.to(SELF_REPORTED)
    evaluate = SELF_REPORTED.to(EVALUATED)
    re_evaluate = EVALUATED.to(EVALUATED) | VERIFIED.to(EVALUATED) | PROPOSED.to(EVALUATED)
    verify = EVALUATED.to(VERIFIED)
    propose = VERIFIED.to(PROPOSED) | PROPOSED.to(PROPOSED)
    recompute = PROPOSED.to(PROPOSED) | PUBLICIZED.to(PUBLICIZED)
    publicize = PROPOSED.to(PUBLICIZED)
    object = PUBLICIZED.to(VERIFIED)
    withdraw_proposal = PUBLICIZED.to(VERIFIED)
    approve = PROPOSED.to(APPROVED) | PUBLICIZED.to(APPROVED)
    suspend = (
        OPEN.to(PENDING_MAKEUP)
        | SELF_REPORTED.to(PENDING_MAKEUP)
        | EVALUATED.to(PENDING_MAKEUP)
        | VERIFIED.to(PENDING_MAKEUP)
        | PROPOSED.to(PENDING_MAKEUP)
        | PUBLICIZED.to(PENDING_MAKEUP)
        | PENDING_MAKEUP.to(PENDING_MAKEUP)
    )
    hold_closed = PENDING_MAKEUP.to(PENDING_MAKEUP)
    make_up = PENDING_MAKEUP.to(PROPOSED)
    hand_over = APPROVED.to(NOTIFIED) | CORRECTED.to(NOTIFIED)
    serve = APPROVED.to(NOTIFIED) | CORRECTED.to(NOTIFIED)
    request_review = NOTIFIED.to(REVIEW_REQUESTED) | FINAL.to(REVIEW_REQUESTED)
    end_review = REVIEW_REQUESTED.to(FINAL)
    finalize = NOTIFIED.to(FINAL)
    await_decision = (
        APPROVED.to(APPROVED)
        | NOTIFIED.to(NOTIFIED)
        | REVIEW_REQUESTED.to(REVIEW_REQUESTED)
        | FINAL.to(FINAL)
        | CORRECTED.to(CORRECTED)
    )
    drop_decision = (
        APPROVED.to(APPROVED)
        | NOTIFIED.to(NOTIFIED)
        | REVIEW_REQUESTED.to(REVIEW_REQUESTED)
        | FINAL.to(FINAL)
        | CORRECTED.to(CORRECTED)
    )
    correct = (
        APPROVED.to(CORRECTED)
        | NOTIFIED.to(CORRECTED)
        | REVIEW_REQUESTED.to(CORRECTED)
        | FINAL.to(CORRECTED)
        | CORRECTED.to(CORRECTED)
    )
    amend = (
        APPROVED.to(CORRECTED)
        | NOTIFIED.to(CORRECTED)
        | REVIEW_REQUESTED.to(CORRECTED)
        | FINAL.to(CORRECTED)
        | CORRECTED.to(CORRECTED)
    )


BEFORE_APPROVAL: Final = frozenset({"OPEN", "SELF_REPORTED", "EVALUATED", "VERIFIED", "PROPOSED", "PUBLICIZED"})
DECIDED: Final = frozenset({"APPROVED", "NOTIFIED", "REVIEW_REQUESTED", "FINAL", "CORRECTED"})


def scope(case: Annual) -> Scope:
    """Return whom an assessment concerns; that a grade waits for a case is not told to them.

    Of the deadlines of one that waited the unit's officers are not told either: they would tell of the case.
    """
    return Scope(
        units=frozenset({case.unit}),
        persons=frozenset({case.cadre} if case.cadre else ()),
        disclosed=case.state != "PENDING_MAKEUP",
        confidential=case.hold_closed_on is not None,
    )


def plain(step: Step) -> None:
    """Raise 451 `SECRECY_LEVEL` where the reason bears a mark of a state secret."""
    _refuse_marked(step, step.form.get("reason"))


def _refuse_marked(step: Step, text: str | None) -> None:
    refuse_marked([text or ""], step.rules)


# ---- opening and reporting


def open_year(step: Step) -> None:
    """Begin the assessment of a cadre or of a unit's group.

    Raises 409 `DUPLICATE`, 422 `SCHEME_MISSING`, `UNKNOWN_CADRE`, `UNKNOWN_UNIT`, `CADRE_LEFT`, `CUTOFF_PASSED`.
    """
    case: Annual = step.case
    facts: AnnualFacts = step.facts
    form = step.form
    case.subject_kind, case.year = form["subject_kind"], form["year"]
    if facts.duplicate:
        raise Refusal(
            "DUPLICATE", zh="该对象本年度考核已建立。", en="The subject's year is being assessed already.", status=409
        )
    if facts.scheme is None or facts.scheme.state == "DRAFT":
        raise Refusal(
            "SCHEME_MISSING",
            zh=f"{case.year} 年度考核方案尚未发布。",
            en=f"The scheme of {case.year} is not published.",
            year=case.year,
            target_kind=case.subject_kind,
        )
    within_window(step)
    case.scheme_id = facts.scheme.id
    case.head_of = None
    categories: tuple[str, ...] = ()
    if case.subject_kind == SubjectKind.CADRE:
        if facts.person is None:
            raise Refusal("UNKNOWN_CADRE", zh="名册中没有该干部。", en="The roster has no such cadre.")
        if facts.person.state == "LEFT":
            raise Refusal("CADRE_LEFT", zh="该干部已离任。", en="The cadre has left.")
        case.cadre, case.unit, categories = str(form["cadre"]), facts.person.unit, facts.person.categories
        case.head_of = facts.person.headed
    else:
        if not facts.unit_known:
            raise Refusal("UNKNOWN_UNIT", zh="名册中没有该单位。", en="The roster has no such unit.")
        case.cadre, case.unit = None, form["unit"]
    case.head = case.head_of is not None
    leading = set(step.rule("quota.leading_categories"))
    if case.subject_kind == SubjectKind.GROUP:
        case.quota_category = "GROUP"
    else:
        civil = "CIVIL_SERVANT" in categories and not leading & set(categories)
        case.quota_category = "CIVIL_SERVANT" if civil else "CADRE"
    case.ballot_flagged, case.scores, case.limits, case.notes, case.revision = False, {}, [], [], 0


def within_window(step: Step) -> None:
    """Raise 422 `CUTOFF_PASSED` where the window of the year's assessment is over."""
    case: Annual = step.case
    last = _day(case.year + 1, step.rule("annual.window_end"))
    if step.at.date() > last:
        raise Refusal(
            "CUTOFF_PASSED",
            zh=f"{case.year} 年度考核已于 {last} 截止。",
            en=f"The assessment of {case.year} ended on {last}.",
            until=last.isoformat(),
        )


def _day(year: int, month_day: str) -> date:
    return date.fromisoformat(f"{year}-{month_day}")


def report(step: Step) -> None:
    """Take over the report. Raises 422 `TOO_EARLY` before the window of the year opens, 451 `SECRECY_LEVEL`."""
    case: Annual = step.case
    first = _day(case.year, step.rule("annual.window_begin"))
    if step.at.date() < first:
        raise Refusal(
            "TOO_EARLY",
            zh=f"{case.year} 年度考核自 {first} 起进行。",
            en=f"The assessment of {case.year} begins on {first}.",
            begins=first.isoformat(),
        )
    _refuse_marked(step, step.form["text"])
    case.self_report, case.reported_on = step.form["text"], step.at.date()


# ---- evaluating and verifying


def evaluate(step: Step) -> None:
    """Score every dimension, from recorded facts or as given.

    Raises 422 `BALLOT_MISSING`, `BALLOT_INVALID`, `ROUTINE_MISSING`, `TALKS_MISSING`, `SCORES_MISSING`,
    `SCORES_UNKNOWN`.
    """
    case: Annual = step.case
    facts: AnnualFacts = step.facts
    ballot = _valid_ballot(step)
    if case.subject_kind == SubjectKind.CADRE:
        least = step.rule("annual.routine_least")
        if len(facts.routine) < least and grading.without_grade(facts.limits):
            # Who was on leave for most of the year was not at work in every quarter.
            least = step.rule("annual.routine_least_no_grade")
        if len(facts.routine) < least:
            raise Refusal(
                "ROUTINE_MISSING",
                zh=f"平时考核仅 {len(facts.routine)} 次，应有 {least} 次。",
                en=f"{len(facts.routine)} routine grades of the year are recorded; {least} are wanted.",
                recorded=len(facts.routine),
                least=least,
            )
    least = step.rule("annual.talks_least")
    if facts.talks < least:
        raise Refusal(
            "TALKS_MISSING",
            zh=f"个别谈话仅 {facts.talks} 次，应不少于 {least} 次。",
            en=f"{facts.talks} talks are recorded; {least} are wanted.",
            recorded=facts.talks,
            least=least,
        )
    case.ballot_id, case.ballot_flagged = ballot.id, ballot.flagged
    case.scores = _scores(step, ballot)


def evaluate_anew(step: Step) -> None:
    """Score every dimension once more where something was entered wrongly: what came of it is void, and is done anew.

    Raises as `evaluate` does.
    """
    case: Annual = step.case
    evaluate(step)
    case.cutoff_on = case.composite = case.band = case.engine_grade = case.quota_id = None
    case.proposed_grade = case.proposed_status = None
    case.limits, case.notes = [], []


def _valid_ballot(step: Step) -> BallotResult:
    facts: AnnualFacts = step.facts
    if facts.ballot is None:
        raise Refusal("BALLOT_MISSING", zh="没有民主测评结果。", en="No democratic evaluation is recorded.")
    if not facts.ballot.valid:
        share = step.rule("ballot.turnout")
        turnout, least = (
            str(grading.two_places(part * grading.HUNDRED))
            for part in (facts.ballot.turnout, Decimal(share["least"]) / Decimal(share["of"]))
        )
        raise Refusal(
            "BALLOT_INVALID",
            zh=f"民主测评参加率为 {turnout}%，不足 {least}%，结果无效，须重新组织。",
            en=f"{turnout} % took part in the democratic evaluation, fewer than {least} %; it is void and must be held anew.",
            turnout=turnout,
            least=least,
        )
    return facts.ballot


def _scores(step: Step, ballot: BallotResult) -> dict[str, str]:
    facts: AnnualFacts = step.facts
    weights = _scheme(step).weights
    found = {name: Decimal(value) for name, value in (step.form.get("scores") or {}).items()}
    unknown = sorted(set(found) - (set(weights) - set(DERIVED)))
    if unknown:
        raise Refusal(
            "SCORES_UNKNOWN",
            zh="有不应填报的维度。",
            en="These dimensions are not scored by hand, or not weighed.",
            dimensions=unknown,
        )
    found["BALLOT"] = ballot.score
    if facts.routine:
        found["ROUTINE"] = grading.two_places(sum(facts.routine, Decimal(0)) / len(facts.routine))
    missing = sorted(set(weights) - set(found))
    if missing:
        raise Refusal("SCORES_MISSING", zh="有维度尚未评分。", en="These dimensions have no score.", dimensions=missing)
    return {name: grading.score_text(found[name]) for name in weights}


def _scheme(step: Step) -> Known:
    facts: AnnualFacts = step.facts
    if facts.scheme is None:
        raise Refusal("SCHEME_MISSING", zh="没有考核方案。", en="There is no scheme.")
    return facts.scheme


def after_cutoff(step: Step) -> None:
    """Raise 422 `CUTOFF_OPEN` before the year is over: findings of the year may still come."""
    case: Annual = step.case
    day = _day(case.year, step.rule("annual.cutoff"))
    if step.at.date() <= day:
        raise Refusal(
            "CUTOFF_OPEN",
            zh=f"问题统计截止日为 {day}，之后方可核实。",
            en=f"Findings of the year may come until {day}; verify afterwards.",
            cutoff=day.isoformat(),
        )


def explained(step: Step) -> None:
    """Raise 422 `BALLOT_FLAGGED` where many judged badly and nobody says what the verification found (A11)."""
    case: Annual = step.case
    if case.ballot_flagged and not step.form.get("reason"):
        raise Refusal(
            "BALLOT_FLAGGED",
            zh="测评负面比例偏高，请说明核实情况（reason）。",
            en="Many judged badly; give the outcome of the verification as `reason`.",
        )


def verify(step: Step) -> None:
    """Fix the findings of the year as the record holds them."""
    case: Annual = step.case
    facts: AnnualFacts = step.facts
    explained(step)
    case.cutoff_on = _day(case.year, step.rule("annual.cutoff"))
    case.record_version, case.deduction = facts.record.version, facts.record.deduction


# ---- proposing


def no_open_case(step: Step) -> None:
    """Raise 422 `CASE_PENDING` while a case is open: neither comment nor grade (1.3)."""
    facts: AnnualFacts = step.facts
    if grading.pending(facts.limits):
        raise Refusal("CASE_PENDING", zh="有事项未结，暂不确定等次。", en="A matter is open; no grade for now.")


def reckon(step: Step) -> None:
    """Compute composite, band and the grade within the limits, as they are now."""
    case: Annual = step.case
    facts: AnnualFacts = step.facts
    scheme = _scheme(step)
    found = grading.assess(
        case.subject_kind, scheme.weights, case.scores, facts.record.deduction, scheme.bands, facts.limits
    )
    case.record_version, case.deduction = facts.record.version, facts.record.deduction
    case.composite, case.band = found.composite, found.band
    case.engine_grade, case.proposed_status = found.grade, found.status
    case.limits = [grading.limit_data(limit) for limit in facts.limits]


def propose(step: Step) -> None:
    """Propose a grade: what the rules give, within the quota; another one, not above the limits, where the form says so.

    Raises 409 `CAP_VIOLATION`, 422 `GRADE_ABOVE_BAND`, `REASON_MISSING`, `NO_GRADE_ALLOWED`.
    """
    case: Annual = step.case
    reckon(step)
    case.notes = []
    asked = step.form.get("grade")
    use = step.facts.quota()
    case.quota_id = use.quota if use else None
    if asked is None:
        case.proposed_grade = case.engine_grade
        if case.engine_grade == EXCELLENT and use is not None and use.used >= use.most:
            case.proposed_grade, case.notes = grading.GRADES[case.subject_kind][1], [QUOTA_FULL]
        return
    _check_grade(step, asked, case.engine_grade)
    case.proposed_grade = asked


def _check_grade(step: Step, asked: str, best: str | None) -> None:
    case: Annual = step.case
    facts: AnnualFacts = step.facts
    if asked not in grading.GRADES[case.subject_kind]:
        raise Refusal("UNKNOWN_GRADE", zh="没有该等次。", en="There is no such grade.", grade=asked)
    grading.refuse_above_limits(case.subject_kind, asked, facts.limits)
    if best is None:
        return
    if grading.rank(case.subject_kind, asked) > grading.rank(case.subject_kind, best):
        raise Refusal(
            "GRADE_ABOVE_BAND",
            zh="等次高于拟定等次或得分对应的等次。",
            en="The grade is better than the one proposed, or than the points give.",
            grade=asked,
            best=best,
        )
    if asked != best and not step.form.get("reason"):
        raise Refusal("REASON_MISSING", zh="请说明理由（reason）。", en="Give the reason for this step (`reason`).")


def recompute(step: Step) -> None:
    """Reckon anew what has been proposed: a heavier limit holds at once, a lighter one lets a plain proposal rise."""
    case: Annual = step.case
    before, proposed = case.engine_grade, case.proposed_grade
    reckon(step)
    kind = case.subject_kind
    if case.engine_grade is None or proposed is None or proposed == before:
        case.proposed_grade = case.engine_grade
    else:
        case.proposed_grade = min((proposed, case.engine_grade), key=lambda grade: grading.rank(kind, grade))
    case.cause = step.form.get("cause")


def make_up(step: Step) -> None:
    """Propose the grade that was put off (A21): scores as recorded or given now; late after 30 days, with a note.

    Raises 422 `BALLOT_FLAGGED` where `verify` has not asked for it before, and as `evaluate` and `propose` do.
    """
    case: Annual = step.case
    facts: AnnualFacts = step.facts
    if not case.scores:
        evaluate(step)
    if case.cutoff_on is None:
        explained(step)
    propose(step)
    begins = makeup_begins(step)
    if begins is not None and step.at.date() > step.rule("annual.makeup").last_day(begins).day:
        case.notes = [*case.notes, MADE_UP_LATE]
    case.cutoff_on = _day(case.year, step.rule("annual.cutoff"))
    case.record_version = facts.record.version


# ---- publicity and approval


def publicity_wanted(step: Step) -> None:
    """Raise 422 `PUBLICITY_NOT_NEEDED` where the proposal is not an excellent grade."""
    case: Annual = step.case
    if case.proposed_grade != EXCELLENT:
        raise Refusal(
            "PUBLICITY_NOT_NEEDED", zh="只有拟定优秀需公示。", en="Only a proposed excellent grade is publicised."
        )


def publicize(step: Step) -> None:
    """Note until when objections are heard."""
    case: Annual = step.case
    case.publicity_until = step.rule("annual.publicity").last_day(step.at.date()).day


def end_publicity(step: Step) -> None:
    """Take the publicity back."""
    case: Annual = step.case
    case.publicity_until = None


def publicity_over(step: Step) -> None:
    """Raise 422 `PUBLICITY_OPEN` until the publicity is over."""
    case: Annual = step.case
    if case.state == "PUBLICIZED" and case.publicity_until is not None and step.at.date() <= case.publicity_until:
        raise Refusal(
            "PUBLICITY_OPEN",
            zh=f"公示至 {case.publicity_until}，期满后方可审定。",
            en=f"The publicity runs until {case.publicity_until}.",
            until=case.publicity_until.isoformat(),
        )


def groups_first(step: Step) -> None:
    """Raise 422 `GROUP_FIRST` where the grade hangs on the group's, which is not approved yet (A18)."""
    case: Annual = step.case
    facts: AnnualFacts = step.facts
    if facts.group_pending:
        raise Refusal(
            "GROUP_FIRST",
            zh="班子等次尚未审定，请先审定班子。",
            en="The grade of the group is not approved yet; it comes first.",
            unit=case.head_of,
        )


def approve(step: Step) -> None:
    """Decide the grade: the proposed one, or a lower one with a reason; limits and quota are asked once more.

    Raises 409 `CAP_VIOLATION`, 422 `GRADE_ABOVE_BAND`, `QUOTA_EXCEEDED`, `QUOTA_NOT_LOCKED`, `PUBLICITY_MISSING`,
    `REASON_MISSING`.
    """
    case: Annual = step.case
    facts: AnnualFacts = step.facts
    reckon(step)
    best = case.proposed_grade
    if step.form.get("grade") == case.engine_grade == EXCELLENT != best and QUOTA_FULL in case.notes:
        # The points give it, and the quota alone held the proposal down.
        refuse_exceeding(facts.quota)
        raise _publicity_missing()
    if best is not None and case.engine_grade is not None:
        # A deduction that has just come may not have reached the proposal yet.
        best = min((best, case.engine_grade), key=lambda grade: grading.rank(case.subject_kind, grade))
    decide(step, step.form.get("grade") or case.proposed_grade, best)
    case.approved_on, case.cause = step.at.date(), None
    case.revision = 1


def decide(step: Step, asked: str | None, best: str | None) -> None:
    """Set grade and status; raises as `approve` does."""
    case: Annual = step.case
    facts: AnnualFacts = step.facts
    if case.proposed_status == GradeStatus.NO_GRADE or (asked is None and case.engine_grade is None):
        if step.form.get("grade"):
            grading.refuse_above_limits(case.subject_kind, step.form["grade"], facts.limits)
        case.grade, case.grade_status = None, GradeStatus.NO_GRADE
        return
    grade = asked or case.engine_grade
    if grade is None:
        raise Refusal("UNKNOWN_GRADE", zh="没有等次可定。", en="There is no grade to decide.")
    _check_grade(step, grade, best or case.engine_grade)
    if grade == EXCELLENT and case.grade != EXCELLENT:
        if case.state == "PROPOSED":
            raise _publicity_missing()
        case.quota_id = refuse_exceeding(facts.quota).quota
    case.grade, case.grade_status = grade, GradeStatus.GRADED


def _publicity_missing() -> Refusal:
    return Refusal("PUBLICITY_MISSING", zh="优秀须先公示。", en="An excellent grade is publicised first.")


# ---- service, clock, end


def serve(step: Step) -> None:
    """Note the day of service; the appeals clock starts, unless it runs already and the grade is the same."""
    case: Annual = step.case
    case.served_on = step.form["served_on"]
    if case.clock_from is None:
        case.clock_from = case.served_on
    case.appeal_until = step.rule("annual.appeal_window").last_day(case.clock_from).day


def served_by_now(step: Step) -> None:
    """Raise 422 `DATE_IN_FUTURE` or `DATE_RANGE` where the day of service cannot be right."""
    day = step.form.get("served_on")
    if day is None:
        return
    if day > step.at.date():
        raise Refusal("DATE_IN_FUTURE", zh="送达日期不得晚于今天。", en="The day of service lies ahead.")
    facts: AnnualFacts = step.facts
    if facts.decided_on is not None and day < facts.decided_on:
        raise Refusal(
            "DATE_RANGE",
            zh=f"送达不得早于审定或更正之日 {facts.decided_on}。",
            en=f"Nothing is served before it was decided, on {facts.decided_on}.",
            earliest=facts.decided_on.isoformat(),
        )


def clock_start(step: Step) -> datetime | None:
    """Return from when the time to appeal runs."""
    case: Annual = step.case
    return None if case.clock_from is None else datetime.combine(case.clock_from, time.min, ZONE)


def hold_end(step: Step) -> None:
    """Note when the case was closed; the time to make the grade up runs from then."""
    case: Annual = step.case
    case.hold_closed_on, case.cause = step.at.date(), step.form.get("cause")


def makeup_begins(step: Step) -> datetime | None:
    """Return from when the time to make the grade up runs: the case is closed, and the year is over."""
    case: Annual = step.case
    if case.hold_closed_on is None:
        return None
    day = max(case.hold_closed_on, _day(case.year, step.rule("annual.cutoff")))
    return datetime.combine(day, time.min, ZONE)


def suspend(step: Step) -> None:
    """Put the grade off: what was proposed is void."""
    case: Annual = step.case
    case.grade_status, case.hold_closed_on = GradeStatus.PENDING_MAKEUP, None
    case.proposed_grade = case.proposed_status = case.publicity_until = None
    case.cause = step.form.get("cause")


# ---- correction


def correction(case: Annual, engine_grade: str | None, status: str) -> tuple[str | None, str] | None:
    """Return grade and status that a decided assessment has when the rules now give `engine_grade`.

    None where it would become heavier: that is for people to decide. What was decided lower than the rules gave stays
    as it is; nothing becomes excellent by itself, since that wants publicity and quota.
    """
    kind = case.subject_kind
    if (engine_grade, status) == (case.engine_grade, case.proposed_status):
        return case.grade, str(case.grade_status)
    new, old = grading.burden(kind, engine_grade), grading.burden(kind, case.grade)
    if new > old or status == GradeStatus.PENDING_MAKEUP:
        return None
    if new == old:
        return case.grade, str(case.grade_status)
    if grading.burden(kind, engine_grade) >= grading.burden(kind, case.engine_grade):
        return case.grade, str(case.grade_status)
    if engine_grade == EXCELLENT:
        engine_grade = grading.GRADES[kind][1]
    return engine_grade, status


def correct(step: Step) -> None:
    """Write a new revision that follows from an event; the clock of appeals starts anew only if the grade changes.

    `quota` in the form is the quota that an excellent grade is taken from.
    """
    case: Annual = step.case
    before = (case.grade, case.grade_status)
    decided = (step.form["grade"], step.form["grade_status"])
    reckon(step)
    case.notes = [EXCELLENT_NEEDS_DECISION] if case.engine_grade == EXCELLENT and decided[0] != EXCELLENT else []
    case.grade, case.grade_status = decided
    case.quota_id = step.form.get("quota", case.quota_id)
    _new_revision(step, before)


def await_decision(step: Step) -> None:
    """Note that the committee is to decide (amend), never the software.

    So it is where an event would make the grade heavier, or where a person's step, no event, would change it.
    """
    case: Annual = step.case
    case.pending_cause = step.form["cause"]
    case.notes = [HEAVIER_NEEDS_DECISION if step.form["heavier"] else CHANGE_NEEDS_DECISION]


def drop_decision(step: Step) -> None:
    """Note that nothing is left to be decided: what asked for it fell away."""
    case: Annual = step.case
    case.pending_cause, case.notes = None, []


def amend(step: Step) -> None:
    """Let the committee decide anew, because of an event.

    Raises 422 `CAUSE_UNKNOWN`, and as `approve` does.
    """
    case: Annual = step.case
    facts: AnnualFacts = step.facts
    if not facts.cause_known:
        raise Refusal(
            "CAUSE_UNKNOWN",
            zh="更正须以已收到或已发出的事件为据。",
            en="A correction is caused by an event that came in or went out; there is none of that id.",
        )
    before = (case.grade, case.grade_status)
    reckon(step)
    case.notes = []
    decide(step, step.form.get("grade") or case.engine_grade, case.engine_grade)
    _new_revision(step, before)


def _new_revision(step: Step, before: tuple[str | None, str | None]) -> None:
    case: Annual = step.case
    case.cause, case.pending_cause = str(step.form["cause"]), None
    case.revision += 1
    if (case.grade, case.grade_status) != before:
        case.clock_from = case.appeal_until = None


_ASSESSORS: Final[Mapping[str, Reach]] = {"ORG.assess": Reach.OFFICE}
_DECIDERS: Final[Mapping[str, Reach]] = {"COMM": Reach.OFFICE}
_EVENT: Final = "assessment.annual.{}.v1"
APPEAL_WINDOW: Final = "annual.appeal"
FEEDBACK: Final = "annual.feedback"
MAKEUP: Final = "annual.makeup"
_FEEDBACK: Final = Arm(kind=FEEDBACK, rule="annual.feedback", warn="annual.warning")
_APPEALS: Final = Arm(kind=APPEAL_WINDOW, rule="annual.appeal_window", then="finalize", start=clock_start)


def _event(name: str) -> dict[str, Any]:
    return {"event": _EVENT.format(name), "mandatory": name in CONSUMED}


CONSUMED: Final = frozenset({"approved", "corrected", "finalized", "made-up", "notified", "suspended"})
"""The steps whose event some queue is bound to."""

ANNUAL: Final = CaseType(
    service="assessment",
    kind="annual",
    collection="annuals",
    zh="年度考核",
    en="annual assessment",
    machine=AnnualMachine,
    dataclass="L3",
    states={
        "OPEN": ("已建立", "open"),
        "SELF_REPORTED": ("已述职", "self-reported"),
        "EVALUATED": ("已测评", "evaluated"),
        "VERIFIED": ("已核实", "verified"),
        "PROPOSED": ("已拟定", "proposed"),
        "PUBLICIZED": ("公示中", "publicized"),
        "PENDING_MAKEUP": ("待补定", "grade put off"),
        "APPROVED": ("已审定", "approved"),
        "NOTIFIED": ("已告知", "notified"),
        "REVIEW_REQUESTED": ("复核中", "under review"),
        "FINAL": ("已生效", "final"),
        "CORRECTED": ("已更正", "corrected"),
    },
    create=Action(zh="建立年度考核", en="open an assessment", allow=_ASSESSORS, effect=open_year, **_event("opened")),
    actions={
        "self_report": Action(
            zh="述职",
            en="report on the year",
            allow={"CADRE": Reach.SELF, "UNITHR": Reach.UNIT, "ORG.assess": Reach.OFFICE},
            guards=(plain, within_window),
            effect=report,
            **_event("self-reported"),
        ),
        "evaluate": Action(
            zh="测评", en="evaluate", allow=_ASSESSORS, guards=(plain,), effect=evaluate, **_event("evaluated")
        ),
        "re_evaluate": Action(
            zh="重新测评",
            en="evaluate anew",
            allow=_ASSESSORS,
            guards=(plain,),
            effect=evaluate_anew,
            reason=True,
            **_event("evaluated"),
        ),
        "verify": Action(
            zh="核实",
            en="verify",
            allow=_ASSESSORS,
            guards=(plain, after_cutoff),
            effect=verify,
            **_event("verified"),
        ),
        "propose": Action(
            zh="拟定等次",
            en="propose a grade",
            allow=_ASSESSORS,
            guards=(plain, no_open_case),
            effect=propose,
            **_event("proposed"),
        ),
        "recompute": Action(zh="重新计算", en="reckon anew", effect=recompute, **_event("proposed")),
        "publicize": Action(
            zh="公示",
            en="publicize",
            allow=_ASSESSORS,
            guards=(plain, publicity_wanted),
            effect=publicize,
            **_event("publicized"),
        ),
        "object": Action(
            zh="受理异议",
            en="take an objection",
            allow=_ASSESSORS,
            guards=(plain,),
            effect=end_publicity,
            reason=True,
            **_event("verified"),
        ),
        "withdraw_proposal": Action(
            zh="撤回公示", en="take the proposal back", effect=end_publicity, **_event("verified")
        ),
        "approve": Action(
            zh="审定",
            en="approve",
            allow=_DECIDERS,
            guards=(plain, no_open_case, publicity_over, groups_first),
            effect=approve,
            arms=(_FEEDBACK,),
            not_after=("evaluate", "re_evaluate", "verify", "propose", "make_up"),
            **_event("approved"),
        ),
        "suspend": Action(
            zh="暂缓定等", en="put the grade off", effect=suspend, closes=(MAKEUP,), **_event("suspended")
        ),
        "hold_closed": Action(
            zh="事项已结",
            en="note that the matter is closed",
            effect=hold_end,
            arms=(Arm(kind=MAKEUP, rule="annual.makeup", warn="annual.warning", start=makeup_begins),),
        ),
        "make_up": Action(
            zh="补定等次",
            en="make the grade up",
            allow=_ASSESSORS,
            guards=(plain, no_open_case, after_cutoff),
            effect=make_up,
            closes=(MAKEUP,),
            **_event("made-up"),
        ),
        "hand_over": Action(
            zh="书面反馈",
            en="hand the result over on paper",
            allow=_ASSESSORS,
            guards=(plain, served_by_now),
            effect=serve,
            arms=(_APPEALS,),
            closes=(FEEDBACK,),
            reason=True,
            **_event("notified"),
        ),
        "serve": Action(
            zh="送达", en="serve", effect=serve, arms=(_APPEALS,), closes=(FEEDBACK,), **_event("notified")
        ),
        "request_review": Action(zh="申请复核", en="request a review", closes=(APPEAL_WINDOW,)),
        "end_review": Action(zh="复核结束", en="end the review", **_event("finalized")),
        "finalize": Action(zh="生效", en="become final", closes=(APPEAL_WINDOW,), **_event("finalized")),
        "await_decision": Action(zh="提请重新审定", en="ask for a decision", effect=await_decision),
        "drop_decision": Action(zh="无需重新审定", en="note that no decision is needed", effect=drop_decision),
        "correct": Action(
            zh="更正",
            en="correct",
            effect=correct,
            closes=(APPEAL_WINDOW, FEEDBACK),
            arms=(_FEEDBACK,),
            **_event("corrected"),
        ),
        "amend": Action(
            zh="重新审定",
            en="decide anew",
            allow=_DECIDERS,
            guards=(plain, no_open_case),
            effect=amend,
            closes=(APPEAL_WINDOW, FEEDBACK),
            arms=(_FEEDBACK,),
            reason=True,
            **_event("corrected"),
        ),
    },
)
