"""The folder of contracts as a whole: examples, frozen revisions, agreement with the topology, and the AsyncAPI document."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import orjson
import yaml
from jsonschema import Draft202012Validator

from citybus import contracts, topology
from citybus.contracts import FORMATS, Contract, ContractsInvalid
from citybus.envelope import Event
from citybus.errors import Invalid
from citybus.topology import Topology

EVENTS: Final = "city.events"
PUBLIC: Final = "city.public"
DOCUMENT: Final = "asyncapi.yaml"
FROZEN: Final = "frozen.json"


@dataclass(frozen=True, slots=True)
class Contracts:
    """All contracts, with the topology that they are held to."""

    folder: Path
    types: Mapping[str, Contract]
    topology: Topology

    def problems(self) -> list[str]:
        """Return all that is wrong, a line each."""
        return [
            *self._routing_problems(),
            *self._example_problems(),
            *self._frozen_problems(),
            *self._document_problems(),
        ]

    def examples(self, event_type: str) -> dict[str, Any]:
        """Return the examples of an event type, by file name."""
        return {
            path.name: orjson.loads(path.read_bytes())
            for path in sorted((self.folder / "examples" / event_type).glob("*.json"))
        }

    def freeze(self) -> list[str]:
        """Record the fingerprints of new types and revisions, and return what was recorded.

        Raises ContractsInvalid where a revision that is frozen was changed.
        """
        frozen = self._frozen()
        if changed := list(self._changed(frozen)):
            raise ContractsInvalid(changed)
        added = []
        for event_type, contract in self.types.items():
            revisions = frozen.setdefault(event_type, {})
            for revision in range(1, contract.revision + 1):
                if str(revision) not in revisions:
                    revisions[str(revision)] = contract.fingerprint(revision)
                    added.append(f"{event_type} revision {revision}")
        if added:
            option = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
            (self.folder / FROZEN).write_bytes(orjson.dumps(frozen, option=option))
        return added

    def build(self) -> bool:
        """Write the AsyncAPI document. Returns False where it was current."""
        text = self.document()
        path = self.folder / DOCUMENT
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return False
        path.write_text(text, encoding="utf-8")
        return True

    def document(self) -> str:
        """Return the AsyncAPI document as YAML."""
        head = "# Made by `dandang contracts build` from the schemas beside it and the topology. Do not edit.\n"
        return head + yaml.dump(
            asyncapi(self), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False
        )

    def receivers(self, event_type: str) -> list[str]:
        """Return the queues of consumers that receive an event type; the archive consumes nothing."""
        return sorted(
            queue
            for queue in self.topology.receivers(event_type, EVENTS)
            if self.topology.queues[queue].arguments["x-queue-type"] != "stream"
        )

    def _routing_problems(self) -> Iterator[str]:
        """Yield where contracts and bindings do not agree."""
        for event_type, contract in self.types.items():
            receivers = self.receivers(event_type)
            if list(contract.consumers) != receivers:
                yield f"{event_type}: x-consumers is {list(contract.consumers)}, the topology binds {receivers}"
            ordered = any(self.topology.queues[queue].ordered for queue in receivers)
            if contract.ordered != ordered:
                yield f"{event_type}: x-ordered is {str(ordered).lower()}, as its queues in the topology"
        for binding in sorted(self.topology.bindings):
            if binding.exchange == EVENTS and not any(topology.matches(binding.key, each) for each in self.types):
                yield f"{binding}: no contract has such a type"
        yield from self._gap_problems()

    def _gap_problems(self) -> Iterator[str]:
        """Yield where an ordered queue would miss a step: it must receive all types of a subject or none."""
        kinds: dict[tuple[str, str], set[str]] = {}
        for event_type, contract in self.types.items():
            kinds.setdefault((contract.service, contract.subject_kind), set()).add(event_type)
        for queue in self.topology.queues.values():
            for (service, kind), types in kinds.items() if queue.ordered else ():
                received = {each for each in types if queue.name in self.topology.receivers(each, EVENTS)}
                if received and received != types:
                    missed = ", ".join(sorted(types - received))
                    yield f"{queue.name}: is ordered and misses steps of {kind} from {service}: {missed}"

    def _example_problems(self) -> Iterator[str]:
        envelope = orjson.loads((self.folder / "envelope.json").read_bytes())
        validator = Draft202012Validator(envelope, format_checker=FORMATS)
        for folder in sorted((self.folder / "examples").iterdir()):
            if folder.name not in self.types:
                yield f"examples/{folder.name}: there is no such contract"
        for event_type, contract in self.types.items():
            examples = self.examples(event_type)
            if not examples:
                yield f"{event_type}: has no example"
            for name, example in examples.items():
                for problem in _example_problems(contract, example, validator):
                    yield f"examples/{event_type}/{name}: {problem}"

    def _frozen_problems(self) -> Iterator[str]:
        frozen = self._frozen()
        yield from self._changed(frozen)
        for event_type, contract in self.types.items():
            for revision in range(1, contract.revision + 1):
                if str(revision) not in frozen.get(event_type, {}):
                    yield f"{event_type}: revision {revision} is not frozen: dandang contracts freeze"

    def _changed(self, frozen: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
        for event_type, revisions in sorted(frozen.items()):
            contract = self.types.get(event_type)
            if contract is None:
                yield f"{event_type}: was published and is gone"
                continue
            for revision, fingerprint in sorted(revisions.items()):
                if int(revision) > contract.revision or contract.fingerprint(int(revision)) != fingerprint:
                    yield (
                        f"{event_type}: revision {revision} was published and is changed: "
                        "only optional properties may be added, anything else is a new major version"
                    )

    def _document_problems(self) -> Iterator[str]:
        path = self.folder / DOCUMENT
        if not path.exists() or path.read_text(encoding="utf-8") != self.document():
            yield f"{DOCUMENT} is not current: dandang contracts build"

    def _frozen(self) -> dict[str, dict[str, str]]:
        path = self.folder / FROZEN
        return dict(orjson.loads(path.read_bytes())) if path.exists() else {}


def load(folder: Path, topology_folder: Path) -> Contracts:
    """Return the contracts in `folder` with the topology. Raises ContractsInvalid, and TopologyInvalid."""
    # The date decides only over departments' rights, which contracts do not tell.
    return Contracts(folder, contracts.load(folder), topology.load(topology_folder, date.min))


def _example_problems(contract: Contract, example: Any, envelope: Draft202012Validator) -> Iterator[str]:
    yield from (f"{error.json_path}: {error.message}" for error in envelope.iter_errors(example))
    try:
        event = Event.from_json(orjson.dumps(example))
    except Invalid as error:
        yield str(error)
        return
    for attribute, wanted in (
        ("type", contract.type),
        ("dataschema", contract.schema["$id"]),
        ("dataclass", contract.dataclass),
    ):
        if getattr(event, attribute) != wanted:
            yield f"{attribute} is {wanted}"
    if event.subject.partition("/")[0] != contract.subject_kind:
        yield f"subject is of the form {contract.subject}"
    if event.source.rpartition("/")[2] != contract.service:
        yield f"source ends in {contract.service}"
    yield from (f"data: {error}" for error in contract.produced_errors(event.data))


def asyncapi(everything: Contracts) -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document: a channel per event type, a channel per consumer's queue, and the departments'."""
    types, queues = everything.types, everything.topology.queues
    received = {
        name: [event_type for event_type in types if name in types[event_type].consumers] for name in sorted(queues)
    }
    revisions = sum(contract.revision for contract in types.values())
    channels = {event_type: _type_channel(contract) for event_type, contract in types.items()}
    channels |= {name: _queue_channel(name, queues[name].arguments, got) for name, got in received.items() if got}
    operations = {f"send.{event_type}": _operation("send", event_type, [event_type]) for event_type in types}
    operations |= {f"receive.{name}": _operation("receive", name, got) for name, got in received.items() if got}
    operations["receive.department"] = _operation("receive", "department", list(types))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "担当事件 Events of Dandang",
            # Grows with every type, and every revision of one.
            "version": f"1.{revisions}.0",
            "description": (
                "至少投递一次；以 id 去重，以 sequence 在同一主体内排序。"
                "\nDelivered at least once: `id` tells repetitions, `sequence` the order within a subject."
            ),
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {
            "city": {
                "host": "broker.city.example:5671",
                "pathname": "/city",
                "protocol": "amqps",
                "protocolVersion": "0.9.1",
            }
        },
        "channels": channels | {"department": _department_channel(list(types))},
        "operations": operations,
        "components": {
            "messages": {event_type: _message(contract, everything) for event_type, contract in types.items()},
            "schemas": {
                "envelope": _plain_schema(orjson.loads((everything.folder / "envelope.json").read_bytes())),
                **{event_type: _plain_schema(contract.schema) for event_type, contract in types.items()},
            },
        },
    }


