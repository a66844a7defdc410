"""The bodies of commands, one schema per action."""

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from citybus.cases.forms import Form
from citybus.contracts import CLASSES
from citybus.http.translations import Bilingual

MAX_TYPES: Final = 100
MAX_FIELDS: Final = 100


def _name(most: int = 100, **options: Any) -> fields.String:
    return fields.String(validate=validate.Length(1, most), **options)


def _distinct(values: list[Any]) -> None:
    if len(set(values)) < len(values):
        raise ValidationError(Bilingual("不得重复。", "Nothing may be named twice."))


class BeforeWitness(Form):
    """Service before a witness."""

    witness = _name(required=True, metadata={"description": "见证人 id of a cadre"})


class Proof(Form):
    """The proof of what a channel brought; the file is stored before."""

    proof_sha256 = fields.String(
        required=True,
        validate=validate.Regexp(r"[0-9a-f]{64}\Z"),
        metadata={"description": "证明文件的 SHA-256 the sum of the stored file"},
    )
    external_id = _name(200, metadata={"description": "版次或节目编号 page of the issue, or number of the broadcast"})
    url = fields.URL(schemes={"http", "https"}, validate=validate.Length(max=1000))


class SubscriptionRequest(Form):
    """What a department asks for (N2): the event types, and of each the fields."""

    department = _name(required=True, metadata={"description": "部门在总线上的名称 the department's name on the bus"})
    event_types = fields.List(_name(200), required=True, validate=[validate.Length(1, MAX_TYPES), _distinct])
    fields_ = fields.Dict(
        keys=_name(200),
        values=fields.List(_name(), validate=[validate.Length(1, MAX_FIELDS), _distinct]),
        required=True,
        data_key="fields",
        attribute="fields",
        metadata={"description": "各类事件的字段白名单 the fields of each event type"},
    )
    max_class = fields.String(required=True, validate=validate.OneOf(CLASSES))
    purpose = _name(500, required=True)
    legal_basis = fields.String(validate=validate.Length(max=500))
    agreement_no = _name(required=True)
    valid_to = fields.Date(required=True, metadata={"description": "最后一日 the last day"})

    @validates_schema
    def _fields_of_each(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if set(data["fields"]) != set(data["event_types"]):
            raise ValidationError(
                Bilingual("须逐一列出 event_types 中各类事件的字段。", "Name the fields of exactly the event types."),
                "fields",
            )
