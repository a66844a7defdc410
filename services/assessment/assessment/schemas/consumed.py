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
    """`supervision.finding.*.v1` from verification on: the state of a finding. Weights are points."""

    finding = fields.UUID(required=True)
    severity = fields.Integer(required=True, strict=True, validate=validate.Range(1, 5))
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


class SanctionState(_Consumed):
    """`supervision.sanction.*.v1`: a sanction as it stands; `months` and `end_on` are those of the effect period."""

    sanction = fields.UUID(required=True)
    cadre = fields.UUID(required=True)
    regime = fields.String(required=True, validate=validate.OneOf(("PARTY", "GOV", "ORG", "ADMONITION")))
    kind = fields.String(required=True)
    state = fields.String(required=True)
    decided_on = fields.Date(required=True)
    effective_on = fields.Date(required=True, allow_none=True)
    end_on = fields.Date(required=True, allow_none=True)
    months = fields.Integer(required=True, allow_none=True, strict=True, validate=validate.Range(1))


class MeasureState(_Consumed):
    """`supervision.measure.*.v1`: a reminder, inquiry, criticism or admonition as it stands."""

    measure = fields.UUID(required=True)
    kind = fields.String(required=True)
    cadre = fields.UUID(required=True)
    findings = fields.List(fields.UUID(), required=True)
    state = fields.String(required=True)
    delivered_on = fields.Date(required=True, allow_none=True)
    effect_until = fields.Date(required=True, allow_none=True)


class AdjustmentState(_Consumed):
    """`supervision.adjustment.*.v1`: an adjustment as it stands."""

    adjustment = fields.UUID(required=True)
    cadre = fields.UUID(required=True)
    findings = fields.List(fields.UUID(), required=True)
    way = fields.String(required=True)
    state = fields.String(required=True)
    decided_on = fields.Date(required=True, allow_none=True)
    executed_on = fields.Date(required=True, allow_none=True)


class RecallState(_Consumed):
    """`supervision.recall.*.v1`: a recall as it stands."""

    recall = fields.UUID(required=True)
    cadre = fields.UUID(required=True)
    findings = fields.List(fields.UUID(), required=True)
    state = fields.String(required=True)
    approved_on = fields.Date(required=True, allow_none=True)
    outcome = fields.String(required=True, allow_none=True)
    outcome_on = fields.Date(required=True, allow_none=True)


class CaseHold(_Consumed):
    """`supervision.case-hold.opened.v1` and `.closed.v1`: that there is a case, or no longer."""

    case_hold = fields.UUID(required=True)
    cadre = fields.UUID(required=True)


class Recipient(_Consumed):
    """Who was served."""

    id = fields.String(required=True)


class DeliveryServed(_Consumed):
    """`notification.delivery.signed.v1`, `.refused.v1` and `.substituted.v1`: a document was served."""

    document = fields.String(required=True)
    ref = fields.String(required=True)
    recipient = fields.Nested(Recipient, required=True)
    served_on = fields.Date(required=True, allow_none=True)
