"""Recall (S12, M7): proposed on verified findings, notified and answered, approved, trained, observed, decided.

It is no sanction and stays below the discipline threshold: what reaches it goes to the discipline commission. Software
proposes an outcome; people decide it.
"""

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final

from statemachine import State, StateMachine

from citybus.cases.declare import Action, Arm, CaseType, Reach, Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked, refuse_marked_reason, with_plain_reasons
from supervision.domain import observation, training
from supervision.domain.eligibility import Bar
from supervision.domain.proposal import refuse_proposal
from supervision.domain.recall_record import CLOSED, Recall, RecallFacts

OPEN: Final = (
    "PROPOSED",
    "NOTIFIED",
    "APPROVED",
    "ENROLLED",
    "IN_TRAINING",
    "TRAINING_PASSED",
    "TRAINING_FAILED",
    "OBSERVING",
    "EVALUATED",
)
"""The states in which a recall is open."""

TOLERANCE: Final = "TOLERANCE"
APPEAL: Final = "APPEAL"
FINDING_REVOKED: Final = "FINDING_REVOKED"
REJECTED: Final = "REJECTED"
WITHDRAWN: Final = "WITHDRAWN"


class RecallMachine(StateMachine):
    """PROPOSED → NOTIFIED → APPROVED → ENROLLED → IN_TRAINING → TRAINING_PASSED → OBSERVING → EVALUATED → outcome.

    TRAINING_FAILED leads to one more enrolment; the second time, or where no class began in time, to EVALUATED. Every
    open recall may be cancelled, or handed to the discipline commission.
    """

    PROPOSED = State(initial=True)
    NOTIFIED = State()
    APPROVED = State()
    ENROLLED = State()
    IN_TRAINING = State()
    TRAINING_PASSED = State()
    TRAINING_FAILED = State()
    OBSERVING = State()
    EVALUATED = State()
    RESTORED = State()
    ADJUSTED = State()
    REMOVED = State()
    DEMOTED = State()
    CANCELLED = State(final=True)
    TRANSFERRED = State(final=True)

    notify = PROPOSED.to(NOTIFIED)
    serve = NOTIFIED.to(NOTIFIED)
    plea = NOTIFIED.to(NOTIFIED)
    approve = NOTIFIED.to(APPROVED)
    enrol = APPROVED.to(ENROLLED)
    start = ENROLLED.to(IN_TRAINING)
    reflect = IN_TRAINING.to(IN_TRAINING)
    pass_phase = IN_TRAINING.to(IN_TRAINING)
    advance = IN_TRAINING.to(IN_TRAINING)
    complete = IN_TRAINING.to(TRAINING_PASSED)
    fail = IN_TRAINING.to(TRAINING_FAILED)
    retrain = TRAINING_FAILED.to(ENROLLED)
    conclude = TRAINING_FAILED.to(EVALUATED)
    observe = TRAINING_PASSED.to(OBSERVING)
    extend = OBSERVING.to(OBSERVING)
    report_month = OBSERVING.to(OBSERVING)
    miss_month = OBSERVING.to(OBSERVING)
    warn_unit = OBSERVING.to(OBSERVING)
    review = OBSERVING.to(OBSERVING)
    unit_opinion = OBSERVING.to(OBSERVING)
    evaluate = OBSERVING.to(EVALUATED)
    restore = EVALUATED.to(RESTORED)
    adjust = EVALUATED.to(ADJUSTED)
    remove = EVALUATED.to(REMOVED)
    demote = EVALUATED.to(DEMOTED)
    cancel = (
        PROPOSED.to(CANCELLED)
        | NOTIFIED.to(CANCELLED)
        | APPROVED.to(CANCELLED)
        | ENROLLED.to(CANCELLED)
        | IN_TRAINING.to(CANCELLED)
        | TRAINING_PASSED.to(CANCELLED)
        | TRAINING_FAILED.to(CANCELLED)
        | OBSERVING.to(CANCELLED)
        | EVALUATED.to(CANCELLED)
    )
    undo = RESTORED.to(CANCELLED) | ADJUSTED.to(CANCELLED) | REMOVED.to(CANCELLED) | DEMOTED.to(CANCELLED)
    amend_restore = ADJUSTED.to(RESTORED) | REMOVED.to(RESTORED) | DEMOTED.to(RESTORED)
    amend_adjust = REMOVED.to(ADJUSTED) | DEMOTED.to(ADJUSTED)
    amend_remove = DEMOTED.to(REMOVED)
    to_discipline = (
        PROPOSED.to(TRANSFERRED)
        | NOTIFIED.to(TRANSFERRED)
        | APPROVED.to(TRANSFERRED)
        | ENROLLED.to(TRANSFERRED)
        | IN_TRAINING.to(TRANSFERRED)
        | TRAINING_PASSED.to(TRANSFERRED)
        | TRAINING_FAILED.to(TRANSFERRED)
        | OBSERVING.to(TRANSFERRED)
        | EVALUATED.to(TRANSFERRED)
    )


