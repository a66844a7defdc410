"""What readers see."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marshmallow import Schema, fields

from assessment.domain import constraint
from assessment.domain.deduction import decimal_text, explain
from assessment.domain.grading import two_places
from assessment.persistence.models import AnnualRecordRow
from citybus.cases.forms import CaseView
from citybus.rulepack import Rules


class Points(fields.Field[Decimal]):
    """A number of points as exact decimal text."""

    def _serialize(self, value: Decimal | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else decimal_text(value)


class Percent(fields.Field[Decimal]):
    """A part of 1 as per cent, to two places."""

    def _serialize(self, value: Decimal | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else decimal_text(two_places(value * 100))


class Both(Schema):
    """A text in both languages."""

    zh = fields.String(required=True)
    en = fields.String(required=True)


class CountsView(Schema):
    """How many were new, and how many were registered already and alike; null until the import has succeeded."""

    new = fields.Integer(required=True, allow_none=True)
    same = fields.Integer(required=True, allow_none=True)


class ImportView(Schema):
    """An import. `progress` of `total` steps are done; `errors` is where the list of what is wrong is fetched."""

    id = fields.String(required=True)
    state = fields.String(required=True, metadata={"enum": ["QUEUED", "RUNNING", "IMPORTED", "REJECTED", "FAILED"]})
    progress = fields.Integer(required=True)
    total = fields.Integer(required=True, allow_none=True)
    file_name = fields.String(required=True)
    sha256 = fields.String(required=True)
    size = fields.Integer(required=True)
    units = fields.Nested(CountsView, required=True)
    cadres = fields.Nested(CountsView, required=True)
    fault_count = fields.Integer(required=True, allow_none=True)
    errors = fields.String(required=True, allow_none=True)
    rule_pack = fields.String(required=True, allow_none=True)
    uploaded_by = fields.String(required=True)
    uploaded_at = fields.AwareDateTime(required=True)
    ended_at = fields.AwareDateTime(required=True, allow_none=True)


class UnitView(Schema):
    """A unit."""

    code = fields.String(required=True)
    name = fields.String(required=True)
    kind = fields.String(required=True)
    sector = fields.String(required=True)
    registered_at = fields.AwareDateTime(required=True)


class CadreView(Schema):
    """A cadre, without the identity number."""

    id = fields.String(required=True)
    state = fields.String(required=True)
    name = fields.String(required=True)
    birth = fields.Date(required=True)
    unit = fields.String(required=True)
    post = fields.String(required=True)
    post_since = fields.Date(required=True)
    rank = fields.String(required=True)
    party_member = fields.Boolean(required=True)
    manage_level = fields.String(required=True)
    categories = fields.List(fields.String(), required=True)
    effective_on = fields.Date(required=True, metadata={"description": "生效日期 from when this holds"})
    version = fields.Integer(required=True, metadata={"description": "the ETag; send it back as If-Match"})
    registered_at = fields.AwareDateTime(required=True)


class CadreFullView(CadreView):
    """A cadre; with the identity number where a purpose was stated."""

    id_no = fields.String()


class CadreChangeView(Schema):
    """What held of a cadre from a day, and why it changed."""

    number = fields.Integer(required=True)
    change = fields.String(required=True)
    state = fields.String(required=True)
    unit = fields.String(required=True)
    post = fields.String(required=True)
    post_since = fields.Date(required=True)
    rank = fields.String(required=True)
    manage_level = fields.String(required=True)
    categories = fields.List(fields.String(), required=True)
    effective_on = fields.Date(required=True)
    how = fields.String(required=True, allow_none=True)
    document = fields.String(required=True, allow_none=True)
    reason = fields.String(required=True, allow_none=True)
    recorded_at = fields.AwareDateTime(required=True)
    recorded_by = fields.String(required=True)


class CadreChanges(Schema):
    """The posts and states of a cadre, oldest first."""

    items = fields.List(fields.Nested(CadreChangeView), required=True)


class ItemView(Schema):
    """What one finding contributes to a deduction: points = effective weight × share of the role."""

    finding = fields.String(required=True)
    role = fields.String(required=True)
    base_weight = fields.String(required=True)
    tolerance_case = fields.String(required=True, allow_none=True)
    tolerance_factor = fields.String(required=True, allow_none=True)
    effective_weight = fields.String(required=True)
    role_share = fields.String(required=True)
    points = fields.String(required=True)
    verified_on = fields.String(required=True)
    rule_pack = fields.String(required=True)


class RecordView(Schema):
    """A cadre's annual record. Version 0 means that nothing has been recorded: nothing is deducted."""

    cadre = fields.String(required=True)
    year = fields.Integer(required=True)
    version = fields.Integer(required=True)
    deduction = Points(required=True)
    points = Points(required=True, metadata={"description": "扣分合计（未封顶）the sum before the cap"})
    cap = Points(required=True)
    items = fields.List(fields.Nested(ItemView), required=True)
    explanation = fields.Nested(Both, required=True)
    rule_packs = fields.List(fields.String(), required=True)
    recorded_at = fields.AwareDateTime(required=True, allow_none=True)
    cause = fields.String(required=True, allow_none=True, metadata={"description": "起因事件 the event that led to it"})
    correlation_id = fields.String(required=True, allow_none=True)


