"""The routes: those of the two case types, the text of documents, the record of what departments were sent."""

from collections.abc import Mapping
from typing import Any

from flask import Response
from marshmallow import fields

from citybus.cases import Cases
from citybus.cases.routes import blueprint
from citybus.http import Blueprint, PageQuery, caller, page, page_schema, requires, show, transaction
from notification.application import queries
from notification.application.catalogue import Catalogue
from notification.application.rulebook import Rulebook
from notification.persistence.models import SentRow
from notification.schemas.responses import DocumentView, EventTypes, SentView


class DeliveryQuery(PageQuery):
    """Filters of the list of deliveries."""

    document = fields.String()
    ref = fields.String()


class SubscriptionQuery(PageQuery):
    """Filters of the list of subscriptions."""

    department = fields.String()


def blueprints(
    deliveries: Cases, subscriptions: Cases, catalogue: Catalogue, rulebook: Rulebook
) -> tuple[Blueprint, ...]:
    """Return all routes of the service."""
    return (
        blueprint(deliveries, query=DeliveryQuery),
        blueprint(subscriptions, query=SubscriptionQuery),
        _documents(deliveries),
        _sharing(subscriptions, catalogue, rulebook),
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
