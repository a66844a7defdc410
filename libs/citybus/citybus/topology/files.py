"""Reads the files that say what should be on the broker; all their errors are reported at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import yaml
from marshmallow import Schema, ValidationError, fields, validate

from citybus.errors import CityError
from citybus.topology.model import Argument, Binding, Exchange, Queue, Topology, User, matches, permission

FILES: Final = ("topology.yaml", "users.yaml", "departments.yaml")


class TopologyInvalid(CityError):
    """The files are wrong. `problems` holds one line for each error."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class _Argument(fields.Field[Argument]):
    """A queue argument: text or a whole number. YAML's yes, no and fractions are mistakes here."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Argument:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ValidationError("wants text or a whole number")
        return value


class _Date(fields.Date):
    """A date; YAML has read it already."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return value if type(value) is date else super()._deserialize(value, attr, data, **kwargs)


_WORD: Final = r"[a-z0-9][a-z0-9-]*"


def _name(words: str = "+") -> fields.String:
    return fields.String(
        required=True,
        validate=validate.Regexp(rf"{_WORD}(\.{_WORD}){words}\Z", error="words of a-z, 0-9 and - with dots between"),
    )


def _pattern() -> fields.String:
    return fields.String(
        validate=validate.Regexp(
            rf"({_WORD}|\*|#\Z)(\.({_WORD}|\*|#\Z))*\Z", error="words with dots between; * is a word, # the last one"
        )
    )


def _patterns() -> fields.List[str]:
    return fields.List(_pattern(), load_default=list)


def _arguments(*, required: bool = False) -> fields.Dict:
    name = fields.String(validate=validate.Regexp(r"x-[a-z-]+\Z", error="a queue argument begins with x-"))
    return fields.Dict(keys=name, values=_Argument(), required=required)


def _count() -> fields.Integer:
    return fields.Integer(strict=True, validate=validate.Range(min=1))


class _Kind(Schema):
    queue = _arguments(required=True)
    retry = _arguments()
    dead = _arguments()


class _Queue(Schema):
    kind = fields.String(required=True)
    retry = fields.String(load_default=None)
    ordered = fields.Boolean(load_default=False)
    bindings = fields.Dict(keys=fields.String(), values=fields.List(_pattern(), required=True), required=True)


class _Topology(Schema):
    exchanges = fields.Dict(
        keys=_name(), values=fields.String(validate=validate.OneOf(("topic", "direct"))), required=True
    )
    ladder = fields.Dict(keys=fields.String(validate=validate.Regexp(r"[0-9]+[smh]\Z")), values=_count(), required=True)
    kinds = fields.Dict(keys=fields.String(), values=fields.Nested(_Kind), required=True)
    queues = fields.Dict(keys=_name(), values=fields.Nested(_Queue), required=True)


class _User(Schema):
    tags = fields.List(
        fields.String(validate=validate.OneOf(("monitoring",), error="only the tag monitoring is given here")),
        load_default=list,
    )
    configure = _patterns()
    write = _patterns()
    read = _patterns()
    topics = fields.Dict(keys=fields.String(), values=fields.List(_pattern()), load_default=dict)


class _Users(Schema):
    users = fields.Dict(
        keys=fields.String(validate=validate.Regexp(rf"{_WORD}\Z")), values=fields.Nested(_User), required=True
    )


class _Bilingual(Schema):
    zh = fields.String(required=True, validate=validate.Length(min=1))
    en = fields.String(required=True, validate=validate.Length(min=1))


class _Limits(Schema):
    max_connections = fields.Integer(required=True, strict=True, data_key="max-connections", validate=validate.Range(1))
    max_channels = fields.Integer(required=True, strict=True, data_key="max-channels", validate=validate.Range(1))


class _Department(Schema):
    name = fields.Nested(_Bilingual, required=True)
    owner = fields.Nested(_Bilingual, required=True)
    contact = fields.String(required=True, validate=validate.Length(min=1))
    expires = _Date(required=True)
    user = fields.String(required=True)
    queue = _name()
    binding = fields.String(required=True)
    arguments = _arguments()
    limits = fields.Nested(_Limits)


