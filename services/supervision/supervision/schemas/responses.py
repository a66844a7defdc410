"""What readers see."""

from decimal import Decimal
from typing import Any

from marshmallow import Schema, fields

from citybus.cases.forms import CaseView
from supervision.domain.points import points


class Points(fields.Field[Decimal]):
    """A number of points as exact decimal text."""

    def _serialize(self, value: Decimal | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else points(value)


class InspectionView(CaseView):
    """An inspection; the report's text has a route of its own."""

    kind = fields.String(required=True)
    theme = fields.String(required=True)
    plan_date = fields.Date(required=True)
    end_date = fields.Date(required=True)
    team = fields.List(fields.String(), required=True)
    units = fields.List(fields.String(), required=True)
    notice_required = fields.Boolean(required=True)
    approved_on = fields.Date(required=True, allow_none=True)
    started_on = fields.Date(required=True, allow_none=True)
    ended_on = fields.Date(required=True, allow_none=True)
    reported_on = fields.Date(required=True, allow_none=True)
    report_late = fields.Boolean(required=True, allow_none=True)


class ResponsibleView(Schema):
    """A cadre held responsible, with the days of service and of the answer."""

    cadre = fields.String(required=True)
    role = fields.String(required=True)
    served_on = fields.String(required=True, allow_none=True)
    pleaded_on = fields.String(required=True, allow_none=True)


class FindingView(CaseView):
    """A finding, with its facts; the answers have a route of their own."""

    inspection = fields.String(attribute="inspection_id", required=True, allow_none=True)
    source = fields.String(required=True)
    unit = fields.String(required=True)
    type = fields.String(required=True)
    reason_codes = fields.List(fields.String(), required=True)
    facts = fields.String(required=True)
    severity = fields.Integer(required=True)
    occurred_on = fields.Date(required=True)
    responsible = fields.List(fields.Nested(ResponsibleView), required=True)
    evidence = fields.List(fields.String(), required=True)
    base_weight = Points(required=True)
    effective_weight = Points(required=True)
    weight_pack = fields.String(required=True)
    notified_on = fields.Date(required=True, allow_none=True)
    served_on = fields.Date(required=True, allow_none=True)
    plea_until = fields.Date(required=True, allow_none=True)
    signed_by = fields.String(required=True, allow_none=True)
    verified_on = fields.Date(required=True, allow_none=True)
    year = fields.Integer(required=True, allow_none=True)
    tolerance_case = fields.String(required=True, allow_none=True)
    tolerance_factor = Points(required=True, allow_none=True)
    rectified_factor = Points(required=True, allow_none=True)
    relapses = fields.Integer(required=True)
    revoked_on = fields.Date(required=True, allow_none=True)
    revocation = fields.Dict(required=True, allow_none=True)


class MeasureView(CaseView):
    """A measure, with why it was taken and what was answered."""

    kind = fields.String(required=True)
    cadre = fields.String(required=True)
    unit = fields.String(required=True)
    findings = fields.List(fields.String(), required=True)
    reason_codes = fields.List(fields.String(), required=True)
    cause = fields.String(required=True)
    suggested = fields.Boolean(required=True)
    approved_on = fields.Date(required=True, allow_none=True)
    delivered_on = fields.Date(required=True, allow_none=True)
    effect_until = fields.Date(required=True, allow_none=True)
    eased = fields.Boolean(required=True)
    inquiries = fields.Integer(required=True)
    reply_due = fields.Date(required=True, allow_none=True)
    replied_on = fields.Date(required=True, allow_none=True)
    reply = fields.String(required=True, allow_none=True)
    result = fields.String(required=True, allow_none=True)
    closed_on = fields.Date(required=True, allow_none=True)
    revoked_for = fields.String(required=True, allow_none=True)


class RectificationView(CaseView):
    """A rectification, with what the unit plans and reports."""

    finding = fields.String(attribute="finding_id", required=True)
    unit = fields.String(required=True)
    owner = fields.String(required=True)
    plan = fields.String(required=True)
    planned_on = fields.Date(required=True)
    due = fields.Date(required=True)
    extended = fields.Boolean(required=True)
    overdue = fields.Boolean(required=True)
    report = fields.String(required=True, allow_none=True)
    proof = fields.List(fields.String(), required=True)
    submitted_on = fields.Date(required=True, allow_none=True)
    accepted_on = fields.Date(required=True, allow_none=True)
    in_time = fields.Boolean(required=True, allow_none=True)
    recheck_due = fields.Date(required=True, allow_none=True)
    rechecked_on = fields.Date(required=True, allow_none=True)
    result = fields.String(required=True, allow_none=True)


class BulletinView(CaseView):
    """A bulletin, with its text and what each channel reports."""

    findings = fields.List(fields.String(), required=True)
    units = fields.List(fields.String(), required=True)
    named = fields.Boolean(required=True)
    channels = fields.List(fields.String(), required=True)
    title = fields.String(required=True)
    text = fields.String(required=True)
    unnamed_title = fields.String(required=True, allow_none=True)
    unnamed_text = fields.String(required=True, allow_none=True)
    legal_basis = fields.String(required=True)
    approvals = fields.List(fields.Dict(), required=True)
    publish_at = fields.AwareDateTime(required=True, allow_none=True)
    published_on = fields.Date(required=True, allow_none=True)
    expire_at = fields.AwareDateTime(required=True, allow_none=True)
    channel_states = fields.Dict(required=True)
    correction = fields.Dict(required=True, allow_none=True)
    correction_text = fields.String(required=True, allow_none=True)
    reason_code = fields.String(required=True, allow_none=True)
    held_for = fields.String(required=True, allow_none=True)


class PleaView(Schema):
    """One answer of a responsible cadre."""

    id = fields.String(required=True)
    cadre = fields.String(required=True)
    text = fields.String(required=True)
    at = fields.AwareDateTime(required=True)


class Pleas(Schema):
    """The answers to a finding, oldest first."""

    items = fields.List(fields.Nested(PleaView), required=True)


class ReportView(Schema):
    """The report of an inspection."""

    inspection = fields.String(attribute="id", required=True)
    summary = fields.String(required=True)
    ended_on = fields.Date(required=True)
    reported_on = fields.Date(required=True)
    report_late = fields.Boolean(required=True)


class EvidenceView(Schema):
    """What is known of a file of evidence."""

    sha256 = fields.String(required=True)
    media_type = fields.String(required=True)
    size = fields.Integer(required=True)
    name = fields.String(required=True)
    uploaded_at = fields.AwareDateTime(required=True)


class SignalView(CaseView):
    """A signal; its text has a route of its own. `finding` is the refused one that sent it."""

    finding = fields.String(attribute="finding_id", required=True, allow_none=True)
    unit = fields.String(required=True)
    cadre = fields.String(required=True, allow_none=True)
    source = fields.String(required=True)
    type = fields.String(required=True)
    reason_codes = fields.List(fields.String(), required=True)
    severity = fields.Integer(required=True)
    posted_unit = fields.String(required=True, allow_none=True)
    has_informant = fields.Boolean(required=True)
    received_on = fields.Date(required=True)
    triaged_on = fields.Date(required=True, allow_none=True)
    in_time = fields.Boolean(required=True, allow_none=True)
    settled_on = fields.Date(required=True, allow_none=True)
    linked_finding = fields.String(required=True, allow_none=True)
    transferred_to = fields.String(required=True, allow_none=True)
    transferred_at = fields.AwareDateTime(required=True, allow_none=True)
    merged_into = fields.String(required=True, allow_none=True)
    merged = fields.Integer(required=True, metadata={"description": "how many duplicates went into it"})


class SignalText(Schema):
    """The text of a signal, or of a duplicate that went into it."""

    signal = fields.String(attribute="id", required=True)
    source = fields.String(required=True)
    posted_unit = fields.String(required=True, allow_none=True)
    received_on = fields.Date(required=True)
    has_informant = fields.Boolean(required=True)
    text = fields.String(required=True)


class SignalTexts(Schema):
    """The texts of a signal and of its duplicates, oldest first."""

    items = fields.List(fields.Nested(SignalText), required=True)


class ReceiptView(Schema):
    """What who posted a clue may see of it: how far it is, and nothing of what others posted."""

    id = fields.String(required=True)
    state = fields.String(required=True)
    received_on = fields.Date(required=True)
    triaged_on = fields.Date(required=True, allow_none=True)
    settled_on = fields.Date(required=True, allow_none=True)


class InformantAccessView(CaseView):
    """An access to an informant's identity, without the identity."""

    signal = fields.String(attribute="signal_id", required=True)
    purpose = fields.String(required=True)
    asked_by = fields.String(required=True)
    granted_on = fields.Date(required=True, allow_none=True)
    until = fields.Date(required=True, allow_none=True)


class IdentityView(Schema):
    """Who told of a clue."""

    name = fields.String(required=True)
    contact = fields.String(required=True, allow_none=True)


class CatalogueEntry(Schema):
    """One entry of a catalogue, in both languages."""

    code = fields.String(required=True)
    zh = fields.String(required=True)
    en = fields.String(required=True)


class Catalogue(Schema):
    """What the forms may name, under the rules in force."""

    kinds = fields.List(fields.Nested(CatalogueEntry), required=True)
    themes = fields.List(fields.Nested(CatalogueEntry), required=True)
    finding_types = fields.List(fields.Nested(CatalogueEntry), required=True)
    reason_codes = fields.List(fields.Nested(CatalogueEntry), required=True)
    sanction_kinds = fields.Dict(keys=fields.String(), values=fields.List(fields.Nested(CatalogueEntry)), required=True)
    adjustment_reasons = fields.Dict(
        keys=fields.String(), values=fields.List(fields.Nested(CatalogueEntry)), required=True
    )
    adjustment_ways = fields.Dict(keys=fields.String(), values=fields.List(fields.String()), required=True)
    recall_circumstances = fields.List(fields.Nested(CatalogueEntry), required=True)
    training_phases = fields.List(fields.Nested(CatalogueEntry), required=True)
    weights = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class EligibilityReason(Schema):
    """Why a cadre is barred: a code, and the first day without this reason (null: not known)."""

    code = fields.String(required=True)
    until = fields.Date(required=True, allow_none=True)


class EligibilityView(Schema):
    """The answer about one cadre."""

    cadre = fields.String(required=True)
    purpose = fields.String(required=True)
    as_of = fields.Date(required=True)
    verdict = fields.String(required=True, metadata={"enum": ["PASS", "BLOCKED", "PENDING"]})
    reasons = fields.List(fields.Nested(EligibilityReason), required=True)


class Eligibilities(Schema):
    """The answers about many, in the order in which they were named."""

    items = fields.List(fields.Nested(EligibilityView), required=True)


class SanctionView(CaseView):
    """A sanction with its period and what it was before."""

    cadre = fields.String(required=True)
    unit = fields.String(required=True)
    regime = fields.String(required=True)
    kind = fields.String(required=True)
    basis = fields.String(required=True, allow_none=True)
    organ = fields.String(required=True)
    decision_no = fields.String(required=True)
    legal_basis = fields.String(required=True)
    conduct_on = fields.Date(required=True, allow_none=True)
    decided_on = fields.Date(required=True)
    effective_on = fields.Date(required=True)
    offences = fields.Integer(required=True)
    months = fields.Integer(required=True, allow_none=True)
    after_months = fields.Integer(required=True, allow_none=True)
    rule_pack = fields.String(required=True)
    end_on = fields.Date(required=True, allow_none=True)
    post_until = fields.Date(required=True, allow_none=True)
    watch_until = fields.Date(required=True, allow_none=True)
    restored_on = fields.Date(required=True, allow_none=True)
    remainder_of = fields.String(required=True, allow_none=True)
    recorded_on = fields.Date(required=True, allow_none=True)
    recorded_late = fields.Boolean(required=True)
    served_on = fields.Date(required=True, allow_none=True)
    executed_on = fields.Date(required=True, allow_none=True)
    affects_use = fields.Boolean(required=True)
    affects_use_from = fields.Date(required=True, allow_none=True)
    revisions = fields.List(fields.Dict(), required=True)


class CaseHoldView(CaseView):
    """An investigation, for the discipline commission."""

    cadre = fields.String(required=True)
    unit = fields.String(required=True)
    organ = fields.String(required=True)
    case_no = fields.String(required=True)
    opened_on = fields.Date(required=True)
    closed_on = fields.Date(required=True, allow_none=True)
    result = fields.String(required=True, allow_none=True)


class AdjustmentView(CaseView):
    """An adjustment; the texts have a route of their own."""

    cadre = fields.String(required=True)
    unit = fields.String(required=True)
    basis = fields.String(required=True)
    way = fields.String(required=True)
    reason_codes = fields.List(fields.String(), required=True)
    findings = fields.List(fields.String(), required=True)
    recall = fields.String(required=True, allow_none=True)
    measure = fields.String(required=True, allow_none=True)
    months = fields.Integer(required=True, allow_none=True)
    decision_no = fields.String(required=True, allow_none=True)
    decided_on = fields.Date(required=True, allow_none=True)
    members = fields.Integer(required=True, allow_none=True)
    present = fields.Integer(required=True, allow_none=True)
    in_favour = fields.Integer(required=True, allow_none=True)
    served_on = fields.Date(required=True, allow_none=True)
    talkers = fields.List(fields.String(), required=True)
    talked_on = fields.Date(required=True, allow_none=True)
    executed_on = fields.Date(required=True, allow_none=True)
    executed_late = fields.Boolean(required=True, allow_none=True)
    sanction = fields.String(required=True, allow_none=True)
    appeal = fields.String(required=True, allow_none=True)
    appealed_on = fields.Date(required=True, allow_none=True)


class AdjustmentTexts(Schema):
    """The opinion behind an adjustment and what was said in the talk, for officers."""

    adjustment = fields.String(attribute="id", required=True)
    opinion = fields.String(required=True, allow_none=True)
    talk_summary = fields.String(required=True, allow_none=True)


class PhaseView(Schema):
    """A result of a phase of training; `why` says what was too low."""

    attempt = fields.Integer(required=True)
    phase = fields.Integer(required=True)
    score = fields.String(required=True)
    attendance = fields.String(required=True)
    passed = fields.Boolean(required=True)
    why = fields.String(required=True, allow_none=True)
    on = fields.String(required=True)


class MonthView(Schema):
    """A month of observation that the unit reports on."""

    month = fields.String(required=True)
    due = fields.String(required=True)
    submitted_on = fields.String(required=True, allow_none=True)
    missed = fields.Boolean(required=True)


class RecallView(CaseView):
    """A recall; its texts have a route of their own. `proposal` decides nothing."""

    cadre = fields.String(required=True)
    unit = fields.String(required=True)
    findings = fields.List(fields.String(), required=True)
    circumstances = fields.List(fields.Integer(), required=True)
    proposed_on = fields.Date(required=True)
    notified_on = fields.Date(required=True, allow_none=True)
    served_on = fields.Date(required=True, allow_none=True)
    plea_until = fields.Date(required=True, allow_none=True)
    pleaded_on = fields.Date(required=True, allow_none=True)
    approved_on = fields.Date(required=True, allow_none=True)
    training_class = fields.String(attribute="class_id", data_key="class", required=True, allow_none=True)
    attempt = fields.Integer(required=True)
    phases = fields.List(fields.Nested(PhaseView), required=True)
    failed_on = fields.Date(required=True, allow_none=True)
    observe_from = fields.Date(required=True, allow_none=True)
    observe_until = fields.Date(required=True, allow_none=True)
    observe_months = fields.Integer(required=True, allow_none=True)
    reports = fields.List(fields.Nested(MonthView), required=True)
    unit_warned_on = fields.Date(required=True, allow_none=True)
    mid_score = Points(required=True, allow_none=True)
    mid_review_on = fields.Date(required=True, allow_none=True)
    unit_score = Points(required=True, allow_none=True)
    final_score = Points(required=True, allow_none=True)
    evaluated_on = fields.Date(required=True, allow_none=True)
    proposal = fields.String(required=True, allow_none=True)
    outcome = fields.String(required=True, allow_none=True)
    outcome_on = fields.Date(required=True, allow_none=True)
    cancel_reason = fields.String(required=True, allow_none=True)
    closed_on = fields.Date(required=True, allow_none=True)


class RecallText(Schema):
    """One text of a recall."""

    id = fields.String(required=True)
    kind = fields.String(required=True)
    attempt = fields.Integer(required=True)
    month = fields.String(required=True, allow_none=True)
    author = fields.String(required=True)
    text = fields.String(required=True)
    at = fields.AwareDateTime(required=True)


class RecallTexts(Schema):
    """The texts of a recall that the reader may see, oldest first."""

    items = fields.List(fields.Nested(RecallText), required=True)


class RecallSuggestion(Schema):
    """A cadre whom a recall might concern, and why."""

    cadre = fields.String(required=True)
    unit = fields.String(required=True)
    findings = fields.List(fields.String(), required=True)
    circumstances = fields.List(fields.Integer(), required=True)


class RecallSuggestions(Schema):
    """Whom a recall might concern, those with most findings first."""

    items = fields.List(fields.Nested(RecallSuggestion), required=True)


class TrainingClassView(CaseView):
    """A training class; who is in it is told by the recalls alone."""

    title = fields.String(required=True)
    place = fields.String(required=True)
    starts = fields.Date(required=True)
    ends = fields.Date(required=True)
    capacity = fields.Integer(required=True)
    trainers = fields.List(fields.String(), required=True)
