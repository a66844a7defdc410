"""The bodies of commands, one schema per action."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from citybus.cases.forms import Form
from citybus.http.translations import Bilingual
from supervision.domain.adjustment import Way
from supervision.domain.bulletin import Channel
from supervision.domain.case_hold import Result
from supervision.domain.eligibility import Purpose
from supervision.domain.finding import SEVERITIES, Role, Source
from supervision.domain.finding import Basis as RevocationBasis
from supervision.domain.inspection import Kind
from supervision.domain.measure import Kind as MeasureKind
from supervision.domain.measure import Result as Outcome
from supervision.domain.rectification import Result as RecheckResult
from supervision.domain.sanction import Basis, Cause, Organ, Regime

MAX_TEXT = 20_000

_SHA256 = validate.Regexp(r"[0-9a-f]{64}\Z")


def _code(**options: Any) -> fields.String:
    return fields.String(validate=validate.Length(1, 64), **options)


def _codes(least: int = 1, **options: Any) -> fields.List[str]:
    return fields.List(_code(), validate=[validate.Length(least, 200), _distinct], **options)


def _distinct(values: list[Any]) -> None:
    if len(set(values)) < len(values):
        raise ValidationError(Bilingual("不得重复。", "Nothing may be named twice."))


def _two_decimals(value: Decimal) -> None:
    """Refuse what would have to be rounded: nobody passes, or fails, by rounding."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -2:  # hundredths
        raise ValidationError(Bilingual("最多两位小数。", "Two decimals at most."))