class LabelledView(Schema):
    """A code with its labels."""

    code = fields.String(required=True)
    zh = fields.String(required=True)
    en = fields.String(required=True)


class CatalogueView(Schema):
    """The values that a roster may have today."""

    unit_kinds = fields.List(fields.Nested(LabelledView), required=True)
    sectors = fields.List(fields.Nested(LabelledView), required=True)
    ranks = fields.List(fields.Nested(LabelledView), required=True)
    manage_levels = fields.List(fields.Nested(LabelledView), required=True)
    categories = fields.List(fields.Nested(LabelledView), required=True)


class DutyItemView(Schema):
    """An item of a duty list."""

    id = fields.String(required=True)
    title = fields.String(required=True)
    source = fields.String(required=True)
    measure = fields.String(required=True, allow_none=True)
    target = fields.String(required=True, allow_none=True)
    due = fields.String(required=True, allow_none=True)
    weight = fields.String(required=True, allow_none=True)
    key_project = fields.String(required=True, allow_none=True)
    indicator = fields.String(required=True, allow_none=True)


class IndicatorView(CaseView):
    """An indicator; target and baseline count in its unit of measure."""

    year = fields.Integer(required=True)
    code = fields.String(required=True)
    title = fields.String(required=True)
    level = fields.String(required=True)
    unit_of_measure = fields.String(required=True)
    target = Points(required=True)
    baseline = Points(required=True, allow_none=True)
    lead_unit = fields.String(required=True)
    co_units = fields.List(fields.String(), required=True)


class LinkedItemView(Schema):
    """An item of a duty list that serves an indicator."""

    duty_list = fields.String(required=True)
    owner_kind = fields.String(required=True)
    owner = fields.String(required=True)
    unit = fields.String(required=True)
    state = fields.String(required=True)
    item = fields.Nested(DutyItemView, required=True)


class LinkedItems(Schema):
    """The items that serve an indicator, of the lists that the caller may see."""

    items = fields.List(fields.Nested(LinkedItemView), required=True)


class AmendmentView(Schema):
    """An amendment that is proposed or under review."""

    items = fields.List(fields.Nested(DutyItemView), required=True)
    reason = fields.String(required=True)
    proposed_on = fields.String(required=True)
    cosigned_by = fields.String(required=True, allow_none=True)
    review = fields.String(required=True, allow_none=True)


class DutyListView(CaseView):
    """A duty list. `list_version` is 0 until the lock and grows with each amendment; `version` is the ETag."""

    owner_kind = fields.String(required=True)
    owner = fields.String(required=True)
    unit = fields.String(required=True)
    year = fields.Integer(required=True)
    kind = fields.String(required=True)
    items = fields.List(fields.Nested(DutyItemView), required=True)
    round = fields.Integer(required=True)
    list_version = fields.Integer(required=True)
    cosigned_by = fields.String(required=True, allow_none=True)
    submitted_on = fields.Date(required=True, allow_none=True)
    late = fields.Boolean(required=True)
    approved_on = fields.Date(required=True, allow_none=True)
    locked_on = fields.Date(required=True, allow_none=True)
    closed_on = fields.Date(required=True, allow_none=True)
    review = fields.String(required=True, allow_none=True)
    amendments = fields.Integer(required=True)
    amendment = fields.Nested(AmendmentView, required=True, allow_none=True)


