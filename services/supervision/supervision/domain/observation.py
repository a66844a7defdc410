"""Observation of a recalled cadre (S14): some months of monthly reports, a review between, an evaluation at the end."""

from datetime import date, datetime, time, timedelta
from typing import Any, Final

from citybus.calendar import add_months
from citybus.cases.declare import Arm, Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked
from supervision.domain.points import points
from supervision.domain.recall_record import Recall

MOST_REPORTS: Final = 12
"""How many monthly reports one observation can have deadlines for; the rules allow fewer months."""
REPORT_KINDS: Final = tuple(f"recall.report_{number}" for number in range(1, MOST_REPORTS + 1))


def observe(step: Step) -> None:
    """Begin the observation today: as long as the form says, else as long as the rules suggest.

    Raises 422 `OBSERVE_RANGE`.
    """
    case: Recall = step.case
    months = step.form.get("months") or step.rule("recall.observation_default")
    _refuse_length(step, months)
    case.observe_from = step.at.date()
    _set_length(step, months)


def extend(step: Step) -> None:
    """Prolong the observation to the months that the form gives in all. Raises 422 `OBSERVE_RANGE`, `EXTEND_LIMIT`."""
    case: Recall = step.case
    limit = step.rule("recall.observation_extensions")
    if case.extensions >= limit:
        raise Refusal(
            "EXTEND_LIMIT",
            zh=f"考察期最多延长 {limit} 次。",
            en=f"The observation is prolonged {limit} time(s) at most.",
            limit=limit,
        )
    months = step.form["months"]
    _refuse_length(step, months, least=(case.observe_months or 0) + 1)
    case.extensions += 1
    _set_length(step, months)


def _refuse_length(step: Step, months: int, least: int | None = None) -> None:
    least = max(least or 0, step.rule("recall.observation_least"))
    most = min(step.rule("recall.observation_most"), MOST_REPORTS)
    if not least <= months <= most:
        raise Refusal(
            "OBSERVE_RANGE",
            zh=f"跟踪考察期应为 {least} 至 {most} 个月。" if least <= most else f"考察期不得超过 {most} 个月。",
            en=f"The observation lasts {least} to {most} months." if least <= most else f"{most} months are the most.",
            months=months,
            least=least,
            most=most,
        )


def _set_length(step: Step, months: int) -> None:
    case: Recall = step.case
    begun = case.observe_from or step.at.date()
    case.observe_months, case.observe_until = months, add_months(begun, months)
    known = {entry["month"]: entry for entry in case.reports}
    case.reports = [known.get(entry["month"], entry) for entry in _wanted(step, begun, case.observe_until)]


def _wanted(step: Step, begun: date, until: date) -> list[dict[str, Any]]:
    """Return a report for each month that falls due between the first and the last day of the observation."""
    found: list[dict[str, Any]] = []
    month = begun.replace(day=1)
    while True:
        due = step.rule("recall.report_grace").last_day(_end_of(month)).day
        if due > until:
            return found
        found.append({"month": f"{month:%Y-%m}", "due": due.isoformat(), "submitted_on": None, "missed": False})
        month = add_months(month, 1)


def _end_of(month: date) -> date:
    return add_months(month, 1) - timedelta(days=1)


def _report_start(number: int) -> Any:
    def start(step: Step) -> datetime | None:
        """Return the last day of the month of report `number`; None where there is none, or it needs no deadline."""
        case: Recall = step.case
        if number > len(case.reports):
            return None
        entry = case.reports[number - 1]
        if entry["submitted_on"] or entry["missed"]:
            return None
        return datetime.combine(_end_of(date.fromisoformat(f"{entry['month']}-01")), time.min, ZONE)

    return start


def report_arms() -> tuple[Arm, ...]:
    """Return the deadlines of all monthly reports: whoever misses one is told of by the step `miss_month`."""
    return tuple(
        Arm(
            kind=kind,
            rule="recall.report_grace",
            then="miss_month",
            warn="deadline.warning",
            start=_report_start(number),
        )
        for number, kind in enumerate(REPORT_KINDS, 1)
    )


def end_of_observation(step: Step) -> datetime:
    """Return from when the time for the evaluation runs."""
    case: Recall = step.case
    return datetime.combine(case.observe_until or step.at.date(), time.min, ZONE)


