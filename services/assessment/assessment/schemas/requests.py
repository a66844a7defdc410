"""What requests say."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from assessment.domain.annual import ROUND_ACTIONS
from assessment.domain.appeal import Decision, Ground, Type
from assessment.domain.duty_list import ListKind, OwnerKind, Source
from assessment.domain.grading import GRADES, SubjectKind
from assessment.domain.indicator import Level
from assessment.domain.joint_review import GIVEN, Capacity, Conclusion
from assessment.domain.quota import Category
from citybus.cases.forms import Form
from citybus.http import AsOf, Bilingual, PageQuery

MOST_ITEMS = 100


def _speaks(text: str) -> None:
    if not text.strip() or not text.isprintable():
        raise ValidationError(Bilingual("请写明用途。", "Say what it is for."))


class RosterUpload(Schema):
    """A filled-in roster workbook."""

    file = fields.Raw(required=True, metadata={"type": "string", "format": "binary", "description": ".xlsx"})


class SheetUpload(Schema):
    """A filled-in sheet of a year."""

    file = fields.Raw(required=True, metadata={"type": "string", "format": "binary", "description": ".xlsx"})


class IdText(fields.UUID):
    """An id, kept as text: so it stands in the tables."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return str(super()._deserialize(value, attr, data, **kwargs))


class _Listing(PageQuery):
    as_of = AsOf(load_default=None)


class UnitQuery(_Listing):
    """Filters of the list of units."""

    kind = fields.String(load_default=None)
    sector = fields.String(load_default=None)


class CadreQuery(_Listing):
    """Filters of the list of cadres: each must be equal."""

    name = fields.String(load_default=None)
    unit = fields.String(load_default=None)
    rank = fields.String(load_default=None)
    manage_level = fields.String(load_default=None)
    category = fields.String(load_default=None)
    state = fields.String(load_default=None)


class CadreLook(Schema):
    """How a cadre is looked at."""

    as_of = AsOf(load_default=None)
    purpose = fields.String(
        load_default=None,
        validate=[validate.Length(2, 200), _speaks],
        metadata={"description": "查阅身份号码的用途 what the identity number is wanted for; it is shown only then"},
    )


class RecordQuery(_Listing):
    """Filters of the list of annual records."""

    cadre = fields.UUID(load_default=None)
    year = fields.Integer(load_default=None, validate=validate.Range(2000, 9999))


class RecordLook(Schema):
    """As of when a record is looked at."""

    as_of = AsOf(load_default=None)


# ---- duty lists and joint reviews


def _share(weight: Decimal) -> None:
    # Not a Range: the description of the API cannot hold its bounds as decimals.
    if not 0 <= weight <= 100:
        raise ValidationError(Bilingual("权重应在 0 至 100 之间。", "A weight lies between 0 and 100."))


class DutyItem(Schema):
    """An item of a duty list. What is missing must be there when the list is submitted."""

    id = fields.UUID(
        metadata={"description": "沿用原项目 the item of the list that goes on; without it the item is new"}
    )
    title = fields.String(required=True, validate=validate.Length(1, 500))
    source = fields.String(required=True, validate=validate.OneOf([source.value for source in Source]))
    measure = fields.String(validate=validate.Length(1, 500), metadata={"description": "衡量办法 how it is measured"})
    target = fields.String(validate=validate.Length(1, 500), metadata={"description": "目标值 what is to be reached"})
    due = fields.Date(metadata={"description": "完成时限 the last day"})
    weight = fields.Decimal(places=2, validate=_share, metadata={"description": "权重 such as 12.5; all total 100"})
    key_project = fields.String(validate=validate.Length(1, 32), metadata={"description": "重点项目编号"})
    indicator = fields.UUID(metadata={"description": "对应指标 the indicator of the year that the item serves"})


def _items(**options: Any) -> fields.List[Any]:
    return fields.List(fields.Nested(DutyItem), validate=validate.Length(1, MOST_ITEMS), **options)


class DutyListDraft(Form):
    """A duty list (A2): `owner` is a cadre's id or a unit's code."""

    owner_kind = fields.String(required=True, validate=validate.OneOf([kind.value for kind in OwnerKind]))
    owner = fields.String(required=True, validate=validate.Length(1, 64))
    year = fields.Integer(required=True, strict=True, validate=validate.Range(2000, 9999))
    kind = fields.String(required=True, validate=validate.OneOf([kind.value for kind in ListKind]))
    items = _items(required=True)


class DutyItems(Form):
    """All items of a list as they are to be."""

    items = _items(required=True)


class Amendment(DutyItems):
    """An amendment of a locked list: all items as they are to be, and why."""


class DutyDecision(Form):
    """What the committee decides after the last round: the list as it is, or with these items."""

    items = _items()