def known_and_in_reach(step: Step) -> None:
    """Raise 422 `UNKNOWN_CADRE`, `UNKNOWN_FINDING`, `NOT_RESPONSIBLE`, `AVOIDANCE`, 403 `DATA_SCOPE`.

    It comes before everything else, so that nobody learns, or has handed over, what is not theirs to see.
    """
    facts: RecallFacts = step.facts
    cadre = step.form["cadre"]
    refuse_proposal(step.actor, cadre, facts.unit, (ground.unit for ground in facts.grounds))
    if facts.unknown:
        raise Refusal(
            "UNKNOWN_FINDING", zh="没有该问题。", en="There is no such finding.", findings=list(facts.unknown)
        )
    others = sorted(ground.id for ground in facts.grounds if cadre not in ground.cadres)
    if others:
        raise Refusal(
            "NOT_RESPONSIBLE",
            zh="该干部不是所列问题的责任人。",
            en="The cadre is not held responsible for a finding that is named.",
            findings=others,
        )


def below_discipline_threshold(step: Step) -> None:
    """Raise `DISCIPLINE_THRESHOLD`, which DISC must hear of, where a finding is a matter of discipline or crime (1.7)."""
    facts: RecallFacts = step.facts
    over = {ground.id: list(ground.over) for ground in facts.grounds if ground.over}
    if over:
        raise Refusal(
            "DISCIPLINE_THRESHOLD",
            zh="所列问题达到纪律处分界限,不适用召回,线索已移送纪委监委。",
            en="The matter is one of discipline and no recall; the discipline commission has been told.",
            committed=True,
            findings=sorted(over),
            reasons=sorted({reason for reasons in over.values() for reason in reasons}),
        )


def grounds_stand(step: Step) -> None:
    """Raise 422 `TOLERANCE_PENDING`, or `NO_VERIFIED_FINDING` where no recall code of a verified finding is left."""
    facts: RecallFacts = step.facts
    pending = sorted(ground.id for ground in facts.grounds if ground.tolerance_open)
    if pending:
        raise Refusal(
            "TOLERANCE_PENDING",
            zh="所列问题正在容错认定,待有结论后再提。",
            en="A fault-tolerance case on a finding is open; it is decided first.",
            findings=pending,
        )
    standing = [ground for ground in facts.grounds if ground.stands]
    unfit = sorted(ground.id for ground in facts.grounds if not ground.stands)
    fallen = step.action == "create" and unfit
    if fallen or not any(ground.circumstances for ground in standing):
        raise Refusal(
            "NO_VERIFIED_FINDING",
            zh="没有已认定、未免责且属于召回情形的问题。",
            en="There is no verified finding with a circumstance of recall that is not excused.",
            unfit=unfit,
            standing=len(standing),
        )


def no_case_pending(step: Step) -> None:
    """Raise 422 `CASE_PENDING` where the cadre is under investigation: the discipline commission goes first."""
    facts: RecallFacts = step.facts
    if facts.held:
        raise Refusal(
            "CASE_PENDING",
            zh="该干部有未办结事项,暂不能召回。",
            en="A pending case stands against a recall of this cadre.",
        )