class DutyListVersionView(Schema):
    """A version of a locked list."""

    version = fields.Integer(required=True)
    items = fields.List(fields.Nested(DutyItemView), required=True)
    reason = fields.String(required=True, allow_none=True)
    review = fields.String(required=True, allow_none=True)
    adopted_at = fields.AwareDateTime(required=True)


class DutyListVersions(Schema):
    """The versions of a locked list, oldest first."""

    items = fields.List(fields.Nested(DutyListVersionView), required=True)


class MemberView(Schema):
    """A member of a joint review, with the verdict; the comments have a route of their own."""

    cadre = fields.String(required=True)
    unit = fields.String(required=True)
    capacity = fields.String(required=True)
    mandatory = fields.Boolean(required=True)
    verdict = fields.String(required=True, allow_none=True)
    given_on = fields.String(required=True, allow_none=True)
    late = fields.Boolean(required=True)


class JointReviewView(CaseView):
    """A joint review of a duty list, or of an amendment of a locked one."""

    duty_list = fields.String(attribute="duty_list_id", required=True)
    round = fields.Integer(required=True)
    amendment = fields.Boolean(required=True)
    unit = fields.String(required=True)
    owner_kind = fields.String(required=True)
    owner = fields.String(required=True)
    members = fields.List(fields.Nested(MemberView), required=True)
    due_on = fields.Date(required=True)
    conclusion = fields.String(required=True, allow_none=True)
    concluded_on = fields.Date(required=True, allow_none=True)


class CommentView(Schema):
    """A comment on an item."""

    item = fields.String(required=True)
    text = fields.String(required=True)


class OpinionView(Schema):
    """What a member thought, when."""

    cadre = fields.String(required=True)
    capacity = fields.String(required=True)
    verdict = fields.String(required=True)
    item_comments = fields.List(fields.Nested(CommentView), attribute="comments", required=True)
    at = fields.AwareDateTime(required=True)


class Opinions(Schema):
    """The opinions of a joint review, oldest first; of each member the latest counts."""

    items = fields.List(fields.Nested(OpinionView), required=True)


class ConstraintView(CaseView):
    """A constraint on the grade of a year."""

    cadre = fields.String(required=True)
    year = fields.Integer(required=True)
    kind = fields.String(required=True, metadata={"enum": [kind.value for kind in constraint.Kind]})
    grade = fields.String(required=True, allow_none=True)
    reason_code = fields.String(required=True)
    source = fields.String(required=True, metadata={"description": "来源事项 the matter that it follows from"})
    findings = fields.List(fields.String(), required=True)
    open_ended = fields.Boolean(required=True, metadata={"description": "also for later years, until it is lifted"})
    rule_packs = fields.List(fields.String(), required=True)
    active_at = fields.AwareDateTime(required=True, allow_none=True)
    lifted_at = fields.AwareDateTime(required=True, allow_none=True)
    cause = fields.String(required=True, allow_none=True)


class AbsenceView(CaseView):
    """A leave."""

    cadre = fields.String(required=True)
    unit = fields.String(required=True)
    kind = fields.String(required=True)
    begins = fields.Date(required=True)
    ends = fields.Date(required=True)


class AppealView(CaseView):
    """A review or an appeal, without its text."""

    type = fields.String(required=True)
    subject_ref = fields.String(required=True)
    original = fields.String(required=True, allow_none=True, metadata={"description": "原结果 what was decided"})
    cadre = fields.String(required=True)
    review = fields.String(required=True, allow_none=True, metadata={"description": "the review that it follows"})
    service_on = fields.Date(required=True, allow_none=True)
    file_until = fields.Date(required=True, allow_none=True)
    filed_on = fields.Date(required=True)
    accepted_on = fields.Date(required=True, allow_none=True)
    due_on = fields.Date(required=True, allow_none=True)
    extended = fields.Boolean(required=True)
    examiner = fields.String(required=True, allow_none=True)
    decision = fields.String(required=True, allow_none=True)
    amended_to = fields.String(required=True, allow_none=True)
    decided_on = fields.Date(required=True, allow_none=True)
    executed_on = fields.Date(required=True, allow_none=True)
    rejected_for = fields.String(required=True, allow_none=True)
    suspends_enforcement = fields.Constant(False)


class GroundsView(Schema):
    """The text of an appeal."""

    grounds = fields.String(required=True)