class ReviewMember(Schema):
    """Who is to review, and for which office."""

    cadre = fields.UUID(required=True)
    capacity = fields.String(required=True, validate=validate.OneOf([capacity.value for capacity in Capacity]))


def _different(members: list[dict[str, Any]]) -> None:
    if len({member["cadre"] for member in members}) < len(members):
        raise ValidationError(Bilingual("成员不得重复。", "Nobody may be named twice."))


class ReviewOpening(Form):
    """Who is to review a list."""

    members = fields.List(fields.Nested(ReviewMember), required=True, validate=[validate.Length(1, 30), _different])


class ItemComment(Schema):
    """A comment on an item."""

    item = fields.UUID(required=True)
    text = fields.String(required=True, validate=validate.Length(1, 2000))


class Opinion(Form):
    """What a member of a joint review thinks; a return, or edits, come with comments on items."""

    verdict = fields.String(required=True, validate=validate.OneOf([verdict.value for verdict in GIVEN]))
    item_comments = fields.List(fields.Nested(ItemComment), validate=validate.Length(max=MOST_ITEMS))


class MemberReplacement(Form):
    """Who takes the place of a member."""

    member = fields.UUID(required=True)
    by = fields.UUID(required=True)


class ReviewConclusion(Form):
    """What comes of a joint review; a return gives the summary of the comments as its reason."""

    conclusion = fields.String(required=True, validate=validate.OneOf([each.value for each in Conclusion]))


class DutyListQuery(PageQuery):
    """Filters of the list of duty lists."""

    owner = fields.String()
    unit = fields.String()
    year = fields.Integer()
    kind = fields.String()


class JointReviewQuery(PageQuery):
    """Filters of the list of joint reviews."""

    duty_list_id = fields.UUID()
    unit = fields.String()


class ConstraintQuery(PageQuery):
    """Filters of the list of constraints."""

    cadre = IdText(load_default=None)
    year = fields.Integer(load_default=None, validate=validate.Range(2000, 9999))
    source = fields.String(load_default=None)


class BoundsLook(Schema):
    """The year whose grade is asked about, and as of when."""

    year = fields.Integer(required=True, validate=validate.Range(2000, 9999))
    as_of = AsOf(load_default=None)


# ---- schemes, quotas, annual assessments


MAX_TEXT = 20_000


_YEAR = validate.Range(2000, 9999)


_CODE = validate.Length(1, 64)


_GRADE = validate.OneOf(sorted({grade for grades in GRADES.values() for grade in grades}))


_SHA256 = validate.Regexp(r"[0-9a-f]{64}\Z")


def _numbers(most: int = 100, **options: Any) -> fields.Dict:
    def within(value: Decimal) -> None:
        # Not a Range: its bounds would be decimals in the described schema, which JSON does not know.
        if not 0 <= value <= most:
            raise ValidationError(Bilingual(f"须在 0 与 {most} 之间。", f"It lies between 0 and {most}."))

    value = fields.Decimal(places=2, validate=within)
    return fields.Dict(keys=fields.String(validate=_CODE), values=value, **options)


def _evidence() -> fields.List[str]:
    return fields.List(
        fields.String(validate=_SHA256),
        required=True,
        validate=validate.Length(1, 50),
        metadata={"description": "证据文件的 SHA-256 sums of the files it rests on"},
    )


class SchemeRevision(Form):
    """Weights and bands; where they are left out, the city's defaults."""

    weights = _numbers(metadata={"description": "各维度权重,合计 100 weights by dimension, total 100"})
    bands = _numbers(metadata={"description": "各等次最低分 least points by grade, all but the worst"})


class SchemeDraft(SchemeRevision):
    """A scheme (A6)."""

    year = fields.Integer(required=True, strict=True, validate=_YEAR)
    target_kind = fields.String(required=True, validate=validate.OneOf([kind.value for kind in SubjectKind]))


class QuotaDraft(Form):
    """A quota (A13); the base is counted, share and rounding are rules."""

    year = fields.Integer(required=True, strict=True, validate=_YEAR)
    category = fields.String(required=True, validate=validate.OneOf([each.value for each in Category]))
    unit = fields.String(validate=_CODE, metadata={"description": "与班子等次挂钩时的单位 where shares follow groups"})
    approved_higher = fields.Boolean(metadata={"description": "经同意提高比例 the higher share, with approval"})