def first_recall(step: Step) -> None:
    """Raise 409 `DUPLICATE` where a recall of the cadre is open, or a finding has led to an outcome before."""
    facts: RecallFacts = step.facts
    used = sorted(ground.id for ground in facts.grounds if ground.recalled_by)
    if facts.open_recall is not None or used:
        raise Refusal(
            "DUPLICATE",
            zh="该干部已有未办结的召回。" if facts.open_recall else "所列问题已据以召回过。",
            en="A recall of the cadre is open." if facts.open_recall else "A finding has led to a recall before.",
            status=409,
            recall=facts.open_recall,
            findings=used,
        )


def propose(step: Step) -> None:
    """Take over the proposal; the circumstances are those of the findings. Raises 451 `SECRECY_LEVEL`."""
    case: Recall = step.case
    facts: RecallFacts = step.facts
    refuse_marked([step.form.get("text")], step.rules)
    known = step.rule("recall.circumstances")
    case.cadre, case.unit = step.form["cadre"], str(facts.unit)
    case.findings = sorted(ground.id for ground in facts.grounds)
    case.circumstances = sorted(
        {number for ground in facts.grounds for number in ground.circumstances if number in known}
    )
    case.proposed_on = step.at.date()
    case.trainers, case.phases, case.reports = [], [], []
    case.attempt = case.reflected = case.extensions = 0


def notify(step: Step) -> None:
    """Note the day on which the cadre is told."""
    case: Recall = step.case
    case.notified_on = step.at.date()


def serve(step: Step) -> None:
    """Note the service of the notice, from which the time to answer runs (N4)."""
    case: Recall = step.case
    case.served_on = step.form["served_on"]
    case.plea_until = step.rule("recall.plea_window").last_day(step.form["served_on"]).day


def service(step: Step) -> datetime:
    """Return from when the time to answer runs."""
    case: Recall = step.case
    return _midnight(case.served_on or step.at.date())


def end_of_plea(step: Step) -> datetime:
    """Return from when the time to decide on the proposal runs."""
    case: Recall = step.case
    return _midnight(case.plea_until or step.at.date())


def plea_in_time(step: Step) -> None:
    """Raise 422 `OUT_OF_TIME` where the time to answer is over."""
    case: Recall = step.case
    if case.plea_until is not None and step.at.date() > case.plea_until:
        raise Refusal(
            "OUT_OF_TIME",
            zh=f"陈述申辩期已于 {case.plea_until} 届满。",
            en=f"The time to answer ended on {case.plea_until}.",
            plea_until=case.plea_until.isoformat(),
        )


def plea(step: Step) -> None:
    """Note that the cadre has answered; the text (L4) is kept beside the case. Raises 451 `SECRECY_LEVEL`."""
    case: Recall = step.case
    refuse_marked([step.form["text"]], step.rules)
    case.pleaded_on = step.at.date()


def plea_window_over(step: Step) -> None:
    """Raise 422 `PLEA_WINDOW_OPEN` until the cadre has answered or had the time to."""
    case: Recall = step.case
    if case.pleaded_on is None and (case.plea_until is None or step.at.date() <= case.plea_until):
        until = case.plea_until.isoformat() if case.plea_until else None
        raise Refusal(
            "PLEA_WINDOW_OPEN",
            zh=f"陈述申辩期至 {until},期满前不得批准。" if until else "告知书尚未送达,陈述申辩期未开始。",
            en=f"The time to answer runs until {until}." if until else "The notice has not been served yet.",
            plea_until=until,
        )


def approve(step: Step) -> None:
    """Note the day of approval."""
    case: Recall = step.case
    case.approved_on = step.at.date()


def conclude(step: Step) -> None:
    """Propose an adjustment after the training failed for good: a proposal, and nothing more.

    The system does so after the last attempt, an officer where the training was not repeated in time.
    """
    case: Recall = step.case
    case.evaluated_on, case.proposal = step.at.date(), "ADJUSTED"


def restoration_proposed(step: Step) -> None:
    """Raise 422 `SCORE_RULE` where the cadre did not reach the score that restoring wants."""
    case: Recall = step.case
    if case.proposal != "RESTORED":
        raise _against_score(step)


