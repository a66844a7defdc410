"""Paging by cursor: a page goes on after the last row seen, so rows inserted meanwhile neither repeat nor hide any."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

import orjson
from flask import request
from marshmallow import Schema, fields, validate
from sqlalchemy import ColumnElement, Select, Uuid, tuple_
from sqlalchemy.orm import Session

from citybus.http.problems import Fault, invalid

MAX_LIMIT: Final = 200
DEFAULT_LIMIT: Final = 50


class PageQuery(Schema):
    """The query of every list: how many, and after which row. Subclass it to add filters."""

    limit = fields.Integer(
        load_default=DEFAULT_LIMIT, validate=validate.Range(1, MAX_LIMIT), metadata={"description": "rows"}
    )
    cursor = fields.String(
        load_default=None, validate=validate.Length(max=1024), metadata={"description": "`next` of the page before"}
    )


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its items, and the cursor of the next one (None: this is the last)."""

    items: list[Any]
    next: str | None

    def headers(self) -> dict[str, str]:
        """Return the `Link` header to the next page, with the query of the present request."""
        if self.next is None:
            return {}
        query = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
        return {"Link": f'<{request.path}?{urlencode([*query, ("cursor", self.next)])}>; rel="next"'}


def page_schema(item: type[Schema]) -> type[Schema]:
    """Return the schema `{items, next}` of pages of `item`."""
    name = item.__name__.removesuffix("Schema")
    return Schema.from_dict(
        {
            "items": fields.List(fields.Nested(item), required=True),
            "next": fields.String(
                required=True, allow_none=True, metadata={"description": "cursor of the next page, null on the last"}
            ),
        },
        name=f"{name}Page",
    )


def page(
    session: Session,
    statement: Select[Any],
    keys: Sequence[ColumnElement[Any]],
    *,
    limit: int,
    cursor: str | None,
    descending: bool = False,
) -> Page:
    """Return one page of `statement`, ordered by `keys`.

    `keys` are columns of the statement that are never NULL and together unique; the statement itself has no order.
    Items are objects where the statement selects one thing, else rows. Raises Refusal `VALIDATION`
    for a cursor that is not one of this list.
    """
    if cursor is not None:
        after = tuple_(*_decode(cursor, keys))
        statement = statement.where(tuple_(*keys) < after if descending else tuple_(*keys) > after)
    ordered = statement.order_by(*((key.desc() for key in keys) if descending else keys))
    labelled = [key.label(f"_cursor_{place}") for place, key in enumerate(keys)]
    rows = session.execute(ordered.add_columns(*labelled).limit(limit + 1)).all()
    width = len(keys)
    items = [row[0] if len(row) == width + 1 else row for row in rows[:limit]]
    return Page(items, _encode(rows[limit - 1][-width:]) if len(rows) > limit else None)


_READERS: Final[Mapping[type, Callable[[Any], Any]]] = {
    str: str,
    int: int,
    date: date.fromisoformat,
    datetime: datetime.fromisoformat,
    Decimal: Decimal,
}


def _encode(values: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(list(values), default=str)).rstrip(b"=").decode()


def _decode(cursor: str, keys: Sequence[ColumnElement[Any]]) -> list[Any]:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        values = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        return [_read(key, value) for key, value in zip(keys, values, strict=True)]
    except (ValueError, TypeError, AttributeError, ArithmeticError):
        fault = Fault("不是本列表的游标。", "This is no cursor of this list.", parameter="cursor", place="query")
        raise invalid(fault) from None


def _read(key: ColumnElement[Any], value: Any) -> Any:
    if isinstance(key.type, Uuid):
        # Whether the column gives texts or UUIDs, PostgreSQL wants the form checked.
        return key.type.python_type(str(UUID(value)))
    if not isinstance(value, str | int) or (isinstance(value, str) and "\x00" in value):
        raise TypeError("not what a row's keys are written as")
    return _READERS[key.type.python_type](value)
