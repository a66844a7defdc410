"""What is left of an event for a department."""

from typing import Any

import pytest

from notification.domain.sharing import SHAREABLE, Cut, cut, kind_of
from tests.support.notification import (
    DEDUCTED,
    MONDAY,
    REGISTERED,
    STARTED,
    VERIFIED,
    catalogue,
    example,
    rulebook,
)

RULES = rulebook().on(MONDAY.date())


def told(event_type: str, names: list[str], limit: str, data: dict[str, Any] | None = None) -> Cut | None:
    schema = catalogue().contracts[event_type].schema
    return cut(event_type, schema, data or example(event_type), names, limit, RULES[SHAREABLE])


def test_only_what_is_agreed_is_told() -> None:
    found = told(VERIFIED, ["finding", "unit"], "L2")
    assert found == Cut({name: example(VERIFIED)[name] for name in ("finding", "unit")}, "L2")


def test_what_is_above_the_limit_is_left_out_even_if_it_was_agreed() -> None:
    found = told(VERIFIED, ["finding", "severity", "responsible"], "L2")
    assert found is not None
    assert set(found.data) == {"finding"}
    all_of_it = told(VERIFIED, ["finding", "severity"], "L3")
    assert all_of_it is not None
    assert (set(all_of_it.data), all_of_it.dataclass) == ({"finding", "severity"}, "L3")


@pytest.mark.parametrize(("limit", "some"), [("L1", False), ("L2", False), ("L3", True)])
def test_a_subject_that_shows_more_than_the_limit_is_told_to_nobody(limit: str, some: bool) -> None:
    assert (told(DEDUCTED, ["cap", "deduction"], limit) is not None) is some


def test_the_class_counts_the_subject_too() -> None:
    found = told(DEDUCTED, ["cap"], "L3")
    assert found is not None
    assert (set(found.data), found.dataclass) == ({"cap"}, "L3")


def test_a_name_is_told_at_class_three_alone() -> None:
    assert told(REGISTERED, ["name"], "L2") is None
    assert told(REGISTERED, ["name"], "L3") is not None


def test_nothing_is_told_where_no_agreed_field_is_there() -> None:
    assert told(STARTED, ["no-such"], "L3") is None
    data = example(STARTED)
    del data["theme"]
    assert told(STARTED, ["theme"], "L3", data) is None


@pytest.mark.parametrize("event_type", ["supervision.signal.transferred.v1", "notification.delivery.signed.v1"])
def test_what_may_not_be_shared_at_all_is_told_to_nobody(event_type: str) -> None:
    names = list(catalogue().contracts[event_type].fields)
    assert told(event_type, names, "L3") is None


def test_what_the_contract_does_not_list_is_left_out_at_any_depth() -> None:
    data = example(VERIFIED)
    data["facts"] = "绝不外传"
    data["responsible"] = [entry | {"name": "绝不外传"} for entry in data["responsible"]]
    found = told(VERIFIED, ["responsible", "facts"], "L3", data)
    assert found is not None
    assert found.data == {"responsible": example(VERIFIED)["responsible"]}


def test_a_map_keeps_its_keys() -> None:
    schema = {
        "properties": {
            "unit": {"x-dataclass": "L1"},
            "shares": {"x-dataclass": "L1", "additionalProperties": {"properties": {"points": {}}}},
        }
    }
    data = {"unit": "u", "shares": {"a": {"points": "1", "more": "x"}}}
    found = cut("assessment.unit.registered.v1", schema, data, ["shares"], "L1", RULES[SHAREABLE])
    assert found == Cut({"shares": {"a": {"points": "1"}}}, "L1")


def test_every_kind_that_may_be_shared_has_contracts_with_the_fields_of_its_subject() -> None:
    for kind, names in RULES[SHAREABLE].items():
        found = [contract for event_type, contract in catalogue().contracts.items() if kind_of(event_type) == kind]
        assert found, kind
        for contract in found:
            assert set(names) <= set(contract.fields)


def test_a_subject_without_a_class_counts_as_above_every_limit() -> None:
    schema = {"properties": {"sector": {"x-dataclass": "L1"}}}
    assert cut("assessment.unit.registered.v1", schema, {"sector": "s"}, ["sector"], "L3", RULES[SHAREABLE]) is None
