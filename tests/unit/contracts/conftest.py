"""A folder with one contract that keeps all rules, and the topology that goes with it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from dandang.contracts import Contracts, load
from dandang.local.state import PROJECT

TYPE = "library.loan.opened.v1"

TOPOLOGY = """
exchanges: {city.events: topic, city.public: topic, reader.retry: direct}
ladder: {1s: 1000}
kinds:
  work: {queue: {x-queue-type: quorum, x-delivery-limit: 20}, retry: {x-queue-type: quorum}, dead: {x-queue-type: classic}}
  archive: {queue: {x-queue-type: stream}}
queues:
  city.archive: {kind: archive, bindings: {city.events: ["#"]}}
  reader.library: {kind: work, retry: reader.retry, ordered: true, bindings: {city.events: [library.loan.#]}}
"""
USERS = "users: {city-monitor: {tags: [monitoring]}}\n"
DEPARTMENTS = """
exchange: city.public
arguments: {x-queue-type: quorum, x-delivery-limit: 1, x-max-length: 1, x-overflow: drop-head}
limits: {max-connections: 1, max-channels: 1}
departments: {}
"""


def schema(event_type: str = TYPE) -> dict[str, Any]:
    """Return a schema that keeps all rules."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:city:schema:{event_type}",
        "title": "Loan opened",
        "description": "A reader has taken a book.",
        "x-zh": {"title": "借阅开始", "description": "读者借走一本书。"},
        "x-subject": "loan/<id>",
        "x-dataclass": "L3",
        "x-ordered": True,
        "x-consumers": ["reader.library"],
        "x-revision": 1,
        "type": "object",
        "required": ["book", "days", "readers", "prices"],
        "properties": {
            "book": {"title": "Book", "x-zh": {"title": "图书"}, "x-dataclass": "L1", "type": "string", "format": "uuid"},
            "days": {"title": "Days", "x-zh": {"title": "天数"}, "x-dataclass": "L1", "type": "string", "format": "decimal"},
            "readers": {
                "title": "Readers",
                "x-zh": {"title": "读者"},
                "x-dataclass": "L3",
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": {"type": "string"}, "born": {"type": "string", "format": "date"}},
                },
            },
            "prices": {
                "title": "Prices",
                "x-zh": {"title": "价格"},
                "x-dataclass": "L2",
                "type": "object",
                "additionalProperties": {"type": "object", "properties": {"fee": {"type": "string"}}},
            },
        },
    }  # fmt: skip


def example(event_type: str = TYPE) -> dict[str, Any]:
    """Return an event that keeps the schema."""
    return {
        "specversion": "1.0",
        "id": "0193578a-6c00-7d1e-8f3a-5b0c9d2e0001",
        "source": "/city/420200/library",
        "type": event_type,
        "subject": "loan/1",
        "time": "2026-11-23T09:00:00+08:00",
        "datacontenttype": "application/json",
        "dataschema": f"urn:city:schema:{event_type}",
        "correlationid": "c",
        "sequence": 1,
        "actor": "someone",
        "dataclass": "L3",
        "data": {
            "book": "0193578a-6c00-7d1e-8f3a-5b0c9d2e0002",
            "days": "14.5",
            "readers": [{"name": "A", "born": "2001-02-03"}],
            "prices": {"late": {"fee": "1.00"}},
        },
    }


@dataclass
class Folder:
    """A project's contracts and topology, to be changed."""

    root: Path

    @property
    def contracts(self) -> Path:
        """The folder of contracts."""
        return self.root / "contracts"

    def put_schema(self, content: Any, event_type: str = TYPE) -> None:
        """Write a schema."""
        (self.contracts / "schemas" / f"{event_type}.json").write_bytes(orjson.dumps(content))

    def put_example(self, content: Any, event_type: str = TYPE, name: str = "one") -> None:
        """Write an example."""
        folder = self.contracts / "examples" / event_type
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_bytes(orjson.dumps(content))

    def change(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the schema."""
        content = schema()
        change(content)
        self.put_schema(content)

    def load(self) -> Contracts:
        """Load all."""
        return load(self.contracts, self.root / "rabbitmq")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """One contract, frozen and documented, with one example."""
    made = Folder(tmp_path)
    for name in ("contracts/schemas", "contracts/examples", "rabbitmq"):
        (tmp_path / name).mkdir(parents=True)
    for name, text in (("topology", TOPOLOGY), ("users", USERS), ("departments", DEPARTMENTS)):
        (tmp_path / "rabbitmq" / f"{name}.yaml").write_text(text, encoding="utf-8")
    (made.contracts / "envelope.json").write_bytes((PROJECT / "contracts" / "envelope.json").read_bytes())
    made.put_schema(schema())
    made.put_example(example())
    made.load().freeze()
    made.load().build()
    return made
