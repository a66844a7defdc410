"""The routes: those of the case types, the text of documents, what departments were sent, bulletins and their proofs."""

from collections.abc import Mapping
from typing import Any

from flask import Response, url_for
from flask_smorest.fields import Upload
from marshmallow import Schema, fields

from citybus.cases import Cases
from citybus.cases.routes import blueprint
from citybus.http import (
    Blueprint,
    PageQuery,
    Rejection,
    accepts,
    caller,
    command,
    page,
    page_schema,
    reply,
    requires,
    show,
    transaction,
)
from notification.application import queries
from notification.application.catalogue import Catalogue
from notification.application.rulebook import Rulebook
from notification.application.store_proof import store_proof
from notification.domain.proof import MAX_UPLOAD
from notification.entrypoints.public import public
from notification.persistence.models import SentRow
from notification.schemas.responses import Bulletins, DocumentView, EventTypes, ProofView, SentView


class DeliveryQuery(PageQuery):
    """Filters of the list of deliveries."""

    document = fields.String()
    ref = fields.String()


class SubscriptionQuery(PageQuery):
    """Filters of the list of subscriptions."""

    department = fields.String()


class PublicationQuery(PageQuery):
    """Filters of the list of publications; those that wait for a replay are in the states FAILED and WITHDRAWAL_FAILED."""

    bulletin = fields.UUID()
    channel = fields.String()


class DeadlineQuery(PageQuery):
    """Filters of the list of deadlines that the caller is told of."""

    ref = fields.String()
    light = fields.String()


class ProofUpload(Schema):
    """One proof, as the part `file` of a form."""

    file = Upload(required=True)


EVERYBODY = (
    "ORG.*", "SUPO.*", "DISC", "COMM", "UNITHEAD", "UNITHR", "REVIEWER", "CADRE", "TRAINER", "VISITOR", "MEDIA",
)  # fmt: skip
"""Who is signed in for business: all but departments' systems and administrators."""


def blueprints(
    deliveries: Cases,
    subscriptions: Cases,
    publications: Cases,
    deadlines: Cases,
    catalogue: Catalogue,
    rulebook: Rulebook,
) -> tuple[Blueprint, ...]:
    """Return all routes of the service."""
    return (
        blueprint(deliveries, query=DeliveryQuery),
        blueprint(subscriptions, query=SubscriptionQuery),
        blueprint(publications, query=PublicationQuery),
        blueprint(deadlines, query=DeadlineQuery),
        _documents(deliveries),
        _sharing(subscriptions, catalogue, rulebook),
        _bulletins(),
        _proofs(publications, rulebook),
        public(),
    )


def _documents(deliveries: Cases) -> Blueprint:
    routes = Blueprint("documents", __name__, description="文书 documents")

    @routes.get("/deliveries/<uuid:case_id>/document")
    @requires("CADRE", "UNITHEAD")
    @routes.response(200, DocumentView)
    def document(case_id: Any) -> Response:
        """Read the text of a document that is addressed to the caller, once it is opened."""
        with transaction() as uow:
            content = DocumentView().dump(queries.document(deliveries, uow, str(case_id), caller()))
            uow.commit()
        return show(content, headers={"Cache-Control": "no-store"})

    return routes


def _sharing(subscriptions: Cases, catalogue: Catalogue, rulebook: Rulebook) -> Blueprint:
    routes = Blueprint("sharing", __name__, description="数据共享 sharing with departments")

    @routes.get("/subscriptions/<uuid:case_id>/deliveries")
    @requires("ORG", "SUBSYS")
    @routes.arguments(PageQuery, location="query")
    @routes.response(200, page_schema(SentView))
    def sent(sought: Mapping[str, Any], case_id: Any) -> Response:
        """List what the department was sent under a subscription."""
        with transaction() as uow:
            statement = queries.sent(subscriptions, uow, str(case_id), caller())
            found = page(uow.session, statement, (SentRow.__table__.c.id,), **sought)
            content = {"items": SentView(many=True).dump(found.items), "next": found.next}
            uow.commit()
        return show(content, headers=found.headers())

    @routes.get("/event-types")
    @requires(*subscriptions.readers)
    @routes.response(200, EventTypes)
    def event_types() -> Response:
        """Read which events may be subscribed to today, with the class of each field."""
        with transaction() as uow:
            return show(EventTypes().dump(catalogue.offered(rulebook.on(uow.clock.today()))))

    return routes


def _bulletins() -> Blueprint:
    routes = Blueprint("bulletins", __name__, description="内部通报 bulletins on the internal channel")

    @routes.get("/bulletins")
    @requires(*EVERYBODY)
    @routes.response(200, Bulletins)
    def listing() -> Response:
        """Read the bulletins that stand on the internal channel."""
        with transaction() as uow:
            content = Bulletins().dump({"items": queries.internal_bulletins(uow)})
            uow.commit()
        return show(content, headers={"Cache-Control": "no-store"})

    return routes


def _proofs(publications: Cases, rulebook: Rulebook) -> Blueprint:
    routes = Blueprint("proofs", __name__, url_prefix="/proofs", description="刊播证明 proofs of publication")

    @routes.post("")
    @requires("MEDIA")
    @accepts("multipart/form-data", max_bytes=MAX_UPLOAD)
    @routes.arguments(ProofUpload, location="files")
    @routes.response(201, ProofView)
    @routes.alt_response(200, schema=ProofView, description="it was here already")
    def upload(parts: Mapping[str, Any]) -> Response:
        """Store what shows that a channel brought a bulletin, and learn its hash; the same content is kept once."""
        file = parts["file"]
        media_type, content = file.mimetype, file.stream.read()

        def work(uow: Any) -> Any:
            row, new = store_proof(rulebook, uow, media_type=media_type, content=content)
            location = url_for("proofs.download", digest=row.sha256)
            return reply(ProofView().dump(row), status=201 if new else 200, location=location)

        return command(work)

    @routes.get("/<string(length=64):digest>")
    @requires(*publications.readers)
    @routes.response(200, description="the file")
    def download(digest: str) -> Response:
        """Read a proof."""
        with transaction() as uow:
            row = queries.proof(uow, digest)
            if row is None:
                raise Rejection("NOT_FOUND")
            response = Response(row.content, content_type=row.media_type)
            response.headers["Content-Disposition"] = "attachment"
            uow.commit()
        return response

    return routes