class BoundView(Schema):
    """One constraint in the explanation; `decisive`: the result rests on it."""

    constraint = fields.String(required=True)
    year = fields.Integer(required=True)
    kind = fields.String(required=True)
    grade = fields.String(required=True, allow_none=True)
    reason_code = fields.String(required=True)
    reason = fields.Nested(Both, required=True)
    source = fields.String(required=True)
    findings = fields.List(fields.String(), required=True)
    decisive = fields.Boolean(required=True)
    rule_packs = fields.List(fields.String(), required=True)


class BoundsView(Schema):
    """What binds the grade of a cadre's year, and why."""

    cadre = fields.String(required=True)
    year = fields.Integer(required=True)
    status = fields.String(required=True, metadata={"enum": ["GRADED", "NO_GRADE", "PENDING_MAKEUP"]})
    forced = fields.String(required=True, allow_none=True)
    cap = fields.String(required=True, allow_none=True)
    explanation = fields.Nested(Both, required=True)
    constraints = fields.List(fields.Nested(BoundView), required=True)


def bounds_content(cadre: str, year: int, found: constraint.Combined, rules: Rules) -> Mapping[str, Any]:
    """Return what binds a grade as it is shown, with the labels of its reasons by `rules`."""
    reasons = rules[constraint.REASONS]
    zh, en = constraint.explain(found, reasons)
    shown: Mapping[str, Any] = BoundsView().dump(
        {
            "cadre": cadre,
            "year": year,
            "status": found.status.value,
            "forced": found.forced and found.forced.value,
            "cap": found.cap and found.cap.value,
            "explanation": {"zh": zh, "en": en},
            "constraints": [
                {
                    **{name: getattr(part, name) for name in BoundView().fields if name != "reason"},
                    "kind": part.kind.value,
                    "grade": part.grade and part.grade.value,
                    "reason": reasons[part.reason_code],
                }
                for part in found.parts
            ],
        }
    )
    return shown


def record_content(row: AnnualRecordRow) -> Mapping[str, Any]:
    """Return an annual record as it is shown, with how its deduction came about."""
    shares = [(item["effective_weight"], item["role_share"]) for item in row.items]
    zh, en = explain(shares, decimal_text(row.cap), decimal_text(row.deduction))
    shown: Mapping[str, Any] = RecordView().dump(
        {
            **{name: getattr(row, name) for name in _OF_RECORD},
            "explanation": {"zh": zh, "en": en},
            "rule_packs": sorted({row.cap_pack, *(item["rule_pack"] for item in row.items)}),
        }
    )
    return shown


_OF_RECORD = (
    "cadre",
    "year",
    "version",
    "deduction",
    "points",
    "cap",
    "items",
    "recorded_at",
    "cause",
    "correlation_id",
)


class SchemeView(CaseView):
    """A scheme."""

    year = fields.Integer(required=True)
    target_kind = fields.String(required=True)
    weights = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    bands = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class QuotaView(CaseView):
    """A quota: at most `limit` of `base` may be excellent."""

    year = fields.Integer(required=True)
    category = fields.String(required=True)
    unit = fields.String(required=True, allow_none=True)
    group_grade = fields.String(required=True, allow_none=True)
    ratio = Points(required=True)
    rounding = fields.String(required=True)
    counts_no_grade = fields.Boolean(required=True)
    base = fields.Integer(required=True)
    limit = fields.Integer(required=True, attribute="most")


class AnnualView(CaseView):
    """An annual assessment; how a grade came about is at `/annuals/<id>/explanation`."""

    subject_kind = fields.String(required=True)
    cadre = fields.String(required=True, allow_none=True)
    unit = fields.String(required=True)
    year = fields.Integer(required=True)
    scheme = fields.String(required=True, attribute="scheme_id")
    quota_category = fields.String(required=True)
    reported_on = fields.Date(required=True, allow_none=True)
    publicity_until = fields.Date(required=True, allow_none=True)
    grade = fields.String(required=True, allow_none=True)
    grade_status = fields.String(required=True, allow_none=True)
    revision = fields.Integer(required=True)
    approved_on = fields.Date(required=True, allow_none=True)
    served_on = fields.Date(required=True, allow_none=True)
    appeal_until = fields.Date(required=True, allow_none=True)
    cause = fields.String(required=True, allow_none=True)
    pending_cause = fields.String(required=True, allow_none=True)
    hold_closed_on = fields.Date(required=True, allow_none=True)