def adjustment_proposed(step: Step) -> None:
    """Raise 422 `SCORE_RULE` where the cadre reached the score: nobody is adjusted who has improved."""
    case: Recall = step.case
    if case.proposal == "RESTORED":
        raise _against_score(step)


def _against_score(step: Step) -> Refusal:
    case: Recall = step.case
    least = step.rule("recall.observation_pass_score")
    return Refusal(
        "SCORE_RULE",
        zh=f"考察成绩以 {least} 分为界,现有结果只能按“{'恢复' if case.proposal == 'RESTORED' else '调整'}”一类决定。",
        en=f"{least} points restore; this result allows {case.proposal} and what is like it.",
        score=None if case.final_score is None else str(case.final_score),
        least=least,
        proposal=case.proposal,
    )


def decide(outcome: str) -> Any:
    """Return the effect that notes `outcome` and the day of the decision."""

    def effect(step: Step) -> None:
        case: Recall = step.case
        case.outcome, case.outcome_on, case.closed_on = outcome, step.at.date(), step.at.date()

    return effect


def amend(outcome: str) -> Any:
    """Return the effect that puts `outcome` in the place of what was decided, from the day of that decision."""

    def effect(step: Step) -> None:
        case: Recall = step.case
        case.outcome = outcome

    return effect


def cancel(step: Step) -> None:
    """Note why it ends: the system names the cause; people reject what is proposed, or withdraw it."""
    case: Recall = step.case
    by_hand = REJECTED if step.actor.has("COMM") else WITHDRAWN
    case.cancel_reason = step.form.get("cause", by_hand) if step.actor.system else by_hand
    case.closed_on = step.at.date()


def to_discipline(step: Step) -> None:
    """Note that the commission took over; the number of its case (L4) is kept beside. Raises 451 `SECRECY_LEVEL`."""
    case: Recall = step.case
    refuse_marked([step.form["text"]], step.rules)
    case.closed_on = step.at.date()


def bars(step: Step) -> list[Bar]:
    """Return what bars the cadre because of this recall: while it is open, and for some months after a restoration.

    A cancelled recall bars nobody, nor did it ever.
    """
    case: Recall = step.case
    if case.state == "CANCELLED":
        return []
    while_open = frozenset(step.rule("recall.bar_open"))
    found = [Bar("RECALL_OPEN", while_open, case.proposed_on, case.closed_on if case.state in CLOSED else None)]
    if case.state == "RESTORED" and case.outcome_on is not None:
        recent = frozenset(step.rule("recall.bar_recent"))
        until = step.rule("recall.recent").last_day(case.outcome_on).day
        found.append(Bar("RECALL_RECENT", recent, case.outcome_on, until))
    return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, ZONE)


_SUPERVISE: Final[Mapping[str, Reach]] = {"ORG.supervise": Reach.OFFICE}
_EDU: Final[Mapping[str, Reach]] = {"ORG.edu": Reach.OFFICE}
_TRAINER: Final[Mapping[str, Reach]] = {"TRAINER": Reach.OFFICE}
_COMM: Final[Mapping[str, Reach]] = {"COMM": Reach.OFFICE}
_CADRE: Final[Mapping[str, Reach]] = {"CADRE": Reach.SELF}
_UNIT: Final[Mapping[str, Reach]] = {"UNITHEAD": Reach.UNIT, "UNITHR": Reach.UNIT}
_HEAD: Final[Mapping[str, Reach]] = {"UNITHEAD": Reach.UNIT}

_EVENT: Final = "supervision.recall.{}.v1"
_GROUNDS: Final = (no_case_pending, grounds_stand)
_WARN: Final = "deadline.warning"
PLEA: Final = "recall.plea"
APPROVE: Final = "recall.approve"
ENROL: Final = "recall.enrol"
RETRAIN: Final = "recall.retrain"
EVALUATE: Final = "recall.evaluate"
OUTCOME: Final = "recall.outcome"
WHOLE: Final = "recall.whole"
_ALL: Final = (PLEA, APPROVE, ENROL, RETRAIN, EVALUATE, OUTCOME, WHOLE, *observation.REPORT_KINDS)


