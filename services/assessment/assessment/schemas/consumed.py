"""The events of others, as far as assessment reads them; what else they carry is left out."""

from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate, validates_schema

from assessment.domain.deduction import Role


class _Consumed(Schema):
    class Meta:
        unknown = EXCLUDE


class Responsible(_Consumed):
    """Whom a finding holds responsible, and how."""

    cadre = fields.UUID(required=True)
    role = fields.String(required=True, validate=validate.OneOf([role.value for role in Role]))


class Tolerance(_Consumed):
    """The fault-tolerance case that eased a finding."""

    case = fields.UUID(required=True)
    factor = fields.Decimal(required=True, validate=validate.Range(0, 1))


class FindingState(_Consumed):
    """`supervision.finding.verified.v1` and `.weight-changed.v1`: the state of a finding. Weights are points."""

    finding = fields.UUID(required=True)
    state = fields.String(required=True)
    base_weight = fields.Decimal(required=True, validate=validate.Range(0))
    effective_weight = fields.Decimal(required=True, validate=validate.Range(0))
    responsible = fields.List(fields.Nested(Responsible), required=True)
    verified_on = fields.Date(required=True, allow_none=True)
    year = fields.Integer(required=True, allow_none=True, strict=True, validate=validate.Range(2000, 9999))
    tolerance = fields.Nested(Tolerance, required=True, allow_none=True)

    @validates_schema
    def _year_of_verification(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if data.get("verified_on") is not None and data.get("year") is None:
            raise ValidationError("a verified finding counts in a year", "year")


class Recipient(_Consumed):
    """Who was served."""

    id = fields.String(required=True)


class DeliveryServed(_Consumed):
    """`notification.delivery.signed.v1`, `.refused.v1` and `.substituted.v1`: a document was served."""

    document = fields.String(required=True)
    ref = fields.String(required=True)
    recipient = fields.Nested(Recipient, required=True)
    served_on = fields.Date(required=True, allow_none=True)
