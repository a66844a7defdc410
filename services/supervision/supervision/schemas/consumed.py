"""The events of others, as far as supervision reads them; what else they carry is left out."""

from marshmallow import EXCLUDE, Schema, fields, validate


class _Consumed(Schema):
    class Meta:
        unknown = EXCLUDE


class UnitRegistered(_Consumed):
    """`assessment.unit.registered.v1`."""

    unit = fields.String(required=True)
    name = fields.String(required=True)
    kind = fields.String(required=True)


class CadreRegistered(_Consumed):
    """`assessment.cadre.registered.v1` and the changes since: the name and the rest are not needed here, and not kept."""

    cadre = fields.String(required=True)
    unit = fields.String(required=True)
    state = fields.String(load_default="ACTIVE")


class ToleranceState(_Consumed):
    """`incentive.tolerance.*.v1`: the case as it is now."""

    case = fields.UUID(required=True)
    finding = fields.UUID(required=True)
    state = fields.String(required=True)
    decision = fields.String(required=True, allow_none=True)
    factor = fields.Decimal(required=True, allow_none=True, validate=validate.Range(0, 1))


class ToleranceEffective(ToleranceState):
    """`incentive.tolerance.effective.v1`; a denied case has no factor, or 1.0."""

    decision = fields.String(required=True, validate=validate.OneOf(("EXEMPT", "MITIGATE", "DENY")))


class PublicationState(_Consumed):
    """`notification.publication.*.v1`: what a channel reports of a bulletin."""

    publication = fields.UUID(required=True)
    bulletin = fields.UUID(required=True)
    channel = fields.String(required=True)
    state = fields.String(required=True)
    external_id = fields.String(required=True, allow_none=True)
    url = fields.String(required=True, allow_none=True)


class Recipient(_Consumed):
    """To whom a document was delivered."""

    kind = fields.String(required=True)
    id = fields.String(required=True)


class DeliveryServed(_Consumed):
    """`notification.delivery.signed.v1`, `.refused.v1` and `.substituted.v1`: a document is served."""

    document = fields.String(required=True)
    ref = fields.String(required=True)
    recipient = fields.Nested(Recipient, required=True)
    served_on = fields.Date(required=True, allow_none=True)


class AppealState(_Consumed):
    """`assessment.appeal.*.v1`: a review or an appeal as it is now, about the matter `subject_ref`."""

    appeal = fields.UUID(required=True)
    type = fields.String(required=True)
    subject_ref = fields.String(required=True)
    state = fields.String(required=True)
    decision = fields.String(required=True, allow_none=True, validate=validate.OneOf(("UPHELD", "AMENDED", "REVOKED")))
    amended_to = fields.String(required=True, allow_none=True)
