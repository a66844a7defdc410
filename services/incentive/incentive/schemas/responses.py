"""What readers see."""

from decimal import Decimal
from typing import Any

from marshmallow import Schema, fields

from citybus.cases.forms import CaseView
from incentive.domain.points import points
from incentive.domain.verification import proposal


class Points(fields.Field[Decimal]):
    """A number of points, or a factor, as exact decimal text."""

    def _serialize(self, value: Decimal | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else points(value)


class ApplicantView(Schema):
    """Who asked."""

    kind = fields.String(attribute="applicant_kind", required=True)
    id = fields.String(attribute="applicant_id", required=True)


class NoticeView(Schema):
    """Who is served the notice of a revocation, and on which day it was, and was answered."""

    kind = fields.String(required=True)
    id = fields.String(required=True)
    served_on = fields.String(required=True, allow_none=True)
    answered_on = fields.String(required=True, allow_none=True)


class ProposalView(Schema):
    """What is proposed before anything is verified, and the codes with which a panel would be refused anything else."""

    decision = fields.String(required=True)
    codes = fields.List(fields.String(), required=True)


class ToleranceView(CaseView):
    """A tolerance case. The application's text, the verification and the effects have routes of their own."""

    finding = fields.String(attribute="finding_id", required=True)
    applicant = fields.Function(lambda case: ApplicantView().dump(case), required=True)
    unit = fields.String(required=True)
    circumstance = fields.Integer(required=True)
    evidence = fields.List(fields.String(), required=True)
    account_stage = fields.String(required=True, allow_none=True)
    late = fields.Boolean(required=True)
    refiled = fields.Boolean(required=True)
    filed_on = fields.Date(required=True, allow_none=True)
    not_accepted_on = fields.Date(required=True, allow_none=True)
    refusal_served_on = fields.Date(required=True, allow_none=True)
    proposal = fields.Function(
        lambda case: None if (found := proposal(case)) is None else ProposalView().dump(found), required=True
    )
    verify_by = fields.Date(required=True, allow_none=True)
    extended_until = fields.Date(required=True, allow_none=True)
    decision = fields.String(required=True, allow_none=True)
    factor = Points(required=True, allow_none=True)
    decided_on = fields.Date(required=True, allow_none=True)
    served_on = fields.Date(required=True, allow_none=True)
    review_until = fields.Date(required=True, allow_none=True)
    effective_on = fields.Date(required=True, allow_none=True)
    review_asked_on = fields.Date(required=True, allow_none=True)
    reviewed_on = fields.Date(required=True, allow_none=True)
    first_decision = fields.String(required=True, allow_none=True)
    revocation_ground = fields.String(required=True, allow_none=True)
    noticed_on = fields.Date(required=True, allow_none=True)
    notices = fields.List(fields.Nested(NoticeView), required=True)
    answer_until = fields.Date(required=True, allow_none=True)
    revoked_on = fields.Date(required=True, allow_none=True)


class StatementView(Schema):
    """What the applicant wrote."""

    case = fields.String(attribute="id", required=True)
    statement = fields.String(required=True)
    late_cause = fields.String(required=True, allow_none=True)
    new_facts = fields.String(required=True, allow_none=True)
    review_grounds = fields.String(required=True, allow_none=True)
    answer = fields.String(required=True, allow_none=True)


class TextView(Schema):
    """A text in both languages."""

    zh = fields.String(required=True)
    en = fields.String(required=True)


class PersonView(Schema):
    """Somebody with a part in the case."""

    subject = fields.String(required=True)
    cadre = fields.String(required=True)


class MemberView(PersonView):
    """A member of the panel, with the vote."""

    vote = fields.String(required=True)


class VerificationView(Schema):
    """What the verifiers found, what that advises, and how the panel decided."""

    verifiers = fields.List(fields.Nested(PersonView), required=True)
    factors = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    exclusions = fields.List(fields.String(), required=True)
    advice = fields.String(required=True)
    explanation = fields.Nested(TextView, required=True)
    grounds = fields.Dict(required=True)
    panel = fields.List(fields.Nested(MemberView), required=True)
    decision = fields.String(required=True, allow_none=True)
    deviation = fields.String(required=True, allow_none=True)


class EffectView(Schema):
    """One consequence elsewhere: what the finding or a cadre's record weighs, or what `subject` names and must be settled."""

    step = fields.String(required=True)
    cadre = fields.String(required=True, allow_none=True)
    at_most = Points(required=True, allow_none=True)
    at_least = Points(required=True, allow_none=True)
    subject = fields.String(required=True, allow_none=True)
    outstanding_since = fields.AwareDateTime(required=True)
    done_at = fields.AwareDateTime(required=True, allow_none=True)
    by_event = fields.String(required=True, allow_none=True)


class EffectsView(Schema):
    """How far the consequences of a case are."""

    case = fields.String(attribute="case.id", required=True)
    state = fields.String(attribute="case.state", required=True)
    decision = fields.String(attribute="case.decision", required=True, allow_none=True)
    factor = Points(attribute="case.factor", required=True, allow_none=True)
    complete = fields.Boolean(required=True)
    overdue = fields.Boolean(required=True)
    due_at = fields.AwareDateTime(required=True, allow_none=True)
    items = fields.List(fields.Nested(EffectView), attribute="steps", required=True)


class EvidenceView(Schema):
    """What is known of an uploaded file."""

    sha256 = fields.String(required=True)
    name = fields.String(required=True)
    uploaded_at = fields.AwareDateTime(required=True)


class CatalogueEntry(Schema):
    """One entry of a catalogue, in both languages."""

    code = fields.Raw(required=True)
    zh = fields.String(required=True)
    en = fields.String(required=True)


class DecisionEntry(CatalogueEntry):
    """A decision, with the factor that follows from it."""

    factor = fields.String(required=True)


class Catalogue(Schema):
    """What the forms may name, under the rules in force."""

    circumstances = fields.List(fields.Nested(CatalogueEntry), required=True)
    exclusions = fields.List(fields.Nested(CatalogueEntry), required=True)
    factors = fields.List(fields.Nested(CatalogueEntry), required=True)
    decisions = fields.List(fields.Nested(DecisionEntry), required=True)


class PositionView(Schema):
    """A post to be filled. When the members of its group were born is not shown; their ages have a route of their own."""

    key = fields.String(required=True)
    unit = fields.String(required=True)
    post = fields.String(required=True)
    slots = fields.Integer(required=True)
    level = fields.String(required=True, allow_none=True)
    place = fields.String(required=True, allow_none=True)
    months = fields.Integer(required=True, allow_none=True)
    public_institution = fields.Boolean(required=True)
    avoid = fields.List(fields.String(), required=True)


class BatchView(CaseView):
    """A batch."""

    kind = fields.String(required=True)
    year = fields.Integer(required=True)
    title = fields.String(required=True)
    positions = fields.List(fields.Nested(PositionView), required=True)
    publicized_on = fields.Date(required=True, allow_none=True)
    publicity_until = fields.Date(required=True, allow_none=True)
    decided_on = fields.Date(required=True, allow_none=True)
    implemented_on = fields.Date(required=True, allow_none=True)
    reviewed_on = fields.Date(required=True, allow_none=True)


class ReasonView(Schema):
    """Why the gate does not open: a code, the first day on which it is over, and whether it only cannot be told yet."""

    code = fields.String(required=True)
    until = fields.Date(required=True, allow_none=True)
    pending = fields.Boolean(required=True)


class StoredReasonView(Schema):
    """A reason as it was kept."""

    code = fields.String(required=True)
    until = fields.String(required=True, allow_none=True)
    pending = fields.Boolean(required=True)


class ExternalView(Schema):
    """Somebody from outside."""

    name = fields.String(required=True)
    degree = fields.String(required=True)
    consent_on = fields.String(required=True, allow_none=True)


class CandidateView(CaseView):
    """A candidate, with what the gate said at the last check."""

    batch = fields.String(attribute="batch_id", required=True)
    kind = fields.String(required=True)
    position = fields.String(required=True)
    unit = fields.String(required=True)
    cadre = fields.String(required=True, allow_none=True)
    external = fields.Nested(ExternalView, required=True, allow_none=True)
    born_on = fields.Date(required=True)
    specialty = fields.String(required=True, allow_none=True)
    verdict = fields.String(required=True, allow_none=True)
    reasons = fields.List(fields.Nested(StoredReasonView), required=True)
    checked_on = fields.Date(required=True, allow_none=True)
    to_confirm = fields.Boolean(required=True)
    appointed_on = fields.Date(required=True, allow_none=True)


class GateView(Schema):
    """The gate's answer, with its explanation."""

    cadre = fields.String(required=True)
    purpose = fields.String(required=True)
    as_of = fields.Date(required=True)
    verdict = fields.String(required=True)
    reasons = fields.List(fields.Nested(ReasonView), required=True)
    explanation = fields.Nested(TextView, required=True)
    checks = fields.List(fields.String(), required=True)
    rule_packs = fields.List(fields.String(), required=True)


class GateEvaluationView(Schema):
    """What the gate answered about a candidate on one occasion."""

    id = fields.String(required=True)
    occasion = fields.String(required=True)
    purpose = fields.String(required=True)
    as_of = fields.Date(required=True)
    verdict = fields.String(required=True)
    reasons = fields.List(fields.Nested(StoredReasonView), required=True)
    at = fields.AwareDateTime(required=True)


class GateEvaluations(Schema):
    """What the gate answered about a candidate, oldest first."""

    items = fields.List(fields.Nested(GateEvaluationView), required=True)


class AgesView(Schema):
    """The ages of a group, in full years."""

    members = fields.Integer(required=True)
    mean = fields.Decimal(as_string=True, required=True, allow_none=True)
    youngest = fields.Integer(required=True, allow_none=True)
    ages = fields.List(fields.Integer(), required=True)


class StructureView(Schema):
    """The ages of a position's group, before and after."""

    position = fields.String(required=True)
    unit = fields.String(required=True)
    before = fields.Nested(AgesView, required=True)
    after = fields.Nested(AgesView, required=True)


class AgeStructure(Schema):
    """The age structure of each group that a batch concerns."""

    items = fields.List(fields.Nested(StructureView), required=True)


class CorrectionView(CaseView):
    """A correction plan. What the unit will do, and did, has a route of its own."""

    tolerance = fields.String(attribute="tolerance_id", required=True)
    unit = fields.String(required=True)
    owner = fields.String(required=True)
    proof = fields.List(fields.String(), required=True)
    opened_on = fields.Date(required=True)
    due_on = fields.Date(required=True)
    planned_on = fields.Date(required=True, allow_none=True)
    done_on = fields.Date(required=True, allow_none=True)


class MeasuresView(Schema):
    """What the unit will do, and says that it did."""

    correction = fields.String(attribute="id", required=True)
    measures = fields.List(fields.String(), required=True)
    note = fields.String(required=True, allow_none=True)
