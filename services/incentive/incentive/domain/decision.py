"""Deciding a case (I4): the panel, its majority, and what an exclusion or the advice demand of a decision."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final

from citybus.cases.declare import Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from incentive.domain.application import Tolerance
from incentive.domain.verification import Decision, check_people

OVERRULES = "COMM"
"""The role that may grant tolerance in spite of an exclusion, giving its reason."""
GRANTED_STATES: Final = ("EFFECTIVE", "CORRECTING", "CLOSED")
"""States in which a decision holds."""


def panel_is_right(step: Step) -> None:
    """Look at the panel and its decision, once there is a form; both who record it are held to it.

    Raises 422 `PANEL_QUORUM`, `PANEL_MAJORITY`, `EXCLUDED_<code>`, `DEVIATION_UNEXPLAINED`, and as `check_people` does.
    """
    if not step.form:
        return
    decision = Decision(step.form["decision"])
    panel = step.form["panel"]
    _quorum(step, len(panel))
    check_people(step, panel, "decide")
    _majority(step, panel, decision)
    _exclusions(step, decision)
    _deviation(step, decision)


def _quorum(step: Step, members: int) -> None:
    least = step.rule("tolerance.panel_quorum")
    if members < least:
        raise Refusal(
            "PANEL_QUORUM",
            zh=f"审议组不足 {least} 人。",
            en=f"A panel has {least} members or more.",
            members=members,
            least=least,
        )


def _majority(step: Step, panel: Sequence[Mapping[str, str]], decision: Decision) -> None:
    share = step.rule("tolerance.panel_majority")
    votes = sum(1 for member in panel if member["vote"] == decision)
    if votes * share["of"] < len(panel) * share["parts"]:
        raise Refusal(
            "PANEL_MAJORITY",
            zh=f"赞成票不足 {share['of']} 分之 {share['parts']}。",
            en=f"A decision wants {share['parts']} of {share['of']} of the panel.",
            votes=votes,
            members=len(panel),
            **share,
        )


def _exclusions(step: Step, decision: Decision) -> None:
    case: Tolerance = step.case
    if not case.exclusions or decision is Decision.DENY or step.actor.has(OVERRULES):
        return
    catalogue = step.rule("tolerance.exclusions")
    code = case.exclusions[0]
    named = catalogue.get(code, {"zh": code, "en": code})
    raise Refusal(
        f"EXCLUDED_{code}",
        zh=f"存在排除情形“{named['zh']}”，只能决定不予容错；须由市委常委会(部务会)说明理由方可例外。",
        en=f"The exclusion “{named['en']}” allows only to deny; the committee alone may overrule it, with its reason.",
        exclusions=case.exclusions,
    )


def _deviation(step: Step, decision: Decision) -> None:
    case: Tolerance = step.case
    if decision != case.advice and not step.form.get("deviation"):
        raise Refusal(
            "DEVIATION_UNEXPLAINED",
            zh="决定与建议不同，请说明理由(deviation)。",
            en="The decision differs from the advice; say why (`deviation`).",
            advice=case.advice,
            decision=decision.value,
        )


def decide(step: Step) -> None:
    """Note the panel, its decision and the factor that follows from it: 0 exempts, 1 changes nothing."""
    case: Tolerance = step.case
    decision = Decision(step.form["decision"])
    case.panel = [dict(member) for member in step.form["panel"]]
    case.decision = decision.value
    case.factor = Decimal(step.rule(f"tolerance.factor.{decision.lower()}"))
    case.deviation = step.form.get("deviation")
    case.decided_on = step.at.date()


def serve(step: Step) -> None:
    """Note the service of the decision; a review may be asked for until the window that it opens is over."""
    case: Tolerance = step.case
    case.served_on = step.form["served_on"]
    case.review_until = step.rule("tolerance.review_window").last_day(case.served_on).day


def take_effect(step: Step) -> None:
    """Note the day from which the decision holds."""
    case: Tolerance = step.case
    case.effective_on = step.at.date()


def service(step: Step) -> datetime | None:
    """Return from when the review window runs."""
    case: Tolerance = step.case
    return _start_of(case.served_on)


def verification_end(step: Step) -> datetime | None:
    """Return from when an extension runs: the last day of the ordinary time to verify."""
    case: Tolerance = step.case
    return _start_of(case.verify_by)


def _start_of(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time.min, ZONE)


def effect_from(step: Step) -> datetime | None:
    """Return from when others have time to follow a decision; None where it eases nothing."""
    case: Tolerance = step.case
    return step.at if eases(case) else None


def eases(case: Tolerance) -> bool:
    """Say whether the decision changes what the finding weighs."""
    return case.decision in (Decision.EXEMPT, Decision.MITIGATE)
