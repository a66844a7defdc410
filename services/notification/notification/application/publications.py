"""Publications as cases: what their rules look up, and who sees them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, true

from citybus.actor import Actor
from citybus.cases import Cases
from citybus.unit_of_work import UnitOfWork
from notification.application.rulebook import Rulebook
from notification.domain.publication import PUBLICATION, READERS, PublicationFacts, scope
from notification.persistence.models import ProofRow, PublicationRow
from notification.schemas.published import publication_state
from notification.schemas.requests import Proof
from notification.schemas.responses import PublicationView


def publications(rulebook: Rulebook) -> Cases:
    """Return publications, bound to their table, forms and facts."""
    return Cases(
        case_type=PUBLICATION,
        model=PublicationRow,
        rules=rulebook.on,
        payload=publication_state,
        view=PublicationView,
        scope=scope,
        visible=visible,
        readers=READERS,
        forms={"confirm": Proof, "retract": Proof},
        facts=facts,
    )


def facts(uow: UnitOfWork, case: PublicationRow, action: str, form: Mapping[str, Any]) -> PublicationFacts:
    """Look up the proof that a form names."""
    proof = form.get("proof_sha256")
    return PublicationFacts(proof_known=proof is not None and uow.session.get(ProofRow, proof) is not None)


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return which publications `actor` may list: what they say was approved for everybody."""
    return true()
