"""Appeals as cases: the matters that they are about, who decided those, and what follows for an annual assessment."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement, false, func, or_, select, text, true
from sqlalchemy.dialects.postgresql import insert

from assessment.application.know_matter import KINDS
from assessment.application.quotas import use_of
from assessment.application.rulebook import Rulebook
from assessment.domain.annual import ANNUAL
from assessment.domain.annual import DECIDED as DECIDED_YEAR
from assessment.domain.appeal import APPEAL, ENDED, AppealFacts, Decision, Earlier, Matter, scope
from assessment.domain.grade import Grade, GradeStatus
from assessment.domain.grade_effect import VOID
from assessment.domain.quota import refuse_exceeding
from assessment.persistence.models import AnnualResultRow, AnnualRow, AppealRow, MatterRow, ServedRow
from assessment.schemas.published import appeal_state
from assessment.schemas.requests import AppealDecision, AppealFiling, AppealRejection
from assessment.schemas.responses import AppealView
from citybus.cases import Actor, Cases, Reach, Step
from citybus.cases.perform import system_actor
from citybus.cases.tables import case_steps
from citybus.clock import ZONE
from citybus.envelope import Event
from citybus.errors import Invalid, Refusal
from citybus.rulepack import Rules
from citybus.tables import outbox_messages
from citybus.unit_of_work import UnitOfWork

DECISION: Final = "APPEAL_DECISION"
OFFICERS: Final = ("ORG.appeal", "FAIRCOMM")
READERS: Final[Mapping[str, Reach]] = {**dict.fromkeys(OFFICERS, Reach.OFFICE), "CADRE": Reach.SELF}
HANDLING: Final = ("accept", "examine", "extend", "decide")
GRADING: Final = ("propose", "make_up", "approve", "amend")
"""The steps of an annual assessment whose actors decided its grade."""
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('assessment.appeal/' || :ref, 0))")


def appeals(rulebook: Rulebook, annuals: Cases) -> Cases:
    """Return appeals, bound to their table, forms and facts, and what they do to an annual assessment."""

    def facts(uow: UnitOfWork, case: AppealRow, action: str, form: Mapping[str, Any]) -> AppealFacts:
        ref = form.get("subject_ref") if action == "create" else case.subject_ref
        if ref is None or action in ("withdraw", "execute"):
            return AppealFacts()
        if action == "create":
            # So that two appeals on one matter are filed one after the other.
            uow.session.execute(_LOCK, {"ref": ref})
        return _facts(uow, rulebook.on(uow.clock.today()), ref)

    def begun(uow: UnitOfWork, step: Step) -> None:
        _move_annual(annuals, uow, step.case, "request_review")

    def ended(uow: UnitOfWork, step: Step) -> None:
        _move_annual(annuals, uow, step.case, "end_review")

    def decided(uow: UnitOfWork, step: Step) -> None:
        if step.case.decision == Decision.UPHELD:
            ended(uow, step)

    def executed(uow: UnitOfWork, step: Step) -> None:
        correct_grade(annuals, uow, step.case)

    return Cases(
        case_type=APPEAL,
        model=AppealRow,
        rules=rulebook.on,
        payload=appeal_state,
        view=AppealView,
        scope=scope,
        visible=visible,
        readers=READERS,
        forms={"create": AppealFiling, "reject": AppealRejection, "decide": AppealDecision},
        facts=facts,
        after={"create": begun, "reject": ended, "withdraw": ended, "decide": decided, "execute": executed},
    )


def _facts(uow: UnitOfWork, rules: Rules, ref: str) -> AppealFacts:
    row = AppealRow
    standing = select(row).where(row.subject_ref == ref, row.state.not_in(sorted(ENDED))).order_by(row.id)
    found = uow.session.scalars(standing).all()
    handlers = _actors(uow, [each.id for each in found], HANDLING)
    annual = _annual_of(uow, ref)
    return AppealFacts(
        quota=lambda: None if annual is None else use_of(uow, annual, proposals=False)(),
        matters=_matters(uow, rules, ref),
        appeals=[
            Earlier(
                id=each.id,
                cadre=each.cadre,
                type=each.type,
                state=each.state,
                filed_on=each.filed_on,
                decision_served_on=_served_on(uow, APPEAL.subject(each), DECISION, each.cadre),
                handlers=frozenset(handlers.get(each.id, ())),
                original=each.original,
                amended_to=each.amended_to,
                ended_on=each.executed_on or each.decided_on,
                review=each.review,
            )
            for each in found
        ],
    )


def _matters(uow: UnitOfWork, rules: Rules, ref: str) -> list[Matter]:
    if ref.startswith(f"{ANNUAL.kind}/"):
        return _annual(uow, ref)
    documents = rules["appeal.documents"]
    found = []
    for row in uow.session.scalars(select(MatterRow).where(MatterRow.ref == ref).order_by(MatterRow.cadre)):
        document = documents.get(row.scale.partition(".")[0])
        # Where no document tells of the decision, the time to file runs from the decision itself.
        served_on = row.decided_on
        if document is not None:
            served_on = _served_on(uow, ref, document, row.cadre)
        found.append(
            Matter(
                ref=ref,
                scale=row.scale,
                cadre=row.cadre,
                decided=row.decided_on is not None and row.state not in VOID,
                what=row.what,
                served_on=served_on,
                deciders=frozenset(row.deciders),
            )
        )
    return found


def _annual_of(uow: UnitOfWork, ref: str) -> AnnualRow | None:
    kind, _, annual = ref.partition("/")
    return uow.session.get(AnnualRow, annual) if kind == ANNUAL.kind else None


def _annual(uow: UnitOfWork, ref: str) -> list[Matter]:
    row = _annual_of(uow, ref)
    if row is None or row.cadre is None:
        return []
    return [
        Matter(
            ref=ref,
            scale=ANNUAL.kind,
            cadre=row.cadre,
            decided=row.state in DECIDED_YEAR,
            what=row.grade,
            served_on=row.clock_from,
            deciders=frozenset(_actors(uow, [row.id], GRADING).get(row.id, ())),
            decided_on=_graded_on(uow, row),
        )
    ]


def _graded_on(uow: UnitOfWork, case: AnnualRow) -> date | None:
    """Return the day on which the present grade was decided; later revisions that left it as it was do not count."""
    row, graded_at = AnnualResultRow, None
    revisions = select(row.grade, row.grade_status, row.recorded_at).where(row.annual_id == case.id)
    for grade, status, recorded_at in uow.session.execute(revisions.order_by(row.revision.desc())):
        if (grade, status) != (case.grade, case.grade_status):
            break
        graded_at = recorded_at
    return None if graded_at is None else graded_at.astimezone(ZONE).date()


def _move_annual(annuals: Cases, uow: UnitOfWork, case: AppealRow, action: str) -> None:
    """Take a step on the assessment that is appealed against, where it leads on from its state."""
    kind, _, annual = case.subject_ref.partition("/")
    if kind != ANNUAL.kind:
        return
    row = uow.session.get_one(AnnualRow, annual, with_for_update=True)
    if ANNUAL.target(row.state, action) is not None:
        annuals.take(uow, annual, action, system_actor(ANNUAL.service), {})


def correct_grade(annuals: Cases, uow: UnitOfWork, case: AppealRow) -> None:
    """Correct the grade that was appealed against; one that became as light meanwhile, or lighter, stays.

    Raises Refusal: for an excellent grade 422 `QUOTA_EXCEEDED` where others have used the quota up since it was decided.
    """
    kind, _, annual = case.subject_ref.partition("/")
    if kind != ANNUAL.kind or case.amended_to is None:
        return
    row = uow.session.get_one(AnnualRow, annual, with_for_update=True)
    wanted = Grade(case.amended_to)
    if row.grade is None or Grade(row.grade).burden <= wanted.burden:
        _move_annual(annuals, uow, case, "end_review")
        return
    messages = outbox_messages
    decided = select(messages.c.id).where(
        messages.c.subject == APPEAL.subject(case), messages.c.type == APPEAL.actions["decide"].event
    )
    # The event that says what was decided is the cause; the appeal itself where it was cleared away.
    cause = uow.session.scalar(decided.order_by(messages.c.position.desc()).limit(1)) or case.id
    form = {"grade": wanted.value, "grade_status": GradeStatus.GRADED, "cause": str(cause)}
    if wanted is Grade.EXCELLENT:
        form["quota"] = refuse_exceeding(use_of(uow, row, proposals=False)).quota
    annuals.take(uow, annual, "correct", system_actor(ANNUAL.service), form)


def _served_on(uow: UnitOfWork, ref: str, document: str, cadre: str) -> date | None:
    row = uow.session.get(ServedRow, (ref, document, cadre), populate_existing=True)
    return None if row is None else row.served_on


def _actors(uow: UnitOfWork, cases: Sequence[str], actions: Sequence[str]) -> dict[str, set[str]]:
    """Return for each of `cases` the people who took one of `actions` on it."""
    steps = case_steps.c
    found: dict[str, set[str]] = {}
    for case, actor in uow.session.execute(
        select(steps.case_id, steps.actor).where(steps.case_id.in_(cases), steps.action.in_(actions))
    ):
        found.setdefault(case, set()).add(actor)
    return found


def know_service(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Keep when a document about a matter was served on a cadre: the time to appeal runs from then.

    Documents about anything else are let pass. Raises Invalid: `NOT_SERVED` (no day of service).
    """
    if data["ref"].partition("/")[0] not in (*KINDS, APPEAL.kind):
        return
    if data["served_on"] is None:
        raise Invalid("NOT_SERVED")
    values = {"served_on": data["served_on"]}
    statement = insert(ServedRow).values(
        ref=data["ref"], document=data["document"], cadre=data["recipient"]["id"], **values
    )
    # Corrections are served anew; a delivery that is told late does not bring an older day back.
    newest = func.greatest(ServedRow.served_on, statement.excluded.served_on)
    uow.session.execute(
        statement.on_conflict_do_update(
            index_elements=[ServedRow.ref, ServedRow.document, ServedRow.cadre], set_={"served_on": newest}
        )
    )


def grounds(appeals: Cases, uow: UnitOfWork, appeal: str, actor: Actor) -> AppealRow:
    """Return an appeal whose text `actor` may read; the look is recorded. Raises Refusal: 404, 403 `DATA_SCOPE`."""
    case: AppealRow = appeals.read(uow, appeal, actor)
    if actor.person != case.cadre and actor.unit is not None and actor.unit == case.unit:
        raise Refusal(
            "AVOIDANCE",
            zh="应当回避:您属于申请人所在单位。",
            en="Avoidance: you belong to the unit of the person who appeals.",
        )
    uow.audit("appeal.grounds.read", APPEAL.subject(case), read=["grounds"])
    return case


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which appeals `actor` may list: the same that `scope` lets them read."""
    row = AppealRow
    seen: list[ColumnElement[bool]] = []
    if any(actor.has(role) for role in OFFICERS):
        seen.append(true() if actor.units is None else row.unit.in_(sorted(actor.units)))
    if actor.has("CADRE") and actor.person:
        seen.append(row.cadre == actor.person)
    return or_(false(), *seen)
