"""The bodies of commands, one schema per action."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from citybus.cases.forms import Form
from citybus.http.translations import Bilingual
from incentive.domain.aftermath import Ground
from incentive.domain.application import Applicant
from incentive.domain.gate import Purpose
from incentive.domain.verification import FACTORS, SCORES, Decision

MAX_TEXT = 20_000

_SHA256 = validate.Regexp(r"[0-9a-f]{64}\Z")
_DECISION = validate.OneOf([decision.value for decision in Decision])


def _code(**options: Any) -> fields.String:
    return fields.String(validate=validate.Length(1, 200), **options)


def _text(**options: Any) -> fields.String:
    return fields.String(validate=validate.Length(1, MAX_TEXT), **options)


def _distinct(values: list[Any]) -> None:
    if len(set(values)) < len(values):
        raise ValidationError(Bilingual("不得重复。", "Nothing may be named twice."))


def _sums(least: int = 0, **options: Any) -> fields.List[str]:
    return fields.List(fields.String(validate=_SHA256), validate=[validate.Length(least, 100), _distinct], **options)


class Revision(Form):
    """What an application says (I3). A late one says why (`late_cause`)."""

    circumstance = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(1, 999),
        metadata={"description": "容错情形 a code of the catalogue"},
    )
    statement = _text(required=True, metadata={"description": "申请理由 why tolerance is asked for"})
    late_cause = _text(metadata={"description": "逾期原因 why it is asked for only now"})
    evidence = _sums(metadata={"description": "证据 SHA-256 sums of uploaded files"})


class Application(Revision):
    """A new application: about which finding, or the measure that rests on it, and in which capacity."""

    finding = fields.UUID(metadata={"description": "问题 the finding; else `measure`"})
    measure = fields.UUID(metadata={"description": "依据该问题采取的措施 the measure that rests on the finding"})
    applicant = fields.String(
        required=True,
        validate=validate.OneOf([kind.value for kind in Applicant]),
        metadata={"description": "本人、单位或问责机关 in which capacity the caller asks"},
    )

    @validates_schema
    def _about_one_thing(self, data: dict[str, Any], **_options: Any) -> None:
        if ("finding" in data) == ("measure" in data):
            message = Bilingual("须填写 finding 或 measure 之一。", "Name either `finding` or `measure`.")
            raise ValidationError(message, "finding")


class Attachment(Form):
    """Evidence to attach, by its hashes."""

    evidence = _sums(least=1, required=True)


class NewFacts(Form):
    """What is new since the application was not accepted."""

    new_facts = _text(required=True, metadata={"description": "新的事实 what was not said before"})
    evidence = _sums()


class Person(Schema):
    """Somebody with a part in the case: the subject of the sign-in, and the cadre of the roster."""

    subject = _code(required=True)
    cadre = _code(required=True)


class Verifiers(Form):
    """The two who verify."""

    verifiers = fields.List(fields.Nested(Person), required=True, validate=validate.Length(equal=2))


def _score() -> fields.Integer:
    return fields.Integer(required=True, strict=True, validate=validate.Range(SCORES.start, SCORES.stop - 1))


Scores = Schema.from_dict({name: _score() for name in FACTORS}, name="Scores")
"""A score of 0 to 2 for each of the six factors."""


class Acceptance(Form):
    """What the officer who accepts an application sees against it already (I4); then with a reason."""

    exclusions = fields.List(
        _code(),
        validate=[validate.Length(max=50), _distinct],
        metadata={"description": "排除情形 codes of the catalogue that deny it at first sight"},
    )


class Verification(Form):
    """What the two verifiers agree on (I4): both send the same, each with a reason in words of their own."""

    factors = fields.Nested(Scores, required=True)
    exclusions = fields.List(
        _code(),
        required=True,
        validate=[validate.Length(max=50), _distinct],
        metadata={"description": "排除情形 codes of the catalogue; empty where there is none"},
    )


class Member(Person):
    """A member of the panel, with the vote."""

    vote = fields.String(required=True, validate=_DECISION)


class PanelDecision(Form):
    """What the panel decided (I4): recorded alike by two people who had no part in the case before."""

    decision = fields.String(required=True, validate=_DECISION)
    panel = fields.List(fields.Nested(Member), required=True, validate=validate.Length(1, 50))
    deviation = _text(metadata={"description": "与建议不同的理由 why the decision differs from the advice"})


class Position(Schema):
    """A post to be filled; what is wanted beside the first fields depends on the kind of the batch."""

    key = _code(required=True, metadata={"description": "岗位代号 what candidates name it by"})
    unit = _code(required=True)
    post = _code(required=True)
    slots = fields.Integer(required=True, strict=True, validate=validate.Range(1, 100))
    level = _code(metadata={"description": "层次 kind a: a key of the rule batch.a.max_age"})
    place = _code(metadata={"description": "挂职去向 kind e: one of the rule batch.e.places"})
    months = fields.Integer(strict=True, validate=validate.Range(1, 120), metadata={"description": "挂职月数 kind e"})
    public_institution = fields.Boolean(metadata={"description": "事业单位岗位 kind b"})
    members_born = fields.List(
        fields.Date(),
        validate=validate.Length(max=30),
        metadata={"description": "现班子成员出生日期 kind c: when the members of the group were born"},
    )
    avoid = fields.List(
        _code(),
        validate=[validate.Length(max=200), _distinct],
        metadata={"description": "应回避干部 cadres who must not hold it, for relations in its line"},
    )


class Plan(Form):
    """What a batch is to fill (I12)."""

    kind = _code(required=True, metadata={"description": "批次类型 a to f"})
    year = fields.Integer(required=True, strict=True, validate=validate.Range(2000, 2100))
    title = _code(required=True)
    positions = fields.List(fields.Nested(Position), required=True, validate=validate.Length(1, 200))

    @validates_schema
    def _keys_once(self, data: dict[str, Any], **kwargs: Any) -> None:
        _distinct([position["key"] for position in data["positions"]])


class External(Schema):
    """Somebody from outside, who agreed that this is kept."""

    name = _code(required=True)
    degree = _code(required=True, metadata={"description": "学历学位 one of the rule batch.b.degrees"})
    consent_on = fields.Date(metadata={"description": "同意处理个人信息的日期 when the person agreed"})


class Nomination(Form):
    """A candidate: a cadre of the roster, or for kind b somebody from outside."""

    batch = fields.UUID(required=True)
    position = _code(required=True)
    cadre = _code()
    external = fields.Nested(External)
    born_on = fields.Date(required=True, metadata={"description": "出生日期 as the dossier says"})
    specialty = _code(metadata={"description": "专业特长 kind c"})


class Appointment(Form):
    """From when the posts are held."""

    appointed_on = fields.Date(required=True)


class GateQuery(Schema):
    """What the gate is asked."""

    purpose = fields.String(required=True, validate=validate.OneOf([purpose.value for purpose in Purpose]))
    as_of = fields.Date(metadata={"description": "基准日 as of which day; today where it is not given"})


class ReviewRequest(Form):
    """Why a decision is to be reviewed."""

    grounds = _text(required=True, metadata={"description": "复核理由 why the decision is to be reviewed"})


class ReviewDecision(Form):
    """What the review decided: recorded alike by two people who had no part in the case before."""

    decision = fields.String(required=True, validate=_DECISION)


class RevocationNotice(Form):
    """On which ground a tolerance is to be revoked."""

    ground = fields.String(required=True, validate=validate.OneOf([ground.value for ground in Ground]))


class Answer(Form):
    """An answer to the notice."""

    answer = _text(required=True, metadata={"description": "申辩意见 what is said against the revocation"})


class CorrectionPlan(Form):
    """What the unit will do."""

    measures = fields.List(_text(), required=True, validate=validate.Length(1, 50))


class CorrectionProof(Form):
    """What proves that it was done."""

    proof = _sums(least=1, required=True)
    note = _text()
