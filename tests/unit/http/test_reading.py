"""Parameters that many routes share: versions, instants, cursors; and what makes two requests the same."""

import io
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from marshmallow import Schema, ValidationError
from sqlalchemy import BigInteger, Column, Date, DateTime, MetaData, Numeric, String, Table, Uuid
from sqlalchemy.dialects import postgresql

from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.http import AsOf, PageQuery, check_version, etag, expected_version
from citybus.http.paging import Page, _decode, _encode
from citybus.http.parsing import fingerprint
from citybus.http.versions import unchanged


@pytest.fixture
def app() -> Flask:
    return Flask("sample")


@pytest.mark.parametrize("sent", ['"7"', ' "7" '])
def test_a_command_says_on_which_version_it_was_decided(app: Flask, sent: str) -> None:
    with app.test_request_context(headers={"If-Match": sent}):
        assert expected_version() == 7


@pytest.mark.parametrize("sent", ["*", "7", 'W/"7"', '"a"', '"7", "8"', '""', '"-1"', f'"{"9" * 19}"'])
def test_anything_but_one_strong_etag_is_refused(app: Flask, sent: str) -> None:
    with app.test_request_context(headers={"If-Match": sent}), pytest.raises(Refusal) as refused:
        expected_version()
    assert (refused.value.code, refused.value.status) == ("VALIDATION", 400)


def test_a_command_without_a_version_is_refused(app: Flask) -> None:
    with app.test_request_context(), pytest.raises(Refusal) as refused:
        expected_version()
    assert (refused.value.code, refused.value.status) == ("PRECONDITION_REQUIRED", 428)


def test_a_stale_version_is_refused_with_the_present_one() -> None:
    check_version(3, 3)
    with pytest.raises(Refusal) as refused:
        check_version(3, 4)
    assert (refused.value.status, refused.value.figures) == (412, {"expected": 3, "current": 4})


@pytest.mark.parametrize(
    ("sent", "same"), [(etag(7), True), ('W/"7"', True), ('"6", "7"', True), ("*", True), ('"8"', False)]
)
def test_a_reader_may_hold_the_version_already(app: Flask, sent: str, same: bool) -> None:
    with app.test_request_context(headers={"If-None-Match": sent}):
        assert unchanged(7) is same


class Query(Schema):
    as_of = AsOf(load_default=None)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2026-03-01", datetime(2026, 3, 1, 23, 59, 59, 999999, ZONE)),
        ("2026-03-01T09:00:00+08:00", datetime(2026, 3, 1, 9, tzinfo=ZONE)),
        ("2026-03-01T01:00:00Z", datetime(2026, 3, 1, 9, tzinfo=ZONE)),
        (None, None),
    ],
)
def test_an_instant_is_asked_for_by_day_or_moment(sent: str | None, read: datetime | None) -> None:
    given = Query().load({"as_of": sent} if sent else {})["as_of"]
    assert given == read
    assert Query().dump({"as_of": given}) == {"as_of": given.isoformat() if given else None}


@pytest.mark.parametrize("sent", ["2026-03-01T09:00:00", "yesterday", "", 7, "9999-12-31T23:59:59-23:59"])
def test_what_is_no_instant_is_refused(sent: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        Query().load({"as_of": sent})
    assert refused.value.messages_dict["as_of"][0].zh.startswith("应为日期")


table = Table(
    "rows",
    MetaData(),
    Column("name", String),
    Column("number", BigInteger),
    Column("day", Date),
    Column("at", DateTime(timezone=True)),
    Column("share", Numeric),
    Column("id", Uuid),
    Column("ref", postgresql.UUID(as_uuid=False)),
)


def test_a_cursor_gives_back_the_keys_of_a_row() -> None:
    row = (
        "张",
        7,
        date(2026, 1, 2),
        datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
        Decimal("1.50"),
        uuid4(),
        "01a20a89-fb69-729f-98cc-3ee787163c53",
    )
    assert tuple(_decode(_encode(row), list(table.c))) == row


@pytest.mark.parametrize(
    ("cursor", "key"),
    [
        ("", "number"),
        ("键", "number"),
        ("!!!", "number"),
        ("W10", "number"),  # []
        ("WzEsMl0", "number"),  # [1,2]
        ("WyJ4Il0", "number"),  # ["x"]
        ("W251bGxd", "name"),  # [null]
        ("W1tdXQ", "name"),  # [[]]
        ("WyJcdTAwMDAiXQ", "name"),  # ["\u0000"]
        ("WyJ4Il0", "id"),
        ("WyJ4Il0", "ref"),
        ("Wzdd", "ref"),  # [7]
        ("WyJ4Il0", "day"),
        ("WyJ4Il0", "share"),
        ("Nw", "number"),  # 7
    ],
)
def test_a_cursor_of_another_list_is_refused(cursor: str, key: str) -> None:
    with pytest.raises(Refusal) as refused:
        _decode(cursor, [table.c[key]])
    assert (refused.value.code, refused.value.status) == ("VALIDATION", 400)


def test_the_link_to_the_next_page_keeps_the_query(app: Flask) -> None:
    with app.test_request_context("/rows?limit=2&cursor=old&unit=420202&unit=420203"):
        assert Page([], "new").headers() == {"Link": '</rows?limit=2&unit=420202&unit=420203&cursor=new>; rel="next"'}
        assert Page([], None).headers() == {}


@pytest.mark.parametrize("limit", [0, 201, -1])
def test_a_page_has_one_to_two_hundred_rows(limit: int) -> None:
    assert PageQuery().validate({"limit": limit})


Sent = Mapping[str, Any]


def print_of(app: Flask, path: str = "/a", **sent: Any) -> bytes:
    with app.test_request_context(path, **{"method": "POST", **sent}):
        return fingerprint()


def form(content: bytes, file: str = "a.xlsx", name: str = "1") -> Sent:
    return {"data": {"name": name, "file": (io.BytesIO(content), file)}}


def test_the_same_command_written_anew_is_the_same(app: Flask) -> None:
    first = print_of(app, data='{"a": 1, "b": [1]}', content_type="application/json")
    again = print_of(
        app, data='{"b":[1],"a":1}', content_type="application/json; charset=utf-8", headers={"If-Match": '"1"'}
    )
    assert first == again
    # A form with files gets a new boundary each time.
    assert print_of(app, **form(b"x" * 100_000)) == print_of(app, **form(b"x" * 100_000))


def test_another_command_is_another(app: Flask) -> None:
    json: Sent = {"data": "{}", "content_type": "application/json"}
    prints = [
        print_of(app, **json),
        print_of(app, "/b", **json),
        print_of(app, "/a?x=1", **json),
        print_of(app, method="PUT", data="{}", content_type="application/json"),
        print_of(app, data='{"a": 1}', content_type="application/json"),
        print_of(app),
        print_of(app, data="x", content_type="text/plain"),
        print_of(app, **form(b"x")),
        print_of(app, **form(b"y")),
        print_of(app, **form(b"x", file="b.xlsx")),
        print_of(app, **form(b"x", name="2")),
    ]
    assert len(set(prints)) == len(prints)


def test_files_can_be_read_after_they_were_compared(app: Flask) -> None:
    from flask import request

    with app.test_request_context("/a", method="POST", **form(b"content")):
        fingerprint()
        assert request.files["file"].read() == b"content"


def test_identifiers_in_cursors_keep_their_type() -> None:
    (read,) = _decode(_encode((UUID(int=1),)), [table.c.id])
    assert isinstance(read, UUID)
