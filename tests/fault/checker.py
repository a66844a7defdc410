"""Checks a history against the promise: `python -m tests.fault.checker HISTORY.jsonl` prints a verdict, exit 1 if broken.

It shares no code with the product. A history is JSON lines, in any order:

    {"op": "acknowledged", "ref"}                          a caller was told that this command is done
    {"op": "stated", "ref"}                                the business row of a command, as the database has it
    {"op": "committed", "event", "ref", "subject", "sequence"}      a row of an outbox
    {"op": "effect", "consumer", "event", "subject", "sequence", "number"}   one effect; `number` is their order
    {"op": "parked", "consumer", "event"}                  a message in a dead queue, or stored waiting
    {"op": "fault", "what"}                                what was done to the city, for the record

The promise: what is acknowledged is stated; what is stated has its event; each committed event takes effect exactly
once in each consumer, or is parked there; no effect without a committed event; per subject effects come in order.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Verdict:
    """What was counted, and each way in which the promise was broken (at most 20 examples a way)."""

    counts: dict[str, int] = field(default_factory=dict)
    broken: dict[str, list[str]] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        return not self.broken

    def add(self, way: str, examples: Iterable[str]) -> None:
        """Record a way of breaking the promise, if there are examples of it."""
        found = sorted(examples)
        if found:
            self.counts[way] = len(found)
            self.broken[way] = found[:20]


def check(history: Iterable[dict[str, Any]]) -> Verdict:
    """Return the verdict on a history."""
    by: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in history:
        by[entry["op"]].append(entry)
    verdict = Verdict()
    stated = Counter(entry["ref"] for entry in by["stated"])
    committed = {entry["event"]: entry for entry in by["committed"]}
    announced = {entry["ref"] for entry in by["committed"]}
    consumers = {entry["consumer"] for entry in by["consumer"] + by["effect"] + by["parked"]}
    for op in ("acknowledged", "stated", "committed", "effect", "parked", "fault"):
        verdict.counts[op] = len(by[op])

    verdict.add("acknowledged but not stated", {entry["ref"] for entry in by["acknowledged"]} - set(stated))
    verdict.add("stated twice", (ref for ref, times in stated.items() if times > 1))
    verdict.add("stated without event", set(stated) - announced)
    verdict.add("event without statement", announced - set(stated))
    for consumer in sorted(consumers):
        effects = Counter(entry["event"] for entry in by["effect"] if entry["consumer"] == consumer)
        parked = {entry["event"] for entry in by["parked"] if entry["consumer"] == consumer}
        verdict.add(f"lost on the way to {consumer}", set(committed) - set(effects) - parked)
        verdict.add(f"applied twice in {consumer}", (event for event, times in effects.items() if times > 1))
        verdict.add(f"ghost in {consumer}", set(effects) - set(committed))
        verdict.add(f"out of order in {consumer}", _disorder(by["effect"], consumer))
    return verdict


def _disorder(effects: list[dict[str, Any]], consumer: str) -> Iterable[str]:
    last: dict[str, int] = defaultdict(int)
    for entry in sorted(
        (entry for entry in effects if entry["consumer"] == consumer), key=lambda entry: entry["number"]
    ):
        if entry["sequence"] < last[entry["subject"]]:
            yield f"{entry['subject']} {entry['sequence']} after {last[entry['subject']]}"
        last[entry["subject"]] = max(last[entry["subject"]], entry["sequence"])


def main(path: str) -> int:
    """Check the history in the file at `path`."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    verdict = check(json.loads(line) for line in lines if line)
    print(json.dumps({"kept": verdict.kept, **asdict(verdict)}, ensure_ascii=False, indent=2))
    return 0 if verdict.kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
