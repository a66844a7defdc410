"""Training classes as cases: who sees them, and what their beginning and end mean for the recalled cadres in them."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

from sqlalchemy import ColumnElement, false, func, select, true, update

from citybus.cases import Actor, Cases, Reach, Step
from citybus.cases.perform import system_actor
from citybus.errors import Refusal
from citybus.unit_of_work import UnitOfWork
from supervision.application.recalls import SEATED, seats_taken
from supervision.application.rulebook import Rulebook
from supervision.domain.training_class import TRAINING_CLASS, ClassFacts, scope
from supervision.persistence.models import RecallRow, TrainingClassRow
from supervision.schemas.requests import ClassPlan, Seating, Trainers
from supervision.schemas.responses import TrainingClassView

READERS: Final[Mapping[str, Reach]] = {
    "ORG.edu": Reach.OFFICE,
    "ORG.supervise": Reach.OFFICE,
    "COMM": Reach.OFFICE,
    "TRAINER": Reach.OFFICE,
}


def training_classes(rulebook: Rulebook, recalls: Cases) -> Cases:
    """Return training classes, bound to their table, forms and facts; `recalls` are moved with them."""
    return Cases(
        case_type=TRAINING_CLASS,
        model=TrainingClassRow,
        rules=rulebook.on,
        payload=_no_payload,
        view=TrainingClassView,
        scope=scope,
        visible=visible,
        readers=READERS,
        forms={"create": ClassPlan, "revise": ClassPlan, "staff": Trainers, "enlarge": Seating},
        facts=facts,
        after={
            "staff": _hand_on_trainers,
            "start": lambda uow, step: _begin(recalls, uow, step),
            "complete": lambda uow, step: _settle(recalls, uow, step),
        },
    )


def _no_payload(case: TrainingClassRow) -> dict[str, Any]:
    """A class publishes nothing: what others need to know of it is in the recalls."""
    return {}


def facts(uow: UnitOfWork, case: TrainingClassRow, action: str, form: Mapping[str, Any]) -> ClassFacts:
    """Look up how many sit in the class, and how many are neither passed nor failed."""
    if action == "enlarge":
        return ClassFacts(taken=seats_taken(uow, case.id))
    if action == "complete":
        in_training = select(func.count()).where(RecallRow.class_id == case.id, RecallRow.state == "IN_TRAINING")
        return ClassFacts(unsettled=uow.session.execute(in_training).scalar_one())
    return ClassFacts()


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which classes `actor` may list."""
    return true() if any(actor.has(role) for role in READERS) else false()


def _hand_on_trainers(uow: UnitOfWork, step: Step) -> None:
    case: TrainingClassRow = step.case
    seated = (RecallRow.class_id == case.id, RecallRow.state.in_(SEATED))
    uow.session.execute(update(RecallRow).where(*seated).values(trainers=case.trainers))


def _begin(recalls: Cases, uow: UnitOfWork, step: Step) -> None:
    """Begin the training of everybody enrolled."""
    for recall_id in _in_class(uow, step, "ENROLLED"):
        with _thread(uow, recall_id):
            recalls.take(uow, recall_id, "start", system_actor("supervision"), {"reason": "class begins"})


def _settle(recalls: Cases, uow: UnitOfWork, step: Step) -> None:
    """Pass those who reached all that is wanted, and fail the others, when the class ends by its date."""
    for recall_id in _in_class(uow, step, "IN_TRAINING"):
        with _thread(uow, recall_id):
            _pass_or_fail(recalls, uow, recall_id)


def _thread(uow: UnitOfWork, recall_id: str) -> AbstractContextManager[None]:
    """Act under the recall's own correlation: the class belongs to many."""
    return uow.under(uow.session.get_one(RecallRow, recall_id).correlation_id)


def _pass_or_fail(recalls: Cases, uow: UnitOfWork, recall_id: str) -> None:
    actor, form = system_actor("supervision"), {"reason": "class ended"}
    try:
        recalls.take(uow, recall_id, "complete", actor, form)
    except Refusal as refusal:
        # The guards come before any change: what is wanting is why the cadre fails.
        recalls.take(uow, recall_id, "fail", actor, {"reason": f"class ended: {refusal.code}"})


def _in_class(uow: UnitOfWork, step: Step, state: str) -> list[str]:
    wanted = select(RecallRow.id).where(RecallRow.class_id == step.case.id, RecallRow.state == state)
    return list(uow.session.scalars(wanted.order_by(RecallRow.id)))
