"""The table of what is built of the domain names every mechanism, and nothing that does not exist."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAST = {"A": 22, "S": 19, "I": 19, "N": 8, "X": 16, "M": 10}


def rows() -> dict[str, list[str]]:
    """Return ID → the other cells of its row."""
    text = (ROOT / "docs" / "domain" / "coverage.md").read_text(encoding="utf-8")
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"[ASINXM]\d+", cells[0]):
            assert cells[0] not in found, f"{cells[0]} stands twice"
            found[cells[0]] = cells[1:]
    return found


def test_every_mechanism_has_a_row() -> None:
    assert set(rows()) == {f"{letter}{number}" for letter, last in LAST.items() for number in range(1, last + 1)}


def test_what_a_row_names_exists() -> None:
    for mechanism, (state, _, code, tests, _, events) in rows().items():
        assert state in {"built", "part", "not yet"}, mechanism
        for path in re.findall(r"`([^`]+)`", f"{code} {tests}"):
            assert (ROOT / path).exists(), f"{mechanism}: {path}"
        for event in re.findall(r"`([^`]+)`", events):
            assert (ROOT / "contracts" / "schemas" / f"{event}.v1.json").exists(), f"{mechanism}: {event}"


def test_what_is_begun_names_its_code_and_tests_and_what_is_partial_says_what_is_missing() -> None:
    for mechanism, (state, note, code, tests, *_) in rows().items():
        assert (state == "not yet") == (not code), mechanism
        assert (state == "not yet") == (not tests), mechanism
        assert state != "part" or note, mechanism


def test_every_event_but_heartbeats_belongs_to_a_mechanism() -> None:
    named = {event for *_, events in rows().values() for event in re.findall(r"`([^`]+)`", events)}
    schemas = (ROOT / "contracts" / "schemas").glob("*.json")
    published = {json.loads(path.read_text(encoding="utf-8"))["$id"].rpartition(":")[2] for path in schemas}
    # All versions of an event are one mechanism's.
    assert {event.rpartition(".")[0] for event in published if ".service." not in event} == named
