"""Fault-tolerance cases (M8): asked for, accepted, verified by two, decided by a panel, served, effective, corrected.

Who asked may ask for a review, which others decide and which makes nothing heavier. What was granted is revoked where it
was obtained by fraud, or what it asks for is not corrected in time; notice and time to answer come first.
A decision to deny takes effect as well: it is final then, has the factor 1, and leads to nothing elsewhere.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from statemachine import State, StateMachine

from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from incentive.domain import aftermath, decision, verification
from incentive.domain import application as asking
from incentive.domain.application import OFFICES, Applicant, Tolerance, by_applicant, in_stage
from incentive.domain.effects import BULLETIN
from incentive.domain.texts import plain_texts

OFFICERS: Final[Mapping[str, Reach]] = {"ORG.supervise": Reach.OFFICE, "DISC": Reach.OFFICE}
"""Those who lead a case through (I3, I4)."""
DECIDERS: Final[Mapping[str, Reach]] = {**OFFICERS, decision.OVERRULES: Reach.OFFICE}
VERIFIERS: Final[Mapping[str, Reach]] = {**OFFICES}
APPLICANTS: Final[Mapping[str, Reach]] = {"CADRE": Reach.SELF, "UNITHEAD": Reach.UNIT, **OFFICES}

_EVENT: Final = "incentive.tolerance.{}.v1"
_ACCEPT, _ASSIGN, _VERIFY = "tolerance.accept", "tolerance.assign", "tolerance.verify"
_DECIDE, _SERVE, _REVIEW = "tolerance.decide", "tolerance.serve", "tolerance.review"
_REVIEW_DECIDE: Final = "tolerance.review_decide"
EFFECTS: Final = "tolerance.effects"
BULLETIN_EFFECTS: Final = "tolerance.bulletin_effects"
_WARN: Final = "deadline.warning"
_ASKED: Final = ("create", "revise", "file", "refile")
_LED: Final = (*_ASKED, "accept", "not_accept", "assign", "reassign", "extend")
_DECIDED: Final = (*_LED, "verify", "decide")


class ToleranceMachine(StateMachine):
    """DRAFT → FILED → ACCEPTED → VERIFYING → DELIBERATING → DECIDED → SERVED → EFFECTIVE → CORRECTING → CLOSED.

    WITHDRAWN before the deliberation; REVIEWED where a review was asked for; REVOKED from when it is effective.
    """

    DRAFT = State(initial=True)
    FILED = State()
    ACCEPTED = State()
    NOT_ACCEPTED = State()
    VERIFYING = State()
    DELIBERATING = State()
    DECIDED = State()
    SERVED = State()
    REVIEWED = State()
    EFFECTIVE = State()
    CORRECTING = State()
    CLOSED = State()
    REVOKED = State(final=True)
    WITHDRAWN = State(final=True)

    revise = DRAFT.to(DRAFT)
    discard = DRAFT.to(WITHDRAWN)
    file = DRAFT.to(FILED)
    attach = FILED.to(FILED) | ACCEPTED.to(ACCEPTED) | VERIFYING.to(VERIFYING)
    accept = FILED.to(ACCEPTED)
    not_accept = FILED.to(NOT_ACCEPTED)
    serve_refusal = NOT_ACCEPTED.to(NOT_ACCEPTED)
    refile = NOT_ACCEPTED.to(FILED)
    assign = ACCEPTED.to(VERIFYING)
    reassign = VERIFYING.to(VERIFYING)
    extend = VERIFYING.to(VERIFYING)
    verify = VERIFYING.to(DELIBERATING)
    decide = DELIBERATING.to(DECIDED)
    serve = DECIDED.to(SERVED)
    ask_review = SERVED.to(SERVED)
    review = SERVED.to(REVIEWED)
    take_effect = SERVED.to(EFFECTIVE) | REVIEWED.to(EFFECTIVE)
    correct = EFFECTIVE.to(CORRECTING)
    close = CORRECTING.to(CLOSED)
    give_notice = EFFECTIVE.to(EFFECTIVE) | CORRECTING.to(CORRECTING) | CLOSED.to(CLOSED)
    serve_notice = EFFECTIVE.to(EFFECTIVE) | CORRECTING.to(CORRECTING) | CLOSED.to(CLOSED)
    answer = EFFECTIVE.to(EFFECTIVE) | CORRECTING.to(CORRECTING) | CLOSED.to(CLOSED)
    revoke = EFFECTIVE.to(REVOKED) | CORRECTING.to(REVOKED) | CLOSED.to(REVOKED)
    withdraw = FILED.to(WITHDRAWN) | ACCEPTED.to(WITHDRAWN) | VERIFYING.to(WITHDRAWN)


def scope(case: Tolerance) -> Scope:
    """Return whom a case concerns: the finding's unit, and the cadres whom it is to help.

    What an organ prepares of its own accord they learn of when it is filed.
    """
    prepared = case.state == "DRAFT" and case.applicant_kind == Applicant.ORGAN
    return Scope(units=frozenset({case.unit}), persons=frozenset(case.persons), disclosed=not prepared)


def by_applicant_or_officer(step: Step) -> None:
    """Raise 403 `NOT_APPLICANT` where neither the applicant nor an officer without part in the case takes the step."""
    case: Tolerance = step.case
    actor = step.actor
    apart = actor.unit != case.unit and actor.person not in case.persons
    if not (apart and any(actor.has(role) for role in OFFICES)):
        by_applicant(step)


def by_concerned(step: Step) -> None:
    """Raise 403 `NOT_APPLICANT` where somebody answers for whom the case was not to help, and who did not ask."""
    case: Tolerance = step.case
    if step.actor.person not in case.persons:
        by_applicant(step)


def watched_by(step: str) -> str:
    """Return the deadline by which a step of what must follow is wanted: the press has longer to bring a correction (I5)."""
    return BULLETIN_EFFECTS if step.partition(":")[0] == BULLETIN else EFFECTS


def _arm(kind: str, rule: str, **more: Any) -> Arm:
    return Arm(kind=kind, rule=rule, warn=_WARN, **more)


def _guarded(guards: tuple[Callable[[Step], None], ...] = ()) -> tuple[Callable[[Step], None], ...]:
    return (plain_texts, *guards)


TOLERANCE: Final = CaseType(
    service="incentive",
    kind="tolerance",
    collection="tolerance-cases",
    zh="容错案件",
    en="tolerance case",
    machine=ToleranceMachine,
    dataclass="L3",
    states={
        "DRAFT": ("草稿", "draft"),
        "FILED": ("已申请", "filed"),
        "ACCEPTED": ("已受理", "accepted"),
        "NOT_ACCEPTED": ("不予受理", "not accepted"),
        "VERIFYING": ("核实中", "being verified"),
        "DELIBERATING": ("审议中", "being deliberated"),
        "DECIDED": ("已决定", "decided"),
        "SERVED": ("已送达", "served"),
        "REVIEWED": ("已复核", "reviewed"),
        "EFFECTIVE": ("已生效", "effective"),
        "CORRECTING": ("纠错中", "being corrected"),
        "CLOSED": ("已办结", "closed"),
        "REVOKED": ("已撤销", "revoked"),
        "WITHDRAWN": ("已撤回", "withdrawn"),
    },
    create=Action(zh="起草容错申请", en="draft an application", allow=APPLICANTS, guards=_guarded(), effect=asking.ask),
    actions={
        "revise": Action(
            zh="修改", en="revise the draft", allow=APPLICANTS, guards=_guarded((by_applicant,)), effect=asking.revise
        ),
        "discard": Action(zh="放弃草稿", en="discard the draft", allow=APPLICANTS, guards=_guarded((by_applicant,))),
        "file": Action(
            zh="提出申请",
            en="file",
            allow=APPLICANTS,
            guards=_guarded((by_applicant, in_stage)),
            effect=asking.file,
            event=_EVENT.format("filed"),
            arms=(_arm(_ACCEPT, "tolerance.accept_period"),),
        ),
        "attach": Action(
            zh="补充证据",
            en="attach evidence",
            allow=APPLICANTS,
            guards=_guarded((by_applicant_or_officer,)),
            effect=asking.add_evidence,
        ),
        "accept": Action(
            zh="受理",
            en="accept",
            allow=OFFICERS,
            guards=_guarded((verification.known_exclusions,)),
            effect=verification.accept,
            event=_EVENT.format("accepted"),
            arms=(_arm(_ASSIGN, "tolerance.assign_period"),),
            closes=(_ACCEPT,),
            not_after=_ASKED,
        ),
        "not_accept": Action(
            zh="不予受理",
            en="do not accept",
            allow=OFFICERS,
            guards=_guarded(),
            effect=asking.decline,
            event=_EVENT.format("not-accepted"),
            closes=(_ACCEPT,),
            not_after=_ASKED,
            reason=True,
        ),
        "serve_refusal": Action(zh="不予受理通知书送达", en="serve the refusal", effect=asking.serve_refusal),
        "refile": Action(
            zh="补充新事实后重新申请",
            en="file again with new facts",
            allow=APPLICANTS,
            guards=_guarded((by_applicant, asking.may_ask_again)),
            effect=asking.file_again,
            event=_EVENT.format("filed"),
            arms=(_arm(_ACCEPT, "tolerance.accept_period"),),
        ),
        "assign": Action(
            zh="指定核实人员",
            en="assign two verifiers",
            allow=OFFICERS,
            guards=_guarded(),
            effect=verification.assign,
            event=_EVENT.format("verifying"),
            arms=(_arm(_VERIFY, "tolerance.verify_period"),),
            closes=(_ASSIGN,),
            not_after=_ASKED,
        ),
        "reassign": Action(
            zh="更换核实人员",
            en="replace the verifiers",
            allow=OFFICERS,
            guards=_guarded(),
            effect=verification.name_verifiers,
            not_after=_ASKED,
            reason=True,
        ),
        "extend": Action(
            zh="延长核实期限",
            en="extend the time to verify",
            allow=OFFICERS,
            guards=_guarded((verification.may_extend,)),
            effect=verification.extend,
            arms=(_arm(_VERIFY, "tolerance.verify_extension", start=decision.verification_end),),
            not_after=_ASKED,
            reason=True,
        ),
        "verify": Action(
            zh="核实",
            en="verify",
            allow=VERIFIERS,
            guards=_guarded((verification.by_assigned, verification.apart_from_case, verification.known_exclusions)),
            effect=verification.verify,
            event=_EVENT.format("deliberating"),
            arms=(_arm(_DECIDE, "tolerance.decide_period"),),
            closes=(_VERIFY,),
            not_after=_LED,
            eyes=2,
            same_code="SAME_VERIFIER",
            reason=True,
        ),
        "decide": Action(
            zh="决定",
            en="decide",
            allow=DECIDERS,
            guards=_guarded((verification.apart_from_case, decision.panel_is_right)),
            effect=decision.decide,
            event=_EVENT.format("decided"),
            arms=(_arm(_SERVE, "tolerance.serve_period"),),
            closes=(_DECIDE,),
            not_after=(*_LED, "verify"),
            eyes=2,
            same_code="SAME_DECIDER",
            reason=True,
        ),
        "serve": Action(
            zh="送达",
            en="serve",
            effect=decision.serve,
            event=_EVENT.format("served"),
            arms=(Arm(_REVIEW, "tolerance.review_window", then="take_effect", start=decision.service),),
            closes=(_SERVE,),
        ),
        "take_effect": Action(
            zh="生效",
            en="take effect",
            effect=decision.take_effect,
            event=_EVENT.format("effective"),
            # Nothing is left to be warned of: others follow in time, or somebody is called.
            guards=(aftermath.not_under_review,),
            arms=(
                Arm(EFFECTS, "tolerance.effect_limit", start=decision.effect_from),
                Arm(BULLETIN_EFFECTS, "tolerance.bulletin_effect_limit", start=decision.effect_from),
            ),
            closes=(_REVIEW, _REVIEW_DECIDE),
        ),
        "ask_review": Action(
            zh="申请复核",
            en="ask for a review",
            allow=APPLICANTS,
            guards=_guarded((by_applicant, aftermath.may_ask_review)),
            effect=aftermath.ask_review,
            arms=(_arm(_REVIEW_DECIDE, "tolerance.review_period"),),
            closes=(_REVIEW,),
        ),
        "review": Action(
            zh="复核决定",
            en="decide the review",
            allow=DECIDERS,
            guards=_guarded((verification.apart_from_case, aftermath.review_asked, aftermath.review_is_right)),
            effect=aftermath.review,
            event=_EVENT.format("reviewed"),
            closes=(_REVIEW_DECIDE,),
            not_after=_DECIDED,
            eyes=2,
            same_code="SAME_DECIDER",
            reason=True,
        ),
        "correct": Action(zh="进入纠错", en="begin to correct", event=_EVENT.format("correcting")),
        "close": Action(zh="办结", en="close", event=_EVENT.format("closed")),
        "give_notice": Action(
            zh="告知拟撤销",
            en="give notice of a revocation",
            allow=OFFICERS,
            guards=_guarded((aftermath.was_granted, aftermath.correction_late)),
            effect=aftermath.give_notice,
            event=_EVENT.format("revocation-noticed"),
            reason=True,
        ),
        "serve_notice": Action(zh="告知书送达", en="serve the notice", effect=aftermath.serve_notice),
        "answer": Action(
            zh="申辩",
            en="answer the notice",
            allow=APPLICANTS,
            guards=_guarded((by_concerned, aftermath.noticed)),
            effect=aftermath.answer,
        ),
        "revoke": Action(
            zh="撤销容错决定",
            en="revoke",
            allow=DECIDERS,
            guards=_guarded((aftermath.noticed, aftermath.answered)),
            effect=aftermath.revoke,
            event=_EVENT.format("revoked"),
            arms=(Arm(EFFECTS, "tolerance.effect_limit"),),
            closes=(BULLETIN_EFFECTS,),
            not_after=("give_notice",),
            eyes=2,
            same_code="SAME_DECIDER",
            reason=True,
        ),
        "withdraw": Action(
            zh="撤回",
            en="withdraw",
            allow=APPLICANTS,
            guards=_guarded((by_applicant,)),
            event=_EVENT.format("withdrawn"),
            closes=(_ACCEPT, _ASSIGN, _VERIFY),
        ),
    },
)