class _Subject(Form):
    """Who is assessed: exactly one of a cadre and the group of a unit."""

    subject_kind = fields.String(required=True, validate=validate.OneOf([kind.value for kind in SubjectKind]))
    cadre = fields.UUID()
    unit = fields.String(validate=_CODE)
    year = fields.Integer(required=True, strict=True, validate=_YEAR)

    @validates_schema
    def _one(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        wanted = "cadre" if data["subject_kind"] == SubjectKind.CADRE else "unit"
        if [name for name in ("cadre", "unit") if name in data] != [wanted]:
            raise ValidationError(Bilingual(f"须且只须给出 {wanted}。", f"Give {wanted}, and only it."), wanted)


class AnnualOpening(_Subject):
    """An assessment to open (A8)."""


class AnnualReport(Form):
    """The report of the year."""

    text = fields.String(required=True, validate=validate.Length(1, MAX_TEXT))


class AnnualEvaluation(Form):
    """The ballot session, and the scores of the dimensions that no recorded fact gives."""

    ballot = fields.UUID(required=True)
    scores = _numbers(metadata={"description": "评分 scores of 100 by dimension"})


class AnnualProposal(Form):
    """A grade that differs from the one that the rules give."""

    grade = fields.String(validate=_GRADE)


class AnnualMakeUp(AnnualProposal):
    """A grade made up; with the evaluation where there was none."""

    ballot = fields.UUID()
    scores = _numbers()


class AnnualDecision(Form):
    """A grade that differs from the proposed one."""

    grade = fields.String(validate=_GRADE)


class AnnualAmendment(AnnualDecision):
    """A new decision, and the event that causes it."""

    cause = fields.UUID(required=True)


class AnnualHandOver(Form):
    """When the result was handed over on paper."""

    served_on = fields.Date(required=True)


class VoterClassForm(Schema):
    """The ballots of one class of voters."""

    name = fields.String(required=True, validate=_CODE)
    expected = fields.Integer(required=True, strict=True, validate=validate.Range(0, 100_000))
    counts = fields.Dict(
        keys=fields.String(validate=_GRADE),
        values=fields.Integer(strict=True, validate=validate.Range(0, 100_000)),
        required=True,
    )


class BallotForm(_Subject):
    """The count of a session (A11)."""

    held_on = fields.Date(required=True)
    classes = fields.List(fields.Nested(VoterClassForm), required=True, validate=validate.Length(1, 10))
    evidence = _evidence()

    @validates_schema
    def _classes_once(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        names = [each["name"] for each in data.get("classes", ())]
        if len(set(names)) < len(names):
            raise ValidationError(Bilingual("不得重复。", "Nothing may be named twice."), "classes")


class RoutineForm(Form):
    """The routine grade of a quarter (A7)."""

    cadre = fields.UUID(required=True)
    year = fields.Integer(required=True, strict=True, validate=_YEAR)
    quarter = fields.Integer(required=True, strict=True, validate=validate.Range(1, 4))
    grade = fields.String(required=True, validate=_CODE)
    basis = fields.List(fields.String(validate=_CODE), required=True, validate=validate.Length(max=20))
    evidence = _evidence()


class TalkForm(_Subject):
    """A talk held by two people (A12)."""

    held_on = fields.Date(required=True)
    interviewers = fields.List(fields.UUID(), required=True, validate=validate.Length(1, 10))
    summary = fields.String(required=True, validate=validate.Length(1, MAX_TEXT))
    evidence = _evidence()


class FactQuery(PageQuery):
    """Filters of the lists of recorded facts."""

    cadre = fields.UUID(load_default=None)
    unit = fields.String(load_default=None)
    year = fields.Integer(load_default=None, validate=_YEAR)


class ClosingForm(Schema):
    """Whose grades of which year are proposed at once."""

    year = fields.Integer(required=True, strict=True, validate=_YEAR)
    subject_kind = fields.String(
        load_default=SubjectKind.CADRE.value, validate=validate.OneOf([kind.value for kind in SubjectKind])
    )


class RoundForm(Schema):
    """Which step is taken on all whom it waits for, of which year and kind."""

    year = fields.Integer(required=True, strict=True, validate=_YEAR)
    subject_kind = fields.String(required=True, validate=validate.OneOf([kind.value for kind in SubjectKind]))
    action = fields.String(
        required=True,
        validate=validate.OneOf(ROUND_ACTIONS),
        metadata={"description": "open, verify, publicize: ORG.assess; approve: COMM"},
    )


class RefusalQuery(PageQuery):
    """Which of those whom a round refused."""

    code = fields.String(load_default=None, validate=validate.Length(1, 64))


class ResultLook(Schema):
    """As of when a result is looked at."""

    as_of = AsOf(load_default=None)


class SchemeQuery(PageQuery):
    """Filters of the list of schemes."""

    year = fields.Integer()
    target_kind = fields.String()


class QuotaQuery(PageQuery):
    """Filters of the list of quotas."""

    year = fields.Integer()
    category = fields.String()
    unit = fields.String()


class AnnualQuery(PageQuery):
    """Filters of the list of annual assessments."""

    year = fields.Integer()
    subject_kind = fields.String()
    cadre = fields.UUID()
    unit = fields.String()
    grade = fields.String()
    grade_status = fields.String()
    pending_decision = fields.Boolean(
        metadata={"description": "待重新审定 decided, and the committee is to decide anew"}
    )


# ---- indicators


def _units(**options: Any) -> fields.List[str]:
    return fields.List(fields.String(validate=validate.Length(1, 32)), validate=validate.Length(max=100), **options)


class IndicatorChange(Form):
    """What may change of an indicator within its year."""

    title = fields.String(required=True, validate=validate.Length(1, 200))
    unit_of_measure = fields.String(required=True, validate=validate.Length(1, 32))
    target = fields.Decimal(required=True, allow_nan=False)
    baseline = fields.Decimal(allow_nan=False)
    lead_unit = fields.String(required=True, validate=validate.Length(1, 32))
    co_units = _units()


class IndicatorDraft(IndicatorChange):
    """An indicator (A5): one unit leads, others help."""

    year = fields.Integer(required=True, strict=True, validate=validate.Range(2000, 9999))
    code = fields.String(required=True, validate=validate.Length(1, 32))
    level = fields.String(required=True, validate=validate.OneOf([level.value for level in Level]))


class IndicatorQuery(PageQuery):
    """Filters of the list of indicators."""

    year = fields.Integer()
    level = fields.String()
    lead_unit = fields.String()


# ---- changes in the roster


class StateChange(Form):
    """From when a new state holds, today where it is not said; the reason is wanted."""

    effective_on = fields.Date(metadata={"description": "生效日期 the first day"})
    document = fields.String(validate=validate.Length(1, 100), metadata={"description": "文号 number of the decision"})


class Leaving(StateChange):
    """How a cadre leaves: a code of the catalogue `roster.leavings`."""

    how = fields.String(required=True, validate=validate.Length(1, 64))


class PostChange(Form):
    """The post from now on; the reason is wanted. Without `categories` they stay."""

    unit = fields.String(required=True, validate=validate.Length(1, 32))
    post = fields.String(required=True, validate=validate.Length(1, 100))
    post_since = fields.Date(required=True)
    rank = fields.String(required=True, validate=validate.Length(1, 64))
    manage_level = fields.String(required=True, validate=validate.Length(1, 64))
    categories = fields.List(fields.String(validate=validate.Length(1, 64)), validate=validate.Length(max=50))
    document = fields.String(validate=validate.Length(1, 100), metadata={"description": "文号 number of the decision"})


class RosterExportRequest(Form):
    """Whom an export is to take in, for what, and whether with identity numbers."""

    purpose = fields.String(required=True, validate=[validate.Length(2, 200), _speaks])
    id_numbers = fields.Boolean(load_default=False, metadata={"description": "是否含身份号码"})
    unit = fields.String()
    rank = fields.String()
    manage_level = fields.String()
    category = fields.String()
    state = fields.String()


class AsOfLook(Schema):
    """As of when something is looked at."""

    as_of = AsOf(load_default=None)


class AppealQuery(PageQuery):
    """Filters of the list of appeals."""

    cadre = IdText(load_default=None)
    subject_ref = fields.String(load_default=None)
    type = fields.String(load_default=None)


class AppealFiling(Form):
    """A review or an appeal against a decision on oneself."""

    type = fields.String(required=True, validate=validate.OneOf([each.value for each in Type]))
    subject_ref = fields.String(
        required=True,
        validate=validate.Regexp(r"[a-z-]{1,32}/[0-9a-f-]{36}\Z"),
        metadata={"description": "被申请事项 such as annual/<id>, recall/<id>, sanction/<id>"},
    )
    grounds = fields.String(required=True, validate=validate.Length(1, 20_000), metadata={"description": "理由"})


class AppealRejection(Form):
    """Why an appeal is not taken."""

    code = fields.String(required=True, validate=validate.OneOf([each.value for each in Ground]))


class AppealDecision(Form):
    """What is decided; what the result is amended to, or replaced by."""

    decision = fields.String(required=True, validate=validate.OneOf([each.value for each in Decision]))
    amended_to = fields.String(validate=validate.Length(1, 64))


class AbsenceQuery(PageQuery):
    """Filters of the list of leave."""

    cadre = IdText(load_default=None)


class AbsenceRecord(Form):
    """A leave that was taken, from its first to its last day."""

    cadre = IdText(required=True)
    kind = fields.String(required=True, validate=validate.Length(1, 64))
    begins = fields.Date(required=True)
    ends = fields.Date(required=True)