def _bilingual(text: Mapping[str, str]) -> str:
    return f"{text['zh']} {text['en']}"


def _messages(types: list[str]) -> dict[str, Any]:
    return {event_type: {"$ref": f"#/components/messages/{event_type}"} for event_type in types}


def _exchange(name: str) -> dict[str, Any]:
    return {"name": name, "type": "topic", "durable": True, "autoDelete": False, "vhost": "city"}


def _type_channel(contract: Contract) -> dict[str, Any]:
    return {
        "address": contract.type,
        "title": _bilingual(contract.title),
        "description": f"{contract.description['zh']}\n{contract.description['en']}",
        "messages": _messages([contract.type]),
        "bindings": {"amqp": {"is": "routingKey", "exchange": _exchange(EVENTS), "bindingVersion": "0.3.0"}},
    }


def _queue_channel(name: str, arguments: Mapping[str, Any], types: list[str]) -> dict[str, Any]:
    queue = {"name": name, "durable": True, "exclusive": False, "autoDelete": False, "vhost": "city"}
    return {
        "address": name,
        "messages": _messages(types),
        "bindings": {"amqp": {"is": "queue", "queue": queue, "bindingVersion": "0.3.0"}},
        "x-queue-arguments": dict(arguments),
    }


def _department_channel(types: list[str]) -> dict[str, Any]:
    return {
        "address": "dept.{department}.{eventType}",
        "title": "部门订阅 Events for a department",
        "description": (
            "部门只收到经批准的事件类型与字段，从自己的队列读取。"
            "\nA department gets the types and fields that were approved for it, and reads them from its own queue."
        ),
        "messages": _messages(types),
        "parameters": {
            "department": {"description": "部门标识 The department's key, such as finance-bureau"},
            "eventType": {"description": "事件类型 The event type"},
        },
        "bindings": {"amqp": {"is": "routingKey", "exchange": _exchange(PUBLIC), "bindingVersion": "0.3.0"}},
    }


def _operation(action: str, channel: str, types: list[str]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{event_type}"} for event_type in types],
    }


def _message(contract: Contract, everything: Contracts) -> dict[str, Any]:
    examples = everything.examples(contract.type)
    return {
        "name": contract.type,
        "title": _bilingual(contract.title),
        "contentType": "application/cloudevents+json",
        "payload": {
            "allOf": [
                {"$ref": "#/components/schemas/envelope"},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": contract.type},
                        "data": {"$ref": f"#/components/schemas/{contract.type}"},
                    },
                },
            ]
        },
        "examples": [{"name": name.removesuffix(".json"), "payload": example} for name, example in examples.items()],
        "x-consumers": list(contract.consumers),
        "x-ordered": contract.ordered,
    }


def _plain_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema for embedding: its identity is its place in the document."""
    return {key: value for key, value in schema.items() if key not in ("$schema", "$id", "x-consumers", "x-ordered")}


class _Plain(yaml.SafeDumper):
    """YAML without anchors, and with texts of several lines as such."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Plain.add_representer(str, _text)
