"""The events of others, as far as notification reads them itself; what else they carry is left out."""

from marshmallow import EXCLUDE, Schema, fields, validate

from notification.domain.publication import Channel

CHANNELS = tuple(Channel)


class Anything(Schema):
    """An event that is only passed on: it is cut by its contract, not read."""

    class Meta:
        unknown = EXCLUDE


class UnitRegistered(Anything):
    """`assessment.unit.registered.v1`."""

    unit = fields.String(required=True)
    name = fields.String(required=True)


class CadreRegistered(Anything):
    """`assessment.cadre.registered.v1` and the changes since."""

    cadre = fields.String(required=True)
    name = fields.String(required=True)
    unit = fields.String(required=True)
    state = fields.String(load_default="ACTIVE")


class Responsible(Anything):
    """Who is held responsible for a finding, and how."""

    cadre = fields.String(required=True)
    role = fields.String(required=True)


class FindingNotified(Anything):
    """`supervision.finding.notified.v1`."""

    finding = fields.UUID(required=True)
    severity = fields.Integer(required=True)
    responsible = fields.List(fields.Nested(Responsible), required=True)
    notified_on = fields.Date(required=True)


class Applicant(Anything):
    """Who asked for tolerance: a cadre, a unit, or an organ of its own accord."""

    kind = fields.String(required=True, validate=validate.OneOf(("CADRE", "UNIT", "ORGAN")))
    id = fields.String(required=True)


class ToleranceDecided(Anything):
    """`incentive.tolerance.decided.v1`."""

    case = fields.UUID(required=True)
    finding = fields.UUID(required=True)
    applicant = fields.Nested(Applicant, required=True)
    unit = fields.String(required=True)
    circumstance = fields.Integer(required=True)
    decision = fields.String(required=True)
    factor = fields.String(required=True, allow_none=True)
    decided_on = fields.Date(required=True)


class ToleranceRefused(Anything):
    """`incentive.tolerance.not-accepted.v1`."""

    case = fields.UUID(required=True)
    finding = fields.UUID(required=True)
    applicant = fields.Nested(Applicant, required=True)


class Concerned(Anything):
    """A cadre or a unit that a document is for."""

    kind = fields.String(required=True, validate=validate.OneOf(("CADRE", "UNIT")))
    id = fields.String(required=True)


class ToleranceRevocation(Anything):
    """`incentive.tolerance.revocation-noticed.v1` and `.revoked.v1`."""

    case = fields.UUID(required=True)
    finding = fields.UUID(required=True)
    recipients = fields.List(fields.Nested(Concerned), load_default=())
    revoked_on = fields.Date(load_default=None, allow_none=True)


class BulletinEvent(Anything):
    """`supervision.bulletin.*.v1`: a bulletin as it stands, with the text that was approved for the public."""

    bulletin = fields.UUID(required=True)
    channels = fields.List(fields.String(validate=validate.OneOf(CHANNELS)), required=True)
    title = fields.String(required=True)
    text = fields.String(required=True)
    legal_basis = fields.String(required=True)
    correction_text = fields.String(load_default=None, allow_none=True)


class ToleranceOfFinding(Anything):
    """The fault tolerance that eases a finding."""

    case = fields.UUID(required=True)


class FindingChanged(Anything):
    """`supervision.finding.weight-changed.v1`, `.revoked.v1`."""

    finding = fields.UUID(required=True)
    effective_weight = fields.String(required=True)
    tolerance = fields.Nested(ToleranceOfFinding, required=True, allow_none=True)


class MatterOfCadre(Anything):
    """A matter of a cadre's: whom its document is for."""

    cadre = fields.String(required=True)


class RecallState(MatterOfCadre):
    """`supervision.recall.notified.v1`, `.outcome.v1`, and `.unit-warned.v1`, whose document is for the unit."""

    recall = fields.String(required=True)
    unit = fields.String(required=True)
    reports_missed = fields.Integer(load_default=0)
    circumstances = fields.List(fields.Raw(), required=True)
    outcome = fields.String(load_default=None, allow_none=True)
    outcome_on = fields.Date(load_default=None, allow_none=True)


class MeasureState(MatterOfCadre):
    """`supervision.measure.approved.v1`."""

    measure = fields.String(required=True)
    kind = fields.String(required=True)
    state = fields.String(required=True)
    reply_due = fields.Date(load_default=None, allow_none=True)


class MatterChanged(Anything):
    """An event of a matter that tells what became of it: its state, and until when it has effects."""

    state = fields.String(load_default="")
    eased = fields.Boolean(load_default=False)
    effect_until = fields.Date(load_default=None, allow_none=True)
    end_on = fields.Date(load_default=None, allow_none=True)


class SanctionState(MatterOfCadre):
    """`supervision.sanction.recorded.v1`."""

    sanction = fields.String(required=True)
    regime = fields.String(required=True)
    kind = fields.String(required=True)
    decided_on = fields.Date(required=True)
    effective_on = fields.Date(required=True)
    end_on = fields.Date(load_default=None, allow_none=True)


class AdjustmentState(MatterOfCadre):
    """`supervision.adjustment.decided.v1`."""

    adjustment = fields.String(required=True)
    way = fields.String(required=True)
    decided_on = fields.Date(load_default=None, allow_none=True)


class AnnualState(Anything):
    """`assessment.annual.approved.v1`, `.notified.v1`, `.corrected.v1`: of a cadre, or of a unit's leading group."""

    annual = fields.String(required=True)
    cadre = fields.String(required=True, allow_none=True)
    unit = fields.String(required=True)
    year = fields.Integer(required=True)
    grade = fields.String(required=True, allow_none=True)
    grade_status = fields.String(required=True, allow_none=True)
    revision = fields.Integer(load_default=1)


class AppealState(MatterOfCadre):
    """`assessment.appeal.decided.v1`, `.executed.v1`."""

    appeal = fields.String(required=True)
    type = fields.String(required=True)
    subject_ref = fields.String(required=True)
    decision = fields.String(load_default=None, allow_none=True)


class DeadlineState(Anything):
    """`<service>.deadline.armed.v1`, `.settled.v1`."""

    deadline = fields.UUID(required=True)
    kind = fields.String(required=True)
    ref = fields.String(required=True)
    zh = fields.String(required=True)
    en = fields.String(required=True)
    due_at = fields.AwareDateTime(required=True)
    warn_at = fields.AwareDateTime(required=True, allow_none=True)
    state = fields.String(required=True)
    acts = fields.Boolean(required=True)
    units = fields.List(fields.String(), required=True)
    persons = fields.List(fields.String(), required=True)
    disclosed = fields.Boolean(required=True)
    confidential = fields.Boolean(load_default=False)
    offices = fields.List(fields.String(), required=True)
