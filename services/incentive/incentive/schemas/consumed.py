"""The events of others, as far as incentive reads them; what else they carry is left out."""

from marshmallow import EXCLUDE, Schema, fields, validate


class _Consumed(Schema):
    class Meta:
        unknown = EXCLUDE


class CadreRegistered(_Consumed):
    """`assessment.cadre.registered.v1` and the changes since: the name and the rest are not needed here, and not kept."""

    cadre = fields.String(required=True)
    unit = fields.String(required=True)
    post_since = fields.Date(required=True)
    state = fields.String(load_default="ACTIVE")


class DeductionItem(_Consumed):
    """What one finding weighs in a cadre's year, in points."""

    finding = fields.UUID(required=True)
    effective_weight = fields.Decimal(required=True, validate=validate.Range(0))


class DeductionChanged(_Consumed):
    """`assessment.deduction.changed.v1`."""

    cadre = fields.String(required=True)
    year = fields.Integer(required=True, strict=True)
    items = fields.List(fields.Nested(DeductionItem), required=True)


class Responsible(_Consumed):
    """Whom a finding holds responsible."""

    cadre = fields.String(required=True)


class FindingState(_Consumed):
    """`supervision.finding.*.v1`: the state of a finding. Weights are points."""

    finding = fields.UUID(required=True)
    unit = fields.String(required=True)
    state = fields.String(required=True)
    base_weight = fields.Decimal(required=True, validate=validate.Range(0))
    effective_weight = fields.Decimal(required=True, validate=validate.Range(0))
    responsible = fields.List(fields.Nested(Responsible), required=True)
    served_on = fields.Date(required=True, allow_none=True)
    verified_on = fields.Date(required=True, allow_none=True)
    handlers = fields.List(fields.String(), load_default=())
    rectified_factor = fields.Decimal(load_default=None, allow_none=True, validate=validate.Range(0, 1))


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


class Interval(_Consumed):
    """A bar, from its first day until the first that is free again (None: until it is lifted)."""

    code = fields.String(required=True)
    start = fields.Date(required=True, data_key="from")
    until = fields.Date(required=True, allow_none=True)


class EligibilityChanged(_Consumed):
    """`supervision.eligibility.changed.v1`: the bars of a cadre, by purpose."""

    cadre = fields.String(required=True)
    purposes = fields.Dict(keys=fields.String(), values=fields.List(fields.Nested(Interval)), required=True)


class BulletinState(_Consumed):
    """`supervision.bulletin.*.v1`: the text itself is not needed here."""

    findings = fields.List(fields.UUID(), required=True)
    named = fields.Boolean(required=True)
    state = fields.String(required=True)


class MeasureOnCadre(_Consumed):
    """`supervision.recall.*.v1` and `supervision.adjustment.*.v1`: what is done about a cadre because of findings."""

    cadre = fields.String(required=True)
    findings = fields.List(fields.UUID(), required=True)
    state = fields.String(required=True)


class MeasureState(MeasureOnCadre):
    """`supervision.measure.*.v1`; `effect_until` is that of an admonition alone."""

    effect_until = fields.Date(required=True, allow_none=True)
    eased = fields.Boolean(load_default=False)


class ConstraintState(_Consumed):
    """`assessment.constraint.*.v1`."""

    cadre = fields.String(required=True)
    findings = fields.List(fields.UUID(), required=True)
    state = fields.String(required=True)
    source = fields.String(required=True)


class AnnualState(_Consumed):
    """`assessment.annual.*.v1` once there is a result; that of a group has no cadre."""

    cadre = fields.String(required=True, allow_none=True)
    year = fields.Integer(required=True, strict=True)
    grade = fields.String(required=True, allow_none=True)
    grade_status = fields.String(required=True, allow_none=True)