def report_month(step: Step) -> None:
    """Take the unit's report of a month, also of one that was missed.

    Raises 422 `MONTH_NOT_WANTED`, `MONTH_NOT_BEGUN`, 409 `DUPLICATE`, 451 `SECRECY_LEVEL`.
    """
    case: Recall = step.case
    refuse_marked([step.form["text"]], step.rules)
    month = step.form["month"]
    entry = next((entry for entry in case.reports if entry["month"] == month), None)
    if entry is None:
        raise Refusal(
            "MONTH_NOT_WANTED",
            zh="考察期内不需要该月报告。",
            en="The observation wants no report of that month.",
            month=month,
            months=[entry["month"] for entry in case.reports],
        )
    if entry["submitted_on"]:
        raise Refusal("DUPLICATE", zh="该月报告已提交。", en="That month is reported already.", status=409, month=month)
    if month > f"{step.at.date():%Y-%m}":
        raise Refusal("MONTH_NOT_BEGUN", zh="该月尚未开始。", en="That month has not begun.", month=month)
    today = step.at.date().isoformat()
    case.reports = [{**entry, "submitted_on": today} if entry["month"] == month else entry for entry in case.reports]


def number_of(case: Recall, month: str) -> int:
    """Return the place of a month among those that are to be reported, counted from 1."""
    return [entry["month"] for entry in case.reports].index(month) + 1


def miss_month(step: Step) -> None:
    """Note each report that is past its day and was not given."""
    case: Recall = step.case
    today = step.at.date().isoformat()
    case.reports = [
        {**entry, "missed": entry["missed"] or (entry["due"] < today and not entry["submitted_on"])}
        for entry in case.reports
    ]


def missed(case: Recall) -> int:
    """Return how many reports were missed, given late since or not."""
    return sum(1 for entry in case.reports if entry["missed"])


def wants_warning(step: Step) -> bool:
    """Say whether the unit's head is to be warned of missed reports, once."""
    case: Recall = step.case
    return case.unit_warned_on is None and bool(missed(case) >= step.rule("recall.report_warning_after"))


def warn_unit(step: Step) -> None:
    """Note the day on which the unit's head is warned."""
    case: Recall = step.case
    case.unit_warned_on = step.at.date()


def review(step: Step) -> None:
    """Take the review in the middle. Raises 422 `SCORE_RANGE`, 451 `SECRECY_LEVEL`."""
    case: Recall = step.case
    case.mid_score, case.mid_review_on = _score(step), step.at.date()


def unit_opinion(step: Step) -> None:
    """Take the unit's own evaluation. Raises 422 `SCORE_RANGE`, 451 `SECRECY_LEVEL`."""
    case: Recall = step.case
    case.unit_score = _score(step)


def observation_over(step: Step) -> None:
    """Raise 422 `OBSERVATION_OPEN` until the observation's last day is reached."""
    case: Recall = step.case
    if case.observe_until is not None and step.at.date() < case.observe_until:
        raise Refusal(
            "OBSERVATION_OPEN",
            zh=f"跟踪考察期至 {case.observe_until}。",
            en=f"The observation lasts until {case.observe_until}.",
            until=case.observe_until.isoformat(),
        )


def papers_present(step: Step) -> None:
    """Raise 422 `REPORTS_MISSING`, `REVIEW_MISSING` or `OPINION_MISSING` where a paper of the observation is missing."""
    case: Recall = step.case
    wanting = [entry["month"] for entry in case.reports if not entry["submitted_on"]]
    if wanting:
        raise Refusal(
            "REPORTS_MISSING",
            zh=f"缺少月度报告:{'、'.join(wanting)}。",
            en=f"Monthly reports are missing: {', '.join(wanting)}.",
            months=wanting,
        )
    if case.mid_review_on is None:
        raise Refusal("REVIEW_MISSING", zh="缺少中期评估。", en="The review in the middle is missing.")
    if case.unit_score is None:
        raise Refusal("OPINION_MISSING", zh="缺少所在单位意见。", en="The unit has not given its opinion.")


def evaluate(step: Step) -> None:
    """Note the final score and what it proposes. Raises 422 `SCORE_RANGE`, 451 `SECRECY_LEVEL`."""
    case: Recall = step.case
    score = _score(step)
    case.final_score, case.evaluated_on = score, step.at.date()
    case.proposal = "RESTORED" if score >= step.rule("recall.observation_pass_score") else "ADJUSTED"


def _score(step: Step) -> Any:
    refuse_marked([step.form["text"]], step.rules)
    score, most = step.form["score"], step.rule("training.score_most")
    if not 0 <= score <= most:
        raise Refusal(
            "SCORE_RANGE",
            zh=f"分数须在 0 至 {most} 之间。",
            en=f"A score lies between 0 and {most}.",
            score=points(score),
            most=most,
        )
    return score