class DimensionView(Schema):
    """What one dimension contributes."""

    dimension = fields.String(required=True)
    weight = fields.String(required=True)
    score = fields.String(required=True)
    points = fields.String(required=True)


class DeductionView(Schema):
    """What findings deduct."""

    points = fields.String(required=True, allow_none=True)
    record_version = fields.Integer(required=True, allow_none=True)
    cap = fields.String(required=True, allow_none=True)
    items = fields.List(fields.Nested(ItemView), required=True)


class LimitView(Schema):
    """One constraint on a grade."""

    kind = fields.String(required=True)
    grade = fields.String(required=True, allow_none=True)
    reason_code = fields.String(required=True)
    source = fields.String(required=True)
    rule_packs = fields.List(fields.String())


class QuotaPart(Schema):
    """The quota that applies."""

    quota = fields.String(required=True)
    category = fields.String(required=True)
    unit = fields.String(required=True, allow_none=True)
    ratio = fields.String(required=True)
    rounding = fields.String(required=True)
    base = fields.Integer(required=True)
    limit = fields.Integer(required=True)
    counts_no_grade = fields.Boolean(required=True)


class BallotPart(Schema):
    """The ballot session that was scored."""

    session = fields.String(required=True, allow_none=True)
    flagged = fields.Boolean(required=True)


class ExplanationView(Schema):
    """How a grade came about: composite = Σ weight × score − deduction, then bands, constraints and quota."""

    dimensions = fields.List(fields.Nested(DimensionView), required=True)
    deduction = fields.Nested(DeductionView, required=True)
    composite = fields.String(required=True, allow_none=True)
    bands = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    band = fields.String(required=True, allow_none=True)
    engine_grade = fields.String(required=True, allow_none=True)
    proposed_grade = fields.String(required=True, allow_none=True)
    proposed_status = fields.String(required=True, allow_none=True)
    constraints = fields.List(fields.Nested(LimitView), required=True)
    quota = fields.Nested(QuotaPart, required=True, allow_none=True)
    notes = fields.List(fields.String(), required=True)
    ballot = fields.Nested(BallotPart, required=True)
    grade = fields.String(required=True, allow_none=True)
    grade_status = fields.String(required=True, allow_none=True)
    rule_packs = fields.List(fields.String(), required=True)


class ResultView(Schema):
    """One revision of a decided result."""

    annual_id = fields.String(required=True)
    revision = fields.Integer(required=True)
    grade = fields.String(required=True, allow_none=True)
    grade_status = fields.String(required=True)
    explanation = fields.Nested(ExplanationView, required=True)
    recorded_at = fields.AwareDateTime(required=True)
    cause = fields.String(required=True, allow_none=True)
    correlation_id = fields.String(required=True)


class ResultsView(Schema):
    """All revisions, oldest first."""

    items = fields.List(fields.Nested(ResultView), required=True)


class ClosingOutcome(Schema):
    """How many were planned and proposed, and how many were left because they changed in between."""

    planned = fields.Integer(required=True)
    proposed = fields.Integer(required=True)
    left = fields.Integer(required=True)


class ClosingView(Schema):
    """A job that proposes a year's grades. `progress` of `total` steps are done."""

    id = fields.String(required=True)
    state = fields.String(required=True, metadata={"enum": ["QUEUED", "RUNNING", "DONE", "FAILED"]})
    progress = fields.Integer(required=True)
    total = fields.Integer(required=True, allow_none=True)
    result = fields.Nested(ClosingOutcome, required=True, allow_none=True)


class SheetRows(Schema):
    """How many rows were recorded, stood already from the same file, and were refused because somebody acted in between."""

    new = fields.Integer(required=True)
    same = fields.Integer(required=True)
    refused = fields.Integer(required=True)


