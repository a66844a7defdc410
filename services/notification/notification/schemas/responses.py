"""What readers see."""

from marshmallow import Schema, fields

from citybus.cases.forms import CaseView


class RecipientView(Schema):
    """Who a document is for."""

    kind = fields.String(attribute="recipient_kind", required=True)
    id = fields.String(attribute="recipient_id", required=True)


class DeliveryView(CaseView):
    """The record of service; the text has a route of its own."""

    document = fields.String(required=True)
    ref = fields.String(required=True)
    recipient = fields.Nested(RecipientView, required=True, dump_default=None)
    unit = fields.String(required=True)
    sha256 = fields.String(required=True)
    sent_on = fields.Date(required=True)
    opened_on = fields.Date(required=True, allow_none=True)
    paper_due_on = fields.Date(required=True, allow_none=True)
    served_on = fields.Date(required=True, allow_none=True)
    witness = fields.String(required=True, allow_none=True)

    def get_attribute(self, obj: object, attr: str, default: object) -> object:
        """Return the row itself for what is made of several of its columns."""
        return obj if attr == "recipient" else super().get_attribute(obj, attr, default)


class DocumentView(Schema):
    """The text of a document; `sha256` is the sum of it in UTF-8."""

    delivery = fields.String(attribute="id", required=True)
    document = fields.String(required=True)
    sha256 = fields.String(required=True)
    content = fields.String(required=True)


class SubscriptionView(CaseView):
    """A subscription."""

    department = fields.String(required=True)
    unit = fields.String(required=True)
    event_types = fields.List(fields.String(), required=True)
    fields_ = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        required=True,
        data_key="fields",
        attribute="fields",
    )
    max_class = fields.String(required=True)
    purpose = fields.String(required=True)
    legal_basis = fields.String(required=True)
    agreement_no = fields.String(required=True)
    valid_to = fields.Date(required=True)
    activated_on = fields.Date(required=True, allow_none=True)


class SentView(Schema):
    """One event that was sent under a subscription: `event` is the id of the original."""

    id = fields.String(required=True)
    event = fields.String(attribute="event_id", required=True)
    type = fields.String(required=True)
    subject = fields.String(required=True)
    fields_ = fields.List(fields.String(), required=True, data_key="fields", attribute="fields")
    dataclass = fields.String(required=True)
    at = fields.AwareDateTime(required=True)


class FieldView(Schema):
    """A field of an event type."""

    name = fields.String(required=True)
    zh = fields.String(required=True)
    en = fields.String(required=True)
    dataclass = fields.String(required=True)


class EventTypeView(Schema):
    """An event type that may be subscribed to: `subject_class` is the least class that a subscription needs."""

    type = fields.String(required=True)
    zh = fields.String(required=True)
    en = fields.String(required=True)
    subject_class = fields.String(required=True)
    fields_ = fields.List(fields.Nested(FieldView), required=True, data_key="fields", attribute="fields")


class EventTypes(Schema):
    """All event types that may be subscribed to today, and the departments that have a queue."""

    departments = fields.List(fields.String(), required=True)
    items = fields.List(fields.Nested(EventTypeView), required=True)


class PublicationView(CaseView):
    """A bulletin on one channel. `failure` says why it was given up, or what the last attempt failed of."""

    bulletin = fields.String(required=True)
    channel = fields.String(required=True)
    task = fields.String(required=True)
    round = fields.Integer(required=True)
    title = fields.String(required=True)
    content = fields.String(required=True)
    attempts = fields.Integer(required=True)
    outcome_unknown = fields.Boolean(attribute="unknown", required=True)
    external_id = fields.String(required=True, allow_none=True)
    url = fields.String(required=True, allow_none=True)
    posted_on = fields.Date(required=True, allow_none=True)
    confirmed_on = fields.Date(required=True, allow_none=True)
    withdrawn_on = fields.Date(required=True, allow_none=True)
    proof_sha256 = fields.String(required=True, allow_none=True)
    failure = fields.String(required=True, allow_none=True)


class ProofView(Schema):
    """A stored proof."""

    sha256 = fields.String(required=True)
    media_type = fields.String(required=True)
    size = fields.Integer(required=True)
    uploaded_by = fields.String(required=True)
    uploaded_at = fields.AwareDateTime(required=True)


class BulletinView(Schema):
    """A bulletin as signed-in readers see it."""

    id = fields.String(required=True)
    title = fields.String(required=True)
    text = fields.String(required=True)
    correction_text = fields.String(required=True)
    legal_basis = fields.String(required=True)
    published_on = fields.Date(required=True, allow_none=True)
    corrected_on = fields.Date(required=True, allow_none=True)


class Bulletins(Schema):
    """Bulletins, the newest first."""

    items = fields.List(fields.Nested(BulletinView), required=True)


class DeadlineView(CaseView):
    """A deadline that somebody is told of: what it belongs to, when it is due, how late it is."""

    service = fields.String(required=True)
    kind = fields.String(required=True)
    ref = fields.String(required=True)
    title_zh = fields.String(required=True)
    title_en = fields.String(required=True)
    due_at = fields.AwareDateTime(required=True)
    units = fields.List(fields.String(), required=True)
    level = fields.String(required=True)
    light = fields.String(required=True)
