"""The rules that one schema file keeps, and what a contract says of data."""

from collections.abc import Callable
from typing import Any

import pytest

from citybus import contracts
from citybus.contracts import Contract, ContractsInvalid
from tests.unit.contracts.conftest import TYPE, Folder, example, schema

Change = Callable[[dict[str, Any]], object]


def test_contract_tells_what_the_bus_has_to_know(folder: Folder) -> None:
    contract = contracts.load(folder.contracts)[TYPE]
    assert contract.title == {"zh": "借阅开始", "en": "Loan opened"}
    assert contract.description == {"zh": "读者借走一本书。", "en": "A reader has taken a book."}
    assert (contract.service, contract.subject, contract.subject_kind) == ("library", "loan/<id>", "loan")
    assert (contract.dataclass, contract.ordered, contract.revision) == ("L3", True, 1)
    assert contract.consumers == ("reader.library",)
    assert contract.fields == {"book": "L1", "days": "L1", "readers": "L3", "prices": "L2"}


def _set(*path: str, to: Any) -> Change:
    def change(content: dict[str, Any]) -> None:
        for step in path[:-1]:
            content = content[step]
        content[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_set("properties", to=3), "not a JSON Schema 2020-12"),
        (_set("$schema", to="https://json-schema.org/draft/2019-09/schema"), "$schema is https"),
        (_set("$id", to="urn:x"), f"$id is urn:city:schema:{TYPE}"),
        (_set("type", to="array"), "type is object"),
        (_set("allOf", to=[{}]), "allOf is not used in a contract"),
        (_set("additionalProperties", to=True), "additionalProperties is not used in a contract"),
        (_set("title", to="借阅"), "title is wanted in English"),
        (_set("description", to=""), "description is wanted in English"),
        (_set("x-zh", to={"title": "借阅"}), "x-zh.description is wanted in Chinese"),
        (_set("x-zh", to="借阅"), "x-zh.title is wanted in Chinese"),
        (_set("x-subject", to="loan"), "x-subject is <kind>"),
        (_set("x-ordered", to="yes"), "x-ordered is true or false"),
        (_set("x-consumers", to=["b", "a"]), "x-consumers is a sorted list"),
        (_set("x-consumers", to="a"), "x-consumers is a sorted list"),
        (_set("x-dataclass", to="L2"), "x-dataclass is the highest of the fields, L3"),
        (_set("properties", "book", "title", to="书"), "book: title is wanted in English"),
        (_set("properties", "book", "x-dataclass", to="L4"), "book: x-dataclass is one of L1, L2, L3: L4 is never"),
        (_set("properties", "days", "default", to="1"), "days: default is not used in a contract"),
        (_set("properties", "book", to={}), "book: x-zh.title is wanted in Chinese"),
        (
            _set("properties", "prices", "additionalProperties", to=True),
            "prices: additionalProperties is written for maps only",
        ),
        (
            _set("properties", "prices", "additionalProperties", "properties", "fee", "x-dataclass", to="L3"),
            "prices[].fee: x-dataclass is above that of prices",
        ),
        (
            _set("properties", "readers", "items", "properties", "name", "x-dataclass", to="L4"),
            "readers[].name: x-dataclass is above that of readers",
        ),
        (_set("x-revision", to=0), "x-revision is a whole number from 1"),
        (_set("x-revision", to=True), "x-revision is a whole number from 1"),
        (_set("x-revision", to=2), "every revision after the first adds a property"),
        (_set("properties", "days", "x-revision", to=2), "data.days: was added in revision 2 and cannot be required"),
        (_set("properties", "days", "x-revision", to=2), "data.days: x-revision is between 1 and the root's 1"),
        (_set("properties", "days", "x-revision", to="2"), "data.days: x-revision is between 1 and the root's 1"),
    ],
)
def test_mistake_is_named(folder: Folder, change: Change, problem: str) -> None:
    folder.change(change)
    with pytest.raises(ContractsInvalid) as caught:
        contracts.load(folder.contracts)
    assert any(line.startswith(f"{TYPE}: ") and problem in line for line in caught.value.problems), (
        caught.value.problems
    )


@pytest.mark.parametrize("name", ["library.loan.v1", "library.loan.opened", "Library.loan.opened.v1", "a.b.c.v0"])
def test_name_is_of_the_form(folder: Folder, name: str) -> None:
    folder.put_schema(schema(name), name)
    with pytest.raises(ContractsInvalid, match="the name is not"):
        contracts.load(folder.contracts)


def test_all_mistakes_of_all_files_are_told(folder: Folder) -> None:
    folder.put_schema([], "library.loan.closed.v1")
    (folder.contracts / "schemas" / "library.loan.lost.v1.json").write_text("{", encoding="utf-8")
    folder.change(_set("x-subject", to=""))
    with pytest.raises(ContractsInvalid) as caught:
        contracts.load(folder.contracts)
    assert [line.split(":")[0] for line in caught.value.problems] == [
        "library.loan.closed.v1",
        "library.loan.lost.v1",
        TYPE,
    ]


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        (_set("book", to="7"), False),
        (_set("days", to="14,5"), False),
        (_set("days", to="NaN"), False),
        (_set("days", to="1e3"), False),
        (_set("days", to=" 1"), False),
        (_set("days", to=14.5), False),
        (_set("readers", to=[{}]), False),
        (_set("readers", to=[{"name": "A", "born": "3.2.2001"}]), False),
        (_set("more", to=1), True),
        (_set("readers", to=[{"name": "A", "more": 1}]), True),
        (_set("prices", to={"late": {"more": 1}}), True),
    ],
)
def test_producer_is_held_to_what_is_listed_and_reader_ignores_the_rest(
    folder: Folder, change: Change, accepted: bool
) -> None:
    contract = contracts.load(folder.contracts)[TYPE]
    data = example()["data"]
    assert (contract.produced_errors(data), contract.accepted_errors(data)) == ([], [])
    change(data)
    assert contract.produced_errors(data)
    assert (contract.accepted_errors(data) == []) is accepted


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("2026-11-23T09:00:00+08:00", True),
        ("2026-11-23T09:00:00Z", True),
        ("2026-11-23T09:00:00", False),
        ("yesterday", False),
        (None, True),
    ],
)
def test_instant_has_its_offset(value: str | None, valid: bool) -> None:
    contract = Contract(TYPE, {"properties": {"at": {"type": ["string", "null"], "format": "date-time"}}})
    assert (contract.produced_errors({"at": value}) == []) is valid


def test_decimal_may_be_empty_where_the_type_says_so() -> None:
    contract = Contract(TYPE, {"properties": {"factor": {"type": ["string", "null"], "format": "decimal"}}})
    assert contract.produced_errors({"factor": None}) == []
