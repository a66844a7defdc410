"""What may come after a decision: a review decided by others (M8), and revocation with notice (I6, fraud)."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from citybus.cases.declare import Step
from citybus.errors import Refusal
from incentive.domain.application import Applicant, Tolerance
from incentive.domain.decision import OVERRULES
from incentive.domain.verification import Decision

HEAVIER: Final[Mapping[str, int]] = MappingProxyType({"EXEMPT": 0, "MITIGATE": 1, "DENY": 2})
"""How much each decision leaves of what the finding weighs."""


class Ground(StrEnum):
    """Why a tolerance is revoked: it was obtained by fraud, or what it asked for was not corrected in time."""

    FRAUD = "FRAUD"
    CORRECTION_OVERDUE = "CORRECTION_OVERDUE"


def may_ask_review(step: Step) -> None:
    """Raise 422 `REVIEW_ASKED_ALREADY`, or `OUT_OF_TIME` where the time to ask is over (M8: 10 working days)."""
    case: Tolerance = step.case
    if case.review_asked_on is not None:
        raise Refusal("REVIEW_ASKED_ALREADY", zh="已申请复核。", en="A review was asked for already.")
    if case.review_until is not None and step.at.date() > case.review_until:
        raise Refusal(
            "OUT_OF_TIME",
            zh=f"复核申请期已于 {case.review_until} 届满。",
            en=f"The time to ask for a review ended on {case.review_until}.",
            until=case.review_until.isoformat(),
        )


def ask_review(step: Step) -> None:
    """Note that a review is asked for, and why (L4)."""
    case: Tolerance = step.case
    case.review_asked_on, case.review_grounds = step.at.date(), step.form["grounds"]


def review_asked(step: Step) -> None:
    """Raise 422 `REVIEW_NOT_ASKED` where nobody asked for a review."""
    case: Tolerance = step.case
    if case.review_asked_on is None:
        raise Refusal("REVIEW_NOT_ASKED", zh="未申请复核。", en="Nobody asked for a review.")


def review_is_right(step: Step) -> None:
    """Look at what a review decides, once there is a form.

    Raises 422 `NO_REFORMATIO_IN_PEIUS` where it is heavier than what was decided, and `EXCLUDED_<code>` where it grants
    tolerance in spite of an exclusion and is not the committee's.
    """
    if not step.form:
        return
    case: Tolerance = step.case
    decision = step.form["decision"]
    if case.decision is not None and HEAVIER[decision] > HEAVIER[case.decision]:
        raise Refusal(
            "NO_REFORMATIO_IN_PEIUS",
            zh="复核不得作出更重的决定。",
            en="A review never makes it heavier.",
            decided=case.decision,
            proposed=decision,
        )
    if case.exclusions and decision != case.decision and not step.actor.has(OVERRULES):
        named = step.rule("tolerance.exclusions").get(case.exclusions[0], {"zh": case.exclusions[0], "en": ""})
        raise Refusal(
            f"EXCLUDED_{case.exclusions[0]}",
            zh=f"存在排除情形“{named['zh']}”，须由市委常委会(部务会)说明理由方可例外。",
            en="There is an exclusion; the committee alone may overrule it, with its reason.",
            exclusions=case.exclusions,
        )


def review(step: Step) -> None:
    """Note what the review decided: it takes the place of the decision, which history keeps."""
    case: Tolerance = step.case
    decision = Decision(step.form["decision"])
    case.first_decision, case.decision = case.decision, decision.value
    case.factor = Decimal(step.rule(f"tolerance.factor.{decision.lower()}"))
    case.reviewed_on = step.at.date()


def not_under_review(step: Step) -> None:
    """Raise 422 `REVIEW_OPEN` where a review that was asked for is not decided yet."""
    case: Tolerance = step.case
    if case.review_asked_on is not None and case.reviewed_on is None:
        raise Refusal("REVIEW_OPEN", zh="复核尚未完成。", en="A review is not decided yet.")


def was_granted(step: Step) -> None:
    """Raise 422 `NOTHING_GRANTED` where the decision was to deny: there is nothing to revoke."""
    case: Tolerance = step.case
    if case.decision == Decision.DENY:
        raise Refusal("NOTHING_GRANTED", zh="未予容错，无可撤销。", en="Nothing was granted that could be revoked.")


def correction_late(step: Step) -> None:
    """Raise 422 `CORRECTION_NOT_OVERDUE` where that is to be the ground and the plan is not overdue."""
    case: Tolerance = step.case
    if step.form.get("ground") == Ground.CORRECTION_OVERDUE and not step.facts.correction_overdue:
        raise Refusal(
            "CORRECTION_NOT_OVERDUE", zh="纠错计划未逾期。", en="The correction plan is not overdue.", state=case.state
        )


def give_notice(step: Step) -> None:
    """Note on which ground the tolerance is to be revoked, and who is to be served the notice of it.

    The cadre who asked; where a unit or an organ did, the unit and each cadre whom it helps. The time to answer does not run yet.
    """
    case: Tolerance = step.case
    case.revocation_ground = step.form["ground"]
    case.noticed_on, case.answer, case.answer_until = step.at.date(), None, None
    concerned = [("CADRE", person) for person in case.persons]
    if case.applicant_kind != Applicant.CADRE:
        concerned.insert(0, ("UNIT", case.unit))
    case.notices = [{"kind": kind, "id": name, "served_on": None, "answered_on": None} for kind, name in concerned]


def serve_notice(step: Step) -> None:
    """Note on whom the notice was served; the time to answer runs from the last service (N4)."""
    case: Tolerance = step.case
    kind, name, day = step.form["kind"], step.form["id"], step.form["served_on"]
    case.notices = [
        {**notice, "served_on": notice["served_on"] or day.isoformat()}
        if (notice["kind"], notice["id"]) == (kind, name)
        else notice
        for notice in case.notices
    ]
    served = [notice["served_on"] for notice in case.notices]
    if all(served):
        last = max(date.fromisoformat(each) for each in served)
        case.answer_until = step.rule("tolerance.answer_period").last_day(last).day


def noticed(step: Step) -> None:
    """Raise 422 `NOTICE_MISSING` where nobody was told that the tolerance is to be revoked."""
    case: Tolerance = step.case
    if case.noticed_on is None:
        raise Refusal("NOTICE_MISSING", zh="尚未告知拟撤销容错决定。", en="Notice of the revocation comes first.")


def answer(step: Step) -> None:
    """Note what is answered (L4). Raises 422 `OUT_OF_TIME`."""
    case: Tolerance = step.case
    if case.answer_until is not None and step.at.date() > case.answer_until:
        raise Refusal(
            "OUT_OF_TIME",
            zh=f"申辩期已于 {case.answer_until} 届满。",
            en=f"The time to answer ended on {case.answer_until}.",
            until=case.answer_until.isoformat(),
        )
    # Several may answer: nobody's words take the place of another's.
    case.answer = "\n\n".join(each for each in (case.answer, step.form["answer"]) if each)
    own = {("CADRE", step.actor.person)} if step.actor.has("CADRE") else set[tuple[str, str | None]]()
    if step.actor.has("UNITHEAD"):
        own.add(("UNIT", step.actor.unit))
    case.notices = [
        {**notice, "answered_on": notice["answered_on"] or step.at.date().isoformat()}
        if (notice["kind"], notice["id"]) in own
        else notice
        for notice in case.notices
    ]


def answered(step: Step) -> None:
    """Raise 422 `ANSWER_WINDOW_OPEN` while there is time to answer and not everybody who was told has answered.

    A ground that fell away since (the correction was done at last) raises `CORRECTION_NOT_OVERDUE`.
    """
    case: Tolerance = step.case
    if case.revocation_ground == Ground.CORRECTION_OVERDUE and not step.facts.correction_overdue:
        raise Refusal(
            "CORRECTION_NOT_OVERDUE", zh="纠错计划未逾期。", en="The correction plan is not overdue.", state=case.state
        )
    answers = [notice["answered_on"] for notice in case.notices] or [case.answer]
    if all(answers):
        return
    if case.answer_until is None:
        waiting = [notice["id"] for notice in case.notices if not notice["served_on"]]
        raise Refusal(
            "ANSWER_WINDOW_OPEN",
            zh="拟撤销告知书尚未送达，申辩期自全部送达之次日起算。",
            en="The notice is not served yet; the time to answer runs from the day after everybody has been served.",
            until=None,
            not_served=waiting,
        )
    if step.at.date() <= case.answer_until:
        raise Refusal(
            "ANSWER_WINDOW_OPEN",
            zh=f"申辩期至 {case.answer_until}，期满或收到申辩后方可撤销。",
            en=f"There is time to answer until {case.answer_until}; the revocation comes after that, or after an answer.",
            until=case.answer_until.isoformat(),
        )


def revoke(step: Step) -> None:
    """Note the day from which the finding weighs in full again."""
    case: Tolerance = step.case
    case.revoked_on = step.at.date()