class _Departments(Schema):
    exchange = _name()
    arguments = _arguments(required=True)
    limits = fields.Nested(_Limits, required=True)
    departments = fields.Dict(
        keys=fields.String(validate=validate.Regexp(rf"{_WORD}\Z")), values=fields.Nested(_Department), required=True
    )


_SCHEMAS: Final[Mapping[str, type[Schema]]] = {
    "topology.yaml": _Topology,
    "users.yaml": _Users,
    "departments.yaml": _Departments,
}


class _Loader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error instead of the last one winning."""


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands twice", key_node.start_mark)
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=deep)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load(folder: Path, today: date) -> Topology:
    """Return what the files in `folder` say for `today`: a department loses its rights after its last day.

    Raises TopologyInvalid with all errors of all files.
    """
    problems: list[str] = []
    read = {name: _read(folder / name, _SCHEMAS[name], problems) for name in FILES}
    if problems:
        raise TopologyInvalid(problems)
    draft = _Draft({}, {}, set(), {}, problems)
    draft.add_topology(read["topology.yaml"])
    draft.add_users(read["users.yaml"])
    draft.add_departments(read["departments.yaml"], today)
    if problems:
        raise TopologyInvalid(problems)
    return Topology(draft.exchanges, draft.queues, frozenset(draft.bindings), draft.users)


def _read(path: Path, schema: type[Schema], problems: list[str]) -> dict[str, Any]:
    try:
        # The loader is a safe one: it builds plain values only.
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506
        return dict(schema().load(content))
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path.name}: cannot be read ({type(error).__name__})")
    except yaml.YAMLError as error:
        problems.append(f"{path.name}: {' '.join(str(error).split())}")
    except ValidationError as error:
        problems.extend(f"{path.name}: {line}" for line in _lines(error.messages))
    return {}


def _lines(messages: Any, where: str = "") -> Iterator[str]:
    """Yield one line per error out of marshmallow's nested messages."""
    if isinstance(messages, dict):
        for name, inner in messages.items():
            step = "" if name in ("_schema", "key", "value") else str(name)
            yield from _lines(inner, ": ".join(part for part in (where, step) if part))
    else:
        yield from (f"{where}: {message}" if where else str(message) for message in messages)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A topology in the making: files are added one by one, and errors collected."""

    exchanges: dict[str, Exchange]
    queues: dict[str, Queue]
    bindings: set[Binding]
    users: dict[str, User]
    problems: list[str]

    def add_topology(self, read: Mapping[str, Any]) -> None:
        """Add exchanges, queues with the ladder and dead queue that each brings, and bindings."""
        self.exchanges.update({name: Exchange(name, kind) for name, kind in read["exchanges"].items()})
        kinds = {}
        for name, kind in read["kinds"].items():
            kinds[name] = kind
            if ("retry" in kind) != ("dead" in kind):
                self._wrong("topology.yaml", f"kind {name}", "has `retry` and `dead`, or neither")
        for name, queue in read["queues"].items():
            kind = kinds.get(queue["kind"])
            if kind is None:
                self._wrong("topology.yaml", name, f"there is no kind {queue['kind']}")
            elif "dead" not in kind:
                if queue["retry"]:
                    self._wrong("topology.yaml", name, f"kind {queue['kind']} has no ladder")
                self._add_queue("topology.yaml", Queue(name, queue["kind"], kind["queue"], queue["ordered"]))
            elif queue["retry"] is None or self._exchange_type(queue["retry"]) != "direct":
                self._wrong("topology.yaml", name, "wants, under `retry`, a direct exchange for its ladder")
            else:
                self._add_family(name, queue, kind, read["ladder"])
            for exchange, keys in queue["bindings"].items():
                if exchange not in self.exchanges:
                    self._wrong("topology.yaml", name, f"there is no exchange {exchange}")
                self.bindings.update(Binding(exchange, name, key) for key in keys)

    def add_users(self, read: Mapping[str, Any]) -> None:
        """Add the users of the city's own processes and operators."""
        for name, user in read["users"].items():
            for right in ("configure", "write", "read"):
                for pattern in user[right]:
                    if not any(matches(pattern, known) for known in (*self.exchanges, *self.queues)):
                        self._wrong("users.yaml", name, f"{right}: there is no exchange or queue {pattern}")
            writable = {name for name in user["write"] if self._exchange_type(name) == "topic"}
            # Without a topic permission the broker lets every routing key pass.
            if writable != set(user["topics"]):
                self._wrong("users.yaml", name, "`topics` names exactly the topic exchanges under `write`")
            self.users[name] = User(
                name,
                tags=frozenset(user["tags"]),
                configure=permission(user["configure"]),
                write=permission(user["write"]),
                read=permission(user["read"]),
                topics={exchange: permission(keys) for exchange, keys in user["topics"].items()},
            )

    def add_departments(self, read: Mapping[str, Any], today: date) -> None:
        """Add the departments' queues, bindings and users."""
        exchange = read["exchange"]
        if self._exchange_type(exchange) != "topic":
            self._wrong("departments.yaml", "exchange", f"there is no topic exchange {exchange}")
        for key, department in read["departments"].items():
            prefix = f"dept.{key}."
            for what, value, wanted in (
                ("user", department["user"], f"dept-{key}"),
                ("binding", department["binding"], f"{prefix}#"),
            ):
                if value != wanted:
                    self._wrong("departments.yaml", key, f"{what} is {wanted}, and not {value}")
            queue = department["queue"]
            if not queue.startswith(prefix):
                self._wrong("departments.yaml", key, f"the queue's name begins with {prefix}")
            arguments = read["arguments"] | department.get("arguments", {})
            if arguments.get("x-overflow") != "drop-head" or "x-max-length" not in arguments:
                self._wrong("departments.yaml", key, "the queue wants x-max-length, and x-overflow drop-head")
            self._add_queue("departments.yaml", Queue(queue, "department", arguments))
            self.bindings.add(Binding(exchange, queue, department["binding"]))
            if department["user"] in self.users:
                self._wrong("departments.yaml", key, f"user {department['user']} stands twice")
            limits = department.get("limits", read["limits"])
            self.users[department["user"]] = User(
                department["user"],
                read=permission([queue] if today <= department["expires"] else []),
                limits={name.replace("_", "-"): value for name, value in limits.items()},
            )

    def _add_family(
        self, name: str, queue: Mapping[str, Any], kind: Mapping[str, Any], ladder: Mapping[str, int]
    ) -> None:
        """Add a queue, its ladder and its dead queue, and bind each under its own name to the retry exchange."""
        back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": name}
        dead = f"{name}.dead"
        aside = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
        family = [
            Queue(name, queue["kind"], kind["queue"] | aside, queue["ordered"]),
            *(
                Queue(f"{name}.retry.{delay}", f"{queue['kind']}.retry", kind["retry"] | back | {"x-message-ttl": wait})
                for delay, wait in ladder.items()
            ),
            Queue(dead, f"{queue['kind']}.dead", kind["dead"]),
        ]
        for member in family:
            self._add_queue("topology.yaml", member)
            self.bindings.add(Binding(queue["retry"], member.name, member.name))

    def _add_queue(self, file: str, queue: Queue) -> None:
        if queue.name in self.queues:
            self._wrong(file, queue.name, "this name stands twice")
        if "x-queue-type" not in queue.arguments:
            self._wrong(file, queue.name, "x-queue-type is wanted: the default differs from broker to broker")
        if queue.arguments.get("x-queue-type") == "quorum" and not (
            "x-delivery-limit" in queue.arguments or queue.kind.endswith(".retry")
        ):
            self._wrong(file, queue.name, "x-delivery-limit is wanted: RabbitMQ 3 has none, RabbitMQ 4 drops at 20")
        self.queues[queue.name] = queue

    def _exchange_type(self, name: str) -> str | None:
        exchange = self.exchanges.get(name)
        return exchange.type if exchange else None

    def _wrong(self, file: str, where: str, what: str) -> None:
        self.problems.append(f"{file}: {where}: {what}")