class SheetView(Schema):
    """An upload of a year's sheet. `progress` of `total` steps are done; `errors` is where what is wrong is fetched."""

    id = fields.String(required=True)
    state = fields.String(
        required=True, metadata={"enum": ["QUEUED", "RUNNING", "RECORDED", "PARTLY", "REJECTED", "FAILED"]}
    )
    progress = fields.Integer(required=True)
    total = fields.Integer(required=True, allow_none=True)
    file_name = fields.String(required=True)
    sha256 = fields.String(required=True)
    size = fields.Integer(required=True)
    rows = fields.Nested(SheetRows, required=True)
    fault_count = fields.Integer(required=True, allow_none=True)
    errors = fields.String(required=True, allow_none=True)
    uploaded_by = fields.String(required=True)
    uploaded_at = fields.AwareDateTime(required=True)
    ended_at = fields.AwareDateTime(required=True, allow_none=True)


class CodeCount(Schema):
    """How many were refused with a code."""

    code = fields.String(required=True)
    count = fields.Integer(required=True)


class RoundView(Schema):
    """A round: `taken` and `refused` of the `planned` so far; `refusals` is where each refused one is listed."""

    id = fields.String(required=True)
    year = fields.Integer(required=True)
    subject_kind = fields.String(required=True)
    action = fields.String(required=True)
    state = fields.String(required=True, metadata={"enum": ["QUEUED", "RUNNING", "DONE", "FAILED"]})
    planned = fields.Integer(required=True)
    taken = fields.Integer(required=True)
    refused = fields.Integer(required=True)
    refused_by_code = fields.List(fields.Nested(CodeCount), required=True)
    refusals = fields.String(required=True)
    started_by = fields.String(required=True)
    started_at = fields.AwareDateTime(required=True)


class RoundRefusal(Schema):
    """One whom a round refused. `annual` is null where there is no assessment yet, `cadre` for a unit's group."""

    place = fields.Integer(required=True)
    annual = fields.String(required=True, allow_none=True, attribute="annual_id")
    cadre = fields.String(required=True, allow_none=True)
    unit = fields.String(required=True)
    code = fields.String(required=True)
    zh = fields.String(required=True)
    en = fields.String(required=True)
    figures = fields.Dict(required=True)


class ReportView(Schema):
    """The report of a year."""

    text = fields.String(required=True, allow_none=True)


class VoterClassView(Schema):
    """The ballots of one class; null where so few voted that the detail would tell who voted how."""

    name = fields.String(required=True)
    expected = fields.Integer(required=True)
    counts = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True, allow_none=True)


class BallotView(Schema):
    """A counted session."""

    id = fields.String(required=True)
    subject_kind = fields.String(required=True)
    cadre = fields.String(required=True, allow_none=True)
    unit = fields.String(required=True)
    year = fields.Integer(required=True)
    held_on = fields.Date(required=True)
    classes = fields.List(fields.Nested(VoterClassView), required=True)
    turnout = Percent(required=True)
    valid = fields.Boolean(required=True)
    score = Points(required=True)
    flagged = fields.Boolean(required=True)
    evidence = fields.List(fields.String(), required=True)
    rule_packs = fields.List(fields.String(), required=True)
    recorded_by = fields.String(required=True)
    recorded_at = fields.AwareDateTime(required=True)


class RoutineView(Schema):
    """The routine grade of a quarter."""

    cadre = fields.String(required=True)
    year = fields.Integer(required=True)
    quarter = fields.Integer(required=True)
    grade = fields.String(required=True)
    score = Points(required=True)
    basis = fields.List(fields.String(), required=True)
    evidence = fields.List(fields.String(), required=True)
    rule_packs = fields.List(fields.String(), required=True)
    recorded_at = fields.AwareDateTime(required=True)


class TalkView(Schema):
    """That a talk was held; what was said is at `/talks/<id>/summary`."""

    id = fields.String(required=True)
    subject_kind = fields.String(required=True)
    cadre = fields.String(required=True, allow_none=True)
    unit = fields.String(required=True)
    year = fields.Integer(required=True)
    held_on = fields.Date(required=True)
    interviewers = fields.List(fields.String(), required=True)
    evidence = fields.List(fields.String(), required=True)
    recorded_at = fields.AwareDateTime(required=True)


class SummaryView(Schema):
    """What was said in a talk (L4)."""

    summary = fields.String(required=True)


class RosterExportView(CaseView):
    """An export of the roster that was asked for; who asked fetches it from `…/roster.xlsx`."""

    purpose = fields.String(required=True)
    filters = fields.Dict(required=True)
    id_numbers = fields.Boolean(required=True)
    count = fields.Integer(required=True)
    needs_approval = fields.Boolean(required=True)
    requested_by = fields.String(required=True)