def _outcome(zh: str, en: str, outcome: str) -> Action:
    return Action(
        zh=zh,
        en=en,
        allow=_COMM,
        guards=(restoration_proposed if outcome == "RESTORED" else adjustment_proposed,),
        effect=decide(outcome),
        event=_EVENT.format("outcome"),
        closes=(OUTCOME, WHOLE),
        not_after=("create", "notify", "conclude", "evaluate"),
        reason=True,
    )


def _amended(zh: str, en: str, outcome: str) -> Action:
    return Action(zh=zh, en=en, effect=amend(outcome), event=_EVENT.format("outcome"))


RECALL: Final = CaseType(
    service="supervision",
    kind="recall",
    collection="recalls",
    zh="召回",
    en="recall",
    machine=RecallMachine,
    dataclass="L3",
    states={
        "PROPOSED": ("已提出", "proposed"),
        "NOTIFIED": ("已告知", "notified"),
        "APPROVED": ("已批准", "approved"),
        "ENROLLED": ("已入班", "enrolled"),
        "IN_TRAINING": ("训导中", "in training"),
        "TRAINING_PASSED": ("训导合格", "training passed"),
        "TRAINING_FAILED": ("训导不合格", "training failed"),
        "OBSERVING": ("跟踪考察", "under observation"),
        "EVALUATED": ("已评估", "evaluated"),
        "RESTORED": ("恢复履职", "restored"),
        "ADJUSTED": ("调整", "adjusted"),
        "REMOVED": ("免职", "removed"),
        "DEMOTED": ("降职", "demoted"),
        "CANCELLED": ("已撤销", "cancelled"),
        "TRANSFERRED": ("已移送", "handed to the discipline commission"),
    },
    create=Action(
        zh="提出召回",
        en="propose a recall",
        allow=_SUPERVISE,
        guards=(
            refuse_marked_reason,
            known_and_in_reach,
            below_discipline_threshold,
            *_GROUNDS,
            first_recall,
        ),
        effect=propose,
        event=_EVENT.format("proposed"),
        arms=(Arm(kind=WHOLE, rule="recall.whole_case", warn="recall.whole_case_warning"),),
    ),
    actions=with_plain_reasons(
        {
            "notify": Action(
                zh="告知", en="notify the cadre", allow=_SUPERVISE, effect=notify, event=_EVENT.format("notified")
            ),
            "serve": Action(
                zh="送达",
                en="serve",
                effect=serve,
                arms=(
                    Arm(kind=PLEA, rule="recall.plea_window", start=service),
                    Arm(kind=APPROVE, rule="recall.approve_period", warn=_WARN, start=end_of_plea),
                ),
            ),
            "plea": Action(zh="陈述申辩", en="answer", allow=_CADRE, guards=(plea_in_time,), effect=plea),
            "approve": Action(
                zh="批准",
                en="approve",
                allow=_COMM,
                guards=(plea_window_over, *_GROUNDS),
                effect=approve,
                event=_EVENT.format("approved"),
                closes=(PLEA, APPROVE),
                arms=(Arm(kind=ENROL, rule="recall.enrol_period", warn=_WARN),),
                not_after=("create", "notify"),
            ),
            "enrol": Action(
                zh="编入训导班",
                en="enrol in a class",
                allow=_EDU,
                effect=training.take_seat,
                event=_EVENT.format("enrolled"),
                closes=(ENROL,),
            ),
            "start": Action(zh="开班", en="begin the training", event=_EVENT.format("training-started")),
            "reflect": Action(
                zh="提交反思材料", en="hand in the self-criticism", allow=_CADRE, effect=training.reflect
            ),
            "pass_phase": Action(
                zh="评定阶段成绩",
                en="enter the result of a phase",
                allow=_TRAINER,
                guards=(training.is_trainer,),
                effect=training.enter_phase,
            ),
            "advance": Action(zh="阶段通过", en="pass the phase", event=_EVENT.format("phase-passed")),
            "complete": Action(
                zh="评为合格",
                en="pass the training",
                allow=_TRAINER,
                guards=(training.is_trainer, training.may_complete),
                event=_EVENT.format("training-passed"),
            ),
            "fail": Action(
                zh="评为不合格",
                en="fail the training",
                allow=_TRAINER,
                guards=(training.is_trainer, training.not_passed),
                effect=training.fail,
                event=_EVENT.format("training-failed"),
                arms=(Arm(kind=RETRAIN, rule="recall.retrain_period", warn=_WARN, start=training.retrain_from),),
                reason=True,
            ),
            "retrain": Action(
                zh="补训",
                en="enrol once more",
                allow={**_EDU, **_SUPERVISE},
                guards=(training.may_retrain,),
                effect=training.take_another_seat,
                event=_EVENT.format("enrolled"),
                closes=(RETRAIN,),
            ),
            "conclude": Action(
                zh="训导终结",
                en="conclude failed training",
                allow=_SUPERVISE,
                guards=(training.retraining_over,),
                effect=conclude,
                event=_EVENT.format("evaluated"),
                closes=(RETRAIN,),
                arms=(Arm(kind=OUTCOME, rule="recall.outcome_period", warn=_WARN),),
                reason=True,
            ),
            "observe": Action(
                zh="转入跟踪考察",
                en="begin the observation",
                allow=_SUPERVISE,
                effect=observation.observe,
                event=_EVENT.format("observing"),
                arms=(
                    *observation.report_arms(),
                    Arm(
                        kind=EVALUATE, rule="recall.evaluation_period", warn=_WARN, start=observation.end_of_observation
                    ),
                ),
            ),
            "extend": Action(
                zh="延长考察期",
                en="prolong the observation",
                allow=_SUPERVISE,
                effect=observation.extend,
                arms=(
                    *observation.report_arms(),
                    Arm(
                        kind=EVALUATE, rule="recall.evaluation_period", warn=_WARN, start=observation.end_of_observation
                    ),
                ),
                reason=True,
            ),
            "report_month": Action(
                zh="提交月度报告", en="report on a month", allow=_UNIT, effect=observation.report_month
            ),
            "miss_month": Action(zh="逾期未报", en="miss a monthly report", effect=observation.miss_month),
            "warn_unit": Action(
                zh="提醒单位主要负责人",
                en="warn the head of the unit",
                effect=observation.warn_unit,
                event=_EVENT.format("unit-warned"),
            ),
            "review": Action(zh="中期评估", en="review in the middle", allow=_SUPERVISE, effect=observation.review),
            "unit_opinion": Action(
                zh="单位意见", en="give the unit's opinion", allow=_HEAD, effect=observation.unit_opinion
            ),
            "evaluate": Action(
                zh="考察评估",
                en="evaluate",
                allow=_SUPERVISE,
                guards=(observation.observation_over, observation.papers_present),
                effect=observation.evaluate,
                event=_EVENT.format("evaluated"),
                closes=(EVALUATE, *observation.REPORT_KINDS),
                arms=(Arm(kind=OUTCOME, rule="recall.outcome_period", warn=_WARN),),
            ),
            "restore": _outcome("恢复履职", "restore", "RESTORED"),
            "adjust": _outcome("调整", "adjust", "ADJUSTED"),
            "remove": _outcome("免职", "remove", "REMOVED"),
            "demote": _outcome("降职", "demote", "DEMOTED"),
            "cancel": Action(
                zh="撤销",
                en="cancel",
                allow={**_SUPERVISE, **_COMM},
                effect=cancel,
                event=_EVENT.format("cancelled"),
                closes=_ALL,
                reason=True,
            ),
            "undo": Action(
                zh="决定后撤销", en="revoke what was decided", effect=cancel, event=_EVENT.format("cancelled")
            ),
            "amend_restore": _amended("因申诉变更为恢复履职", "restore upon appeal", "RESTORED"),
            "amend_adjust": _amended("因申诉变更为调整", "adjust upon appeal", "ADJUSTED"),
            "amend_remove": _amended("因申诉变更为免职", "remove upon appeal", "REMOVED"),
            "to_discipline": Action(
                zh="移送纪委监委",
                en="hand to the discipline commission",
                allow={"DISC": Reach.OFFICE},
                effect=to_discipline,
                event=_EVENT.format("transferred"),
                closes=_ALL,
            ),
        }
    ),
)
