"""What requests say."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from citybus.http import AsOf, Bilingual, PageQuery


def _speaks(text: str) -> None:
    if not text.strip() or not text.isprintable():
        raise ValidationError(Bilingual("请写明用途。", "Say what it is for."))


class RosterUpload(Schema):
    """A filled-in roster workbook."""

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


class ConstraintQuery(PageQuery):
    """Filters of the list of constraints."""

    cadre = IdText(load_default=None)
    year = fields.Integer(load_default=None, validate=validate.Range(2000, 9999))
    source = fields.String(load_default=None)


class BoundsLook(Schema):
    """The year whose grade is asked about, and as of when."""

    year = fields.Integer(required=True, validate=validate.Range(2000, 9999))
    as_of = AsOf(load_default=None)
