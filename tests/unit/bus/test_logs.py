"""Logs: JSON lines with a correlation id, and no personal data, whoever logs."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import structlog
import yaml
from sqlalchemy.exc import IntegrityError, OperationalError

from citybus.errors import Invalid
from citybus.telemetry import logs

ID_NUMBER = "42020219900101000X"
OLD_ID_NUMBER = "420202900101001"


class Uniqueness(Exception):
    """What a driver raises, with a row's values in its words."""

    pgcode = "23505"


class Away(Exception):
    """What a driver raises when the server is not there."""


def fail(error: Exception, because: Exception | None) -> None:
    """Raise `error` while another one is being handled."""
    try:
        int("not told")
    except ValueError:
        raise error from because


@pytest.fixture
def lines() -> Iterator[Any]:
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    logs.configure("assessment", "worker", level="DEBUG", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def test_line_says_who_logged_and_on_whose_account(lines: Any) -> None:
    with logs.bound(correlation_id="c-1", event_id="e-1"):
        logs.get("citybus.test").info("applied", count=3)
    logs.get("citybus.test").info("outside")
    first, second = lines()
    assert first.items() >= {
        "service": "assessment", "process": "worker", "correlation_id": "c-1", "event_id": "e-1", "event": "applied",
        "count": 3, "level": "info", "logger": "citybus.test",
    }.items()  # fmt: skip
    assert first["timestamp"].endswith("Z")
    assert first["pid"] > 0
    assert "correlation_id" not in second


def test_fields_that_are_not_on_the_list_are_withheld(lines: Any) -> None:
    logs.get("x").info("read", name="张三", full_name="李四", status=200)
    (line,) = lines()
    assert line["withheld"] == ["full_name", "name"]
    assert "张三" not in json.dumps(line, ensure_ascii=False)
    assert line["status"] == 200


def test_service_may_add_names_of_fields(lines: Any) -> None:
    logs.allow("batch_number")
    logs.get("x").info("read", batch_number=4)
    assert lines()[0]["batch_number"] == 4


@pytest.mark.parametrize(
    "text",
    [
        f"the cadre {ID_NUMBER} is known",
        f"证件号{OLD_ID_NUMBER}。",
        "call 13812345678 now",
        "mail zhang.san@example.gov.cn",
        "amqp://svc:secret@broker/city",
    ],
)
def test_texts_lose_what_looks_personal_or_secret(lines: Any, text: str) -> None:
    logs.get("x").info(text, reason=text, where=[text, {"path": text}])
    logging.getLogger("library").warning("it says %s", text)
    told = json.dumps(lines(), ensure_ascii=False)
    for secret in (ID_NUMBER, OLD_ID_NUMBER, "13812345678", "zhang.san", "secret"):
        assert secret not in told
    assert len(lines()) == 2


def test_long_numbers_are_masked_and_others_kept(lines: Any) -> None:
    logs.get("x").info("n", number=420202199001010009, count=12345, seconds=1.5, total=None, ref=Decimal("1.20"),
                       limit=10**11)  # fmt: skip
    (line,) = lines()
    assert (line["number"], line["count"], line["seconds"], line["total"]) == ("[id number]", 12345, 1.5, None)
    assert (line["ref"], line["limit"]) == ("1.20", "100000000000")


def test_uuids_and_instants_are_not_taken_for_numbers() -> None:
    text = "0198f3a2-1381-7234-9678-138123456789 2026-11-23T22:00:00+08:00 20240304123456"
    assert logs.mask(text) == text


def test_errors_are_told_without_their_words(lines: Any) -> None:
    try:
        fail(ValueError("李四 is wrong"), because=KeyError("张三"))
    except ValueError:
        logs.get("x").exception("it failed", attempts=2)
    (line,) = lines()
    assert [text.split(" at ")[0] for text in line["error"]] == ["ValueError", "KeyError"]
    assert "test_logs.py" in line["where"][-1]
    assert "张三" not in json.dumps(line, ensure_ascii=False)
    assert "李四" not in json.dumps(line, ensure_ascii=False)


def test_errors_are_taken_from_wherever_they_are_given(lines: Any) -> None:
    error = Invalid("SCHEMA", "no field")
    log = logs.get("x")
    log.error("given", exc_info=error)
    log.error("as a triple", exc_info=(Invalid, error, None))
    logging.getLogger("x").log(logging.ERROR, "none is being handled", exc_info=True)
    try:
        fail(ValueError(2), because=None)
    except ValueError:
        logging.getLogger("library").exception("said by a library")
    given, triple, none, library = lines()
    assert given["error"] == triple["error"] == ["Invalid: SCHEMA: no field"]
    assert "error" not in none
    assert len(library["error"]) == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Invalid("UNDECODABLE", f"near {ID_NUMBER}"), "Invalid: UNDECODABLE: near [id number]"),
        (OSError("disk full"), "OSError: disk full"),
        (KeyError("张三"), "KeyError"),
        (
            IntegrityError("INSERT …", {"name": "张三"}, Uniqueness("Key (name)=(张三) exists")),
            "IntegrityError: Uniqueness 23505",
        ),
        (
            OperationalError("SELECT …", {"name": "张三"}, Away("no route to host\nof db")),
            "OperationalError: Away no route to host",
        ),
    ],
)
def test_error_is_described_in_words_that_may_be_stored(error: Exception, words: str) -> None:
    assert logs.describe(error) == words


def test_description_says_where() -> None:
    with pytest.raises(KeyError) as error:
        fail(KeyError("张三"), because=None)
    assert logs.describe(error.value).startswith("KeyError at bus/test_logs.py:")


def test_description_names_our_line_and_not_the_librarys() -> None:
    with pytest.raises(yaml.YAMLError) as error:
        yaml.safe_load("a: [")
    assert " at bus/test_logs.py:" in logs.describe(error.value)


def test_chain_of_errors_that_runs_in_a_ring_ends(lines: Any) -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    logs.get("x").error("ring", exc_info=first)
    assert len(lines()[0]["error"]) == 10


def test_warnings_of_libraries_are_lines_as_well(lines: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old", UserWarning, stacklevel=1)
    assert "old" in lines()[0]["event"]


def test_libraries_do_not_tell_what_they_send(lines: Any) -> None:
    logging.getLogger("pika").info("published a body")
    logging.getLogger("sqlalchemy.engine").info("INSERT …")
    assert lines() == []