class InspectionPlan(Form):
    """A plan (S2). Without `notice_required` the kind decides; without `end_date` it lasts one day."""

    kind = fields.String(required=True, validate=validate.OneOf([kind.value for kind in Kind]))
    theme = _code(required=True)
    plan_date = fields.Date(required=True)
    end_date = fields.Date()
    team = _codes(required=True, metadata={"description": "检查组成员 ids of cadres"})
    units = _codes(required=True, metadata={"description": "被检查单位 codes of units"})
    notice_required = fields.Boolean(metadata={"description": "是否事先通知"})

    @validates_schema
    def _ends_after_it_begins(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if "end_date" in data and data["end_date"] < data["plan_date"]:
            raise ValidationError(Bilingual("不得早于计划日期。", "It cannot end before it begins."), "end_date")


class InspectionReport(Form):
    """The report of an inspection. Without `ended_on` the inspection ended today."""

    summary = fields.String(required=True, validate=validate.Length(1, MAX_TEXT))
    ended_on = fields.Date()


class Responsible(Schema):
    """A cadre held responsible, and how."""

    cadre = _code(required=True)
    role = fields.String(required=True, validate=validate.OneOf([role.value for role in Role]))


class FindingDraft(Form):
    """A finding (S5): of an inspection, or by itself with its source."""

    inspection = fields.UUID()
    source = fields.String(
        validate=validate.OneOf([source.value for source in Source if source is not Source.INSPECTION])
    )
    unit = _code(required=True)
    type = _code(required=True)
    reason_codes = _codes(required=True)
    facts = fields.String(required=True, validate=validate.Length(1, MAX_TEXT))
    severity = fields.Integer(
        required=True, strict=True, validate=validate.Range(SEVERITIES.start, SEVERITIES.stop - 1)
    )
    occurred_on = fields.Date(required=True, metadata={"description": "行为发生日期 the day of the conduct"})
    responsible = fields.List(fields.Nested(Responsible), required=True, validate=validate.Length(1, 50))
    evidence = fields.List(fields.String(validate=_SHA256), validate=[validate.Length(max=100), _distinct])

    @validates_schema
    def _whole(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if ("inspection" in data) == ("source" in data):
            raise ValidationError(
                Bilingual("inspection 与 source 须且只须给出一个。", "Give exactly one of inspection and source."),
                "source",
            )
        try:
            _distinct([entry["cadre"] for entry in data["responsible"]])
        except ValidationError as error:
            raise ValidationError(error.messages, "responsible") from None


class Attachment(Form):
    """Evidence to attach, by its hashes."""

    evidence = fields.List(
        fields.String(validate=_SHA256), required=True, validate=[validate.Length(1, 100), _distinct]
    )


class Plea(Form):
    """What a responsible cadre answers."""

    text = fields.String(required=True, validate=validate.Length(1, MAX_TEXT))


MAX_CHECKED = 10_000


class EligibilityQuestion(Schema):
    """What is asked about one cadre (S16): eligible for what, on which day. Without `as_of` it is today."""

    purpose = fields.String(required=True, validate=validate.OneOf([purpose.value for purpose in Purpose]))
    as_of = fields.Date(metadata={"description": "基准日 the day in question; today where it is left out"})


class EligibilityQuestions(EligibilityQuestion):
    """The same about many."""

    cadres = fields.List(_code(), required=True, validate=[validate.Length(1, MAX_CHECKED), _distinct])


class _BulletinText(Form):
    """What the public reads; a bulletin that names people brings the text without names as well."""

    title = fields.String(required=True, validate=validate.Length(1, 200))
    text = fields.String(required=True, validate=validate.Length(1, MAX_TEXT))
    unnamed_title = fields.String(validate=validate.Length(1, 200), metadata={"description": "不点名标题"})
    unnamed_text = fields.String(validate=validate.Length(1, MAX_TEXT), metadata={"description": "不点名文本"})


class BulletinDraft(_BulletinText):
    """A bulletin (S8). Without `legal_basis` it is refused."""

    findings = fields.List(fields.UUID(), required=True, validate=[validate.Length(1, 50), _distinct])
    named = fields.Boolean(required=True, metadata={"description": "是否点名"})
    channels = fields.List(
        fields.String(validate=validate.OneOf([channel.value for channel in Channel])),
        required=True,
        validate=[validate.Length(1), _distinct],
    )
    legal_basis = fields.String(allow_none=True, validate=validate.Length(0, 500), metadata={"description": "法律依据"})


class BulletinSchedule(Form):
    """When it is to be published; without a time, at once."""

    publish_at = fields.AwareDateTime()


class BulletinCorrection(_BulletinText):
    """A corrected text, and what the channels say about the correction."""

    correction_text = fields.String(required=True, validate=validate.Length(1, MAX_TEXT))


class BulletinWithdrawal(Form):
    """Why a bulletin is taken back; without a text the correction is the one that the rules have for the reason."""

    reason_code = _code(required=True)
    correction_text = fields.String(validate=validate.Length(1, MAX_TEXT))


MAX_OFFENCES = 50
_MONTHS = validate.Range(1, 240)


def _number(**options: Any) -> fields.String:
    return fields.String(required=True, validate=validate.Length(1, 200), **options)


class SanctionEntry(Form):
    """A decision to be entered (S10). Without `effective_on` it takes effect on the day of the decision.

    Without `months` it lasts as the rules say, where they leave no choice.
    """

    cadre = _code(required=True)
    regime = fields.String(required=True, validate=validate.OneOf([regime.value for regime in Regime]))
    kind = _code(required=True, metadata={"description": "种类 a code of the regime's catalogue"})
    basis = fields.String(validate=validate.OneOf([basis.value for basis in Basis]))
    organ = fields.String(required=True, validate=validate.OneOf([organ.value for organ in Organ]))
    decision_no = _number(metadata={"description": "决定文号 number of the decision"})
    legal_basis = fields.String(required=True, validate=validate.Length(1, 500))
    conduct_on = fields.Date(metadata={"description": "行为日期,连续的以终了之日 day of the conduct, of its end"})
    decided_on = fields.Date(required=True)
    effective_on = fields.Date()
    offences = fields.Integer(strict=True, validate=validate.Range(1, MAX_OFFENCES))
    months = fields.Integer(strict=True, validate=_MONTHS)


class SanctionModification(Form):
    """What a later decision makes of a sanction; a correction alone may give other days."""

    cause = fields.String(required=True, validate=validate.OneOf([cause.value for cause in Cause]))
    decision_no = _number(metadata={"description": "变更决定文号 number of the later decision"})
    kind = _code()
    conduct_on = fields.Date(metadata={"description": "更正后的行为日期 corrected day of the conduct"})
    decided_on = fields.Date(metadata={"description": "更正后的决定日期 corrected day of the decision"})
    effective_on = fields.Date(metadata={"description": "更正后的生效日期 corrected day of effect"})
    offences = fields.Integer(strict=True, validate=validate.Range(1, MAX_OFFENCES))
    months = fields.Integer(strict=True, validate=_MONTHS)

    @validates_schema
    def _days_are_corrected(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        moved = [name for name in ("conduct_on", "decided_on", "effective_on") if name in data]
        if moved and data["cause"] != Cause.CORRECTION:
            raise ValidationError(Bilingual("只有更正可以改变日期。", "Only a correction gives another day."), moved[0])


class WatchExtension(Form):
    """How many months the watch lasts in all."""

    months = fields.Integer(required=True, strict=True, validate=_MONTHS)


class RightsRestored(Form):
    """On which day the rights were restored."""

    restored_on = fields.Date(required=True)


class CaseHoldOpening(Form):
    """An investigation that was opened (S15). Without `opened_on` it was today."""

    cadre = _code(required=True)
    organ = _code(required=True)
    case_no = _number(metadata={"description": "案号 number of the case"})
    opened_on = fields.Date()


class CaseHoldClosing(Form):
    """How an investigation ended. Without `closed_on` it was today."""

    result = fields.String(required=True, validate=validate.OneOf([result.value for result in Result]))
    closed_on = fields.Date()


class AdjustmentRecommendation(Form):
    """Way and reasons of an adjustment (S11), and the opinion behind them; `months` for a suspension alone."""

    way = fields.String(required=True, validate=validate.OneOf([way.value for way in Way]))
    reason_codes = _codes(required=True)
    opinion = fields.String(required=True, validate=validate.Length(1, MAX_TEXT))
    months = fields.Integer(strict=True, validate=_MONTHS)


class AdjustmentProposal(AdjustmentRecommendation):
    """A proposal by people. What a recall or a measure leads to is proposed by the system."""

    cadre = _code(required=True)
    basis = fields.String(required=True, validate=validate.OneOf([basis.value for basis in Basis]))
    findings = fields.List(fields.UUID(), required=True, validate=[validate.Length(0, 50), _distinct])


class AdjustmentDecision(Form):
    """The collective decision: how many belong to the committee, were present and in favour."""

    decision_no = _number(metadata={"description": "决定文号 number of the decision"})
    decided_on = fields.Date()
    members = fields.Integer(required=True, strict=True, validate=validate.Range(1, 1000))
    present = fields.Integer(required=True, strict=True, validate=validate.Range(0, 1000))
    in_favour = fields.Integer(required=True, strict=True, validate=validate.Range(0, 1000))


class AdjustmentTalk(Form):
    """The talk with the cadre. Without `talked_on` it was today."""

    talkers = _codes(required=True, metadata={"description": "谈话人 ids of those who talked with the cadre"})
    talked_on = fields.Date()
    summary = fields.String(validate=validate.Length(1, MAX_TEXT))


class Execution(Form):
    """On which day it was carried out; today where it is left out."""

    executed_on = fields.Date()


class RecallProposal(Form):
    """A proposal to recall a cadre (S12), on findings; the circumstances are theirs."""

    cadre = _code(required=True)
    findings = fields.List(fields.UUID(), required=True, validate=[validate.Length(1, 50), _distinct])
    text = fields.String(validate=validate.Length(1, MAX_TEXT), metadata={"description": "召回理由 why it is proposed"})


class Enrolment(Form):
    """The class in which a recalled cadre is enrolled."""

    training_class = fields.UUID(required=True, data_key="class")


class PhaseResult(Form):
    """The result of a phase of training (S13): score, and attendance in per cent."""

    phase = fields.Integer(required=True, strict=True, validate=validate.Range(1))
    score = fields.Decimal(required=True, validate=_two_decimals, metadata={"description": "阶段成绩 0 to 100"})
    attendance = fields.Decimal(required=True, validate=_two_decimals, metadata={"description": "出勤率 in per cent"})


class ObservationPlan(Form):
    """How many months the observation lasts (S14); without it, as many as the rules suggest."""

    months = fields.Integer(strict=True)


class LongerObservation(Form):
    """How many months the observation lasts in all, from now on."""

    months = fields.Integer(required=True, strict=True)


class MonthlyReport(Form):
    """The unit's report of a month of observation."""

    month = fields.String(required=True, validate=validate.Regexp(r"\d{4}-(0[1-9]|1[0-2])\Z"))
    text = fields.String(required=True, validate=validate.Length(1, MAX_TEXT))


class Marked(Form):
    """A score with its explanation: of the review, of the unit, of the evaluation."""

    score = fields.Decimal(required=True, validate=_two_decimals, metadata={"description": "评分 0 to 100"})
    text = fields.String(required=True, validate=validate.Length(1, MAX_TEXT))


class DisciplineCase(Form):
    """The number under which the discipline commission goes on; it is kept apart (L4)."""

    text = fields.String(required=True, validate=validate.Length(1, 200), data_key="case_no")


class ClassPlan(Form):
    """A training class (S13); its last day follows from its first. Trainers are given by their subject."""

    title = fields.String(required=True, validate=validate.Length(1, 200))
    place = fields.String(required=True, validate=validate.Length(1, 200))
    starts = fields.Date(required=True)
    capacity = fields.Integer(required=True, strict=True, validate=validate.Range(1, 500))
    trainers = _codes(required=True, metadata={"description": "教员 subjects of the trainers"})


class Trainers(Form):
    """Who trains a class from now on."""

    trainers = _codes(required=True, metadata={"description": "教员 subjects of the trainers"})


class Seating(Form):
    """How many seats a class has from now on."""

    capacity = fields.Integer(required=True, strict=True, validate=validate.Range(1, 500))


class FindingRevocation(Form):
    """On what a finding is revoked: the decision of an appeal, or a clarification, with its reference."""

    basis = fields.String(required=True, validate=validate.OneOf([basis.value for basis in RevocationBasis]))
    reference = fields.String(required=True, validate=validate.Length(1, 200))


class RectificationPlan(Form):
    """What a unit will do about a finding, and who answers for it."""

    finding = fields.UUID(required=True)
    owner = _code(required=True, metadata={"description": "整改责任人 id of a cadre of the unit"})
    plan = fields.String(required=True, validate=validate.Length(1, MAX_TEXT))


class RectificationReport(Form):
    """What was done, with its proof."""

    report = fields.String(required=True, validate=validate.Length(1, MAX_TEXT))
    proof = fields.List(fields.String(validate=_SHA256), required=True, validate=[validate.Length(max=100), _distinct])


class RectificationRecheck(Form):
    """What the recheck has found."""

    result = fields.String(required=True, validate=validate.OneOf([result.value for result in RecheckResult]))


class MeasureProposal(Form):
    """A measure (S9). What it says is sensitive and leaves supervision by no event."""

    kind = fields.String(required=True, validate=validate.OneOf([kind.value for kind in MeasureKind]))
    cadre = _code(required=True)
    findings = fields.List(fields.UUID(), validate=[validate.Length(max=50), _distinct])
    reason_codes = _codes(required=True)
    cause = fields.String(required=True, validate=validate.Length(1, MAX_TEXT))


class MeasureReply(Form):
    """What the cadre answers to an inquiry."""

    text = fields.String(required=True, validate=validate.Length(1, MAX_TEXT))


class MeasureClosure(Form):
    """What the follow-up has found."""

    result = fields.String(required=True, validate=validate.OneOf([result.value for result in Outcome]))


def _severity(**options: Any) -> fields.Integer:
    return fields.Integer(strict=True, validate=validate.Range(SEVERITIES.start, SEVERITIES.stop - 1), **options)


class Informant(Schema):
    """Who told of a clue: kept sealed, apart from the signal."""

    name = fields.String(required=True, validate=validate.Length(1, 200))
    contact = fields.String(validate=validate.Length(1, 500), metadata={"description": "联系方式"})


class SignalPosting(Form):
    """A clue (S1): about a unit, and a cadre where it names one."""

    source = fields.String(required=True, validate=validate.OneOf([source.value for source in Source]))
    unit = _code(required=True)
    cadre = _code()
    type = _code(required=True, metadata={"description": "问题类型 as findings have it"})
    severity = _severity(required=True)
    text = fields.String(required=True, validate=validate.Length(1, MAX_TEXT))


class SignalPostingWithInformant(SignalPosting):
    """The same as it arrives: with who told of it, where somebody did."""

    informant = fields.Nested(Informant, metadata={"description": "举报人 kept apart, sealed"})


class SignalTriage(Form):
    """What the first look has found: type and severity where they were posted otherwise."""

    type = _code()
    severity = _severity()


class SignalLink(Form):
    """The finding to which a signal has led, or belongs."""

    finding = fields.UUID(required=True)


class InformantAccessRequest(Form):
    """Whose signal it is about, and for what the identity is needed."""

    signal = fields.UUID(required=True)
    purpose = fields.String(required=True, validate=validate.Length(1, 2000))
