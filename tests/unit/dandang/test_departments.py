"""What other departments ask for in the year, held to the contracts; and what is told of what they received."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import pytest

from citybus import contracts
from citybus.topology import files
from dandang.local.state import PROJECT
from dandang.slice import department
from dandang.year.lines import departments

CLASSES = {name: each.fields for name, each in contracts.load(PROJECT / "contracts").items()}


def test_every_department_has_its_user_and_queue_on_the_bus() -> None:
    found = files.load(PROJECT / "deploy" / "rabbitmq", date(2026, 1, 1))
    assert {each.user for each in department.DEPARTMENTS} == {name for name in found.users if name.startswith("dept-")}
    assert {each.queue for each in department.DEPARTMENTS} == {
        name for name in found.queues if name.startswith("dept.")
    }


@pytest.mark.parametrize(
    ("terms", "wanted"),
    [
        (departments.AUDIT_TERMS, departments.AUDIT_FIELDS),
        (departments.PERSONNEL_TERMS, departments.PERSONNEL_FIELDS),
    ],
    ids=["audit", "personnel"],
)
def test_fields_that_are_asked_for_are_of_the_class_agreed_on(
    terms: Mapping[str, str], wanted: Mapping[str, Sequence[str]]
) -> None:
    above = {
        (event_type, name)
        for event_type, names in wanted.items()
        for name in names
        if CLASSES[event_type][name] > terms["max_class"]
    }
    assert not above


def test_class_l2_has_no_name() -> None:
    assert departments.AUDIT_TERMS["max_class"] == "L2"
    assert not any("name" in names for names in departments.AUDIT_FIELDS.values())


def test_what_came_twice_counts_once_and_fields_of_all_events_are_told(tmp_path: Path) -> None:
    events = [
        {"id": "1", "type": "b", "data": {"unit": "x"}, "dataclass": "L1"},
        {"id": "2", "type": "b", "data": {"unit": "x", "finding": "y"}, "dataclass": "L2"},
        {"id": "1", "type": "b", "data": {"unit": "x"}, "dataclass": "L1"},
        {"id": "3", "type": "a", "data": {"cadre": "z"}, "dataclass": "L2"},
    ]
    file = tmp_path / "received.jsonl"
    file.write_text("".join(f"{json.dumps(event)}\n" for event in events), encoding="utf-8")
    assert department.summed(department.AUDIT, department.received(file)) == {
        "zh": "审计局",
        "en": "Audit Bureau",
        "count": 3,
        "types": {
            "a": {"count": 1, "fields": ["cadre"], "dataclass": "L2"},
            "b": {"count": 2, "fields": ["finding", "unit"], "dataclass": "L2"},
        },
    }
    assert department.received(tmp_path / "nothing.jsonl") == []
