"""Compares the broker with what should be there, and mends it."""

import base64
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final

from citybus.errors import CityError
from citybus.management import Management
from citybus.topology.model import Argument, Binding, Exchange, Queue, Topology, User

Passwords = Callable[[str], str]
"""Gives the password of a user."""

KnownPasswords = Callable[[str], str | None]
"""Gives the password of a user, or None where it is not known here."""

OLDEST: Final = (3, 10)
"""The first version of RabbitMQ that dead-letters quorum queues at least once."""

_OWN_USER: Final = re.compile(r"(svc|dept)-")
_HASHES: Final = {"rabbit_password_hashing_sha256": hashlib.sha256, "rabbit_password_hashing_sha512": hashlib.sha512}
_GUARANTEES: Final = frozenset(
    [
        "alternate-exchange",
        "dead-letter-exchange",
        "dead-letter-routing-key",
        "dead-letter-strategy",
        "delivery-limit",
        "expires",
        "max-age",
        "max-length",
        "max-length-bytes",
        "message-ttl",
        "overflow",
    ]
)
"""What a policy may not decide over: our arguments say it."""


class Remedy(Enum):
    """Who mends a drift."""

    APPLY = "apply"
    PRUNE = "prune"
    BY_HAND = "by hand"
    REFUSED = "refused"


class DriftKind(StrEnum):
    """How the broker differs from the files, in the order of mending."""

    VHOST_MISSING = "VHOST_MISSING"
    EXCHANGE_MISSING = "EXCHANGE_MISSING"
    EXCHANGE_DIFFERS = "EXCHANGE_DIFFERS"
    QUEUE_MISSING = "QUEUE_MISSING"
    QUEUE_DIFFERS = "QUEUE_DIFFERS"
    BINDING_MISSING = "BINDING_MISSING"
    BINDING_EXTRA = "BINDING_EXTRA"
    USER_MISSING = "USER_MISSING"
    USER_EXTRA = "USER_EXTRA"
    TAGS_DIFFER = "TAGS_DIFFER"
    PASSWORD_DIFFERS = "PASSWORD_DIFFERS"  # noqa: S105 - the name of a difference, not a password
    LIMITS_DIFFER = "LIMITS_DIFFER"
    TOPIC_PERMISSION_DIFFERS = "TOPIC_PERMISSION_DIFFERS"  # before what it narrows
    PERMISSION_DIFFERS = "PERMISSION_DIFFERS"
    PERMISSION_EXTRA = "PERMISSION_EXTRA"
    POLICY_OVERRIDES = "POLICY_OVERRIDES"


_REMEDIES: Final = {
    DriftKind.EXCHANGE_DIFFERS: Remedy.REFUSED,
    DriftKind.QUEUE_DIFFERS: Remedy.REFUSED,
    DriftKind.BINDING_EXTRA: Remedy.PRUNE,
    DriftKind.USER_EXTRA: Remedy.PRUNE,
    DriftKind.PERMISSION_EXTRA: Remedy.BY_HAND,
    DriftKind.POLICY_OVERRIDES: Remedy.BY_HAND,
}

_WORDS: Final = {
    DriftKind.VHOST_MISSING: ("缺少虚拟主机", "the virtual host is missing"),
    DriftKind.EXCHANGE_MISSING: ("缺少交换机", "the exchange is missing"),
    DriftKind.EXCHANGE_DIFFERS: (
        "交换机参数不同：停止发布，删除后重新 apply",
        "the exchange was declared otherwise: stop its publishers, delete it, apply",
    ),
    DriftKind.QUEUE_MISSING: ("缺少队列", "the queue is missing"),
    DriftKind.QUEUE_DIFFERS: (
        "队列参数不同：消费完毕并删除后重新 apply",
        "the queue was declared with other arguments: drain it, delete it, apply",
    ),
    DriftKind.BINDING_MISSING: ("缺少绑定", "the binding is missing"),
    DriftKind.BINDING_EXTRA: (
        "多余绑定：apply --prune 将其删除",
        "no file lists this binding: apply --prune removes it",
    ),
    DriftKind.USER_MISSING: ("缺少用户", "the user is missing"),
    DriftKind.USER_EXTRA: ("多余用户：apply --prune 将其删除", "no file lists this user: apply --prune removes it"),
    DriftKind.TAGS_DIFFER: ("用户标签不同", "the user has other tags"),
    DriftKind.PASSWORD_DIFFERS: ("密码与保管的不同", "the password is not the one that is kept"),
    DriftKind.LIMITS_DIFFER: ("连接限额不同", "the user has other limits"),
    DriftKind.PERMISSION_DIFFERS: ("权限不同", "the user has other permissions"),
    DriftKind.PERMISSION_EXTRA: (
        "未登记的用户拥有权限：请核实并收回",
        "a user whom no file lists has permissions: find out why, and take them back",
    ),
    DriftKind.TOPIC_PERMISSION_DIFFERS: ("主题权限不同", "the user has other topic permissions"),
    DriftKind.POLICY_OVERRIDES: (
        "策略改变了投递保证：请删除或缩小其范围",
        "a policy changes what the queues guarantee: remove or narrow it",
    ),
}


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference: what it concerns, what is wanted and what was found (None: nothing)."""

    kind: DriftKind
    name: str
    wanted: Any = None
    found: Any = None

    @property
    def remedy(self) -> Remedy:
        """Who mends it."""
        return _REMEDIES.get(self.kind, Remedy.APPLY)

    @property
    def message(self) -> dict[str, str]:
        """What it means, for people."""
        zh, en = _WORDS[self.kind]
        return {"zh": zh, "en": en}

    def __str__(self) -> str:
        return f"{self.kind:25} {self.name}: {self.message['zh']} / {self.message['en']}"

    def as_dict(self) -> dict[str, Any]:
        """Return it for a JSON report."""
        return {
            "kind": str(self.kind),
            "name": self.name,
            "wanted": self.wanted,
            "found": self.found,
            "remedy": self.remedy.value,
            "message": self.message,
        }


class ChangeRefused(CityError):
    """Something that exists was declared otherwise and cannot be changed where it stands. Nothing was done."""

    def __init__(self, drifts: Sequence[Drift]) -> None:
        self.drifts = tuple(drifts)
        super().__init__("\n".join(f"{drift} (wanted {drift.wanted}, found {drift.found})" for drift in drifts))


class BrokerTooOld(CityError):
    """The broker cannot keep the guarantees."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What is on the broker, of one virtual host, and all its users."""

    vhost: bool
    exchanges: Mapping[str, Mapping[str, Any]]
    queues: Mapping[str, Mapping[str, Any]]
    bindings: Sequence[Mapping[str, Any]]
    policies: Sequence[Mapping[str, Any]]
    users: Mapping[str, Mapping[str, Any]]
    permissions: Mapping[str, Mapping[str, str]]
    topics: Mapping[str, Mapping[str, Mapping[str, str]]]

    @classmethod
    def read(cls, management: Management, vhost: str) -> "_Found":
        """Read it. Raises ManagementError, and BrokerTooOld."""
        every = management.get("definitions")
        version = str(every["rabbit_version"])
        if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < OLDEST:
            raise BrokerTooOld(f"RabbitMQ {version}: 3.10 or later is wanted")
        there = any(each["name"] == vhost for each in every["vhosts"])
        own = management.get("definitions", vhost) if there else {}
        topics: dict[str, dict[str, Mapping[str, str]]] = {}
        for right in every["topic_permissions"]:
            if right["vhost"] == vhost:
                topics.setdefault(right["user"], {})[right["exchange"]] = right
        return cls(
            vhost=there,
            exchanges={each["name"]: each for each in own.get("exchanges", ())},
            queues={each["name"]: each for each in own.get("queues", ())},
            bindings=own.get("bindings", ()),
            policies=own.get("policies", ()),
            users={each["name"]: each for each in every["users"]},
            permissions={each["user"]: each for each in every["permissions"] if each["vhost"] == vhost},
            topics=topics,
        )


def compare(
    management: Management, topology: Topology, vhost: str, passwords: KnownPasswords | None = None
) -> list[Drift]:
    """Return how the broker differs from `topology`. A password that is not known is not compared.

    Raises ManagementError, and BrokerTooOld.
    """
    found = _Found.read(management, vhost)
    return [
        *([] if found.vhost else [Drift(DriftKind.VHOST_MISSING, vhost)]),
        *_exchange_drifts(topology, found),
        *_queue_drifts(topology, found),
        *_binding_drifts(topology, found),
        *_user_drifts(topology, found, passwords),
        *_permission_drifts(topology, found),
        *_policy_drifts(topology, found),
    ]


def _exchange_drifts(topology: Topology, found: _Found) -> Iterator[Drift]:
    for name, exchange in topology.exchanges.items():
        wanted = _exchange_body(exchange)
        there = found.exchanges.get(name)
        if there is None:
            yield Drift(DriftKind.EXCHANGE_MISSING, name, wanted)
        elif (actual := {key: there[key] for key in wanted}) != wanted:
            yield Drift(DriftKind.EXCHANGE_DIFFERS, name, wanted, actual)


def _queue_drifts(topology: Topology, found: _Found) -> Iterator[Drift]:
    for name, queue in topology.queues.items():
        wanted = _queue_body(queue)
        there = found.queues.get(name)
        if there is None:
            yield Drift(DriftKind.QUEUE_MISSING, name, wanted)
        elif (actual := {key: there[key] for key in wanted}) != wanted:
            yield Drift(DriftKind.QUEUE_DIFFERS, name, wanted, actual)


def _binding_drifts(topology: Topology, found: _Found) -> Iterator[Drift]:
    there = {}
    for each in found.bindings:
        # The default exchange is bound to every queue by nature.
        if each["source"] and (each["source"] in topology.exchanges or each["destination"] in topology.queues):
            plain = each["destination_type"] == "queue" and not each["arguments"]
            binding = Binding(each["source"], each["destination"], each["routing_key"])
            there[binding if plain else str(each)] = each
    for binding in sorted(topology.bindings):
        if binding not in there:
            yield Drift(DriftKind.BINDING_MISSING, str(binding), _binding_body(binding))
    wanted = set(topology.bindings)
    for key, each in there.items():
        if key not in wanted:
            binding = Binding(each["source"], each["destination"], each["routing_key"])
            yield Drift(DriftKind.BINDING_EXTRA, str(binding), None, {**each})


def _user_drifts(topology: Topology, found: _Found, passwords: KnownPasswords | None) -> Iterator[Drift]:
    for name, user in topology.users.items():
        there = found.users.get(name)
        if there is None:
            yield Drift(DriftKind.USER_MISSING, name, sorted(user.tags))
            if user.limits:
                yield Drift(DriftKind.LIMITS_DIFFER, name, dict(user.limits))
            continue
        if (tags := _tags(there["tags"])) != user.tags:
            yield Drift(DriftKind.TAGS_DIFFER, name, sorted(user.tags), sorted(tags))
        password = passwords(name) if passwords else None
        if password is not None and not _is_password(password, there):
            yield Drift(DriftKind.PASSWORD_DIFFERS, name)
        # An empty object may come as an empty list.
        if (limits := dict(there.get("limits") or {})) != dict(user.limits):
            yield Drift(DriftKind.LIMITS_DIFFER, name, dict(user.limits), limits)
    for name in sorted(found.users.keys() - topology.users.keys()):
        if _OWN_USER.match(name) and name in found.permissions:
            yield Drift(DriftKind.USER_EXTRA, name)


def _permission_drifts(topology: Topology, found: _Found) -> Iterator[Drift]:
    for name, user in topology.users.items():
        wanted = _permission_body(user)
        there = found.permissions.get(name)
        actual = {key: there[key] for key in wanted} if there else None
        if actual != wanted:
            yield Drift(DriftKind.PERMISSION_DIFFERS, name, wanted, actual)
        rights = found.topics.get(name, {})
        for exchange in sorted(user.topics.keys() | rights.keys()):
            right = _topic_body(exchange, user.topics[exchange]) if exchange in user.topics else None
            has = {key: rights[exchange][key] for key in _topic_body(exchange, "")} if exchange in rights else None
            if has != right:
                yield Drift(DriftKind.TOPIC_PERMISSION_DIFFERS, name, right, has)
    for name, there in found.permissions.items():
        tags = _tags(found.users[name]["tags"]) if name in found.users else frozenset()
        if name not in topology.users and not _OWN_USER.match(name) and "administrator" not in tags:
            yield Drift(DriftKind.PERMISSION_EXTRA, name, None, {key: there[key] for key in _permission_body(User(""))})


def _policy_drifts(topology: Topology, found: _Found) -> Iterator[Drift]:
    for policy in found.policies:
        names = {"queues": topology.queues, "exchanges": topology.exchanges}.get(
            policy["apply-to"], {**topology.queues, **topology.exchanges}
        )
        decides = sorted(_GUARANTEES & policy["definition"].keys())
        if decides and any(_policy_matches(policy["pattern"], name) for name in names):
            yield Drift(
                DriftKind.POLICY_OVERRIDES, policy["name"], None, {"pattern": policy["pattern"], "decides": decides}
            )


def _policy_matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:  # Erlang's expressions know more than ours: rather one report too many
        return True


def mend(
    management: Management, drifts: Sequence[Drift], vhost: str, passwords: Passwords, *, prune: bool = False
) -> list[Drift]:
    """Mend `drifts` where they can be, and return those that were. Extras are removed only with `prune`.

    Raises ChangeRefused, with nothing done, where something would have to be changed that only a person may delete;
    and ManagementError.
    """
    if refused := [drift for drift in drifts if drift.remedy is Remedy.REFUSED]:
        raise ChangeRefused(refused)
    remedies = {Remedy.APPLY, Remedy.PRUNE} if prune else {Remedy.APPLY}
    todo = [drift for drift in drifts if drift.remedy in remedies]
    order = list(DriftKind)
    for drift in sorted(todo, key=lambda drift: order.index(drift.kind)):
        _mend(management, drift, vhost, passwords)
    return todo


def _mend(management: Management, drift: Drift, vhost: str, passwords: Passwords) -> None:
    name, wanted, found = drift.name, drift.wanted, drift.found
    match drift.kind:
        case DriftKind.VHOST_MISSING:
            # 3.10 knows the first name of the setting, later versions the second.
            management.put("vhosts", name, body={"defaultqueuetype": "quorum", "default_queue_type": "quorum"})
            everything = {"configure": ".*", "write": ".*", "read": ".*"}
            management.put("permissions", name, management.user, body=everything)
        case DriftKind.EXCHANGE_MISSING:
            management.put("exchanges", vhost, name, body=wanted)
        case DriftKind.QUEUE_MISSING:
            management.put("queues", vhost, name, body=wanted)
        case DriftKind.BINDING_MISSING:
            path = ("bindings", vhost, "e", wanted["source"], "q", wanted["destination"])
            management.post(*path, body={"routing_key": wanted["routing_key"], "arguments": {}})
        case DriftKind.BINDING_EXTRA:
            _unbind(management, vhost, found)
        case DriftKind.USER_MISSING | DriftKind.TAGS_DIFFER | DriftKind.PASSWORD_DIFFERS:
            tags = wanted if wanted is not None else _tags(management.get("users", name)["tags"])
            management.put("users", name, body={"tags": ",".join(tags), **_password_body(passwords(name))})
        case DriftKind.USER_EXTRA:
            _remove_user(management, name, vhost)
        case DriftKind.LIMITS_DIFFER:
            for limit in (found or {}).keys() - wanted.keys():
                management.delete("user-limits", name, limit)
            for limit, value in wanted.items():
                management.put("user-limits", name, limit, body={"value": value})
        case DriftKind.PERMISSION_DIFFERS:
            management.put("permissions", vhost, name, body=wanted)
            _disconnect(management, name, had=found)
        case _:  # TOPIC_PERMISSION_DIFFERS: `mend` lets no other kind pass
            _mend_topic(management, vhost, drift)
            _disconnect(management, name, had=found)


def _unbind(management: Management, vhost: str, found: Mapping[str, Any]) -> None:
    kind = "q" if found["destination_type"] == "queue" else "e"
    path = ("bindings", vhost, "e", found["source"], kind, found["destination"])
    for each in management.get(*path, allow=(404,)) or ():
        if each["routing_key"] == found["routing_key"] and each["arguments"] == found["arguments"]:
            management.delete(*path, each["properties_key"])


def _mend_topic(management: Management, vhost: str, drift: Drift) -> None:
    if drift.wanted is not None:
        management.put("topic-permissions", vhost, drift.name, body=drift.wanted)
    else:
        management.delete("topic-permissions", vhost, drift.name, drift.found["exchange"])


def _remove_user(management: Management, name: str, vhost: str) -> None:
    """Take a user's rights in `vhost` away; the user goes as well where no other virtual host knows it."""
    management.delete("permissions", vhost, name)
    if management.get("users", name, "permissions"):
        _disconnect(management, name, had=name)
    else:
        management.delete("users", name)


def _disconnect(management: Management, user: str, *, had: Any) -> None:
    """Close the connections of a user whose rights were changed: a consumer that stands would go on receiving."""
    if had is not None:
        management.delete("connections", "username", user)


def _exchange_body(exchange: Exchange) -> dict[str, Any]:
    return {"type": exchange.type, "durable": True, "auto_delete": False, "internal": False, "arguments": {}}


def _queue_body(queue: Queue) -> dict[str, Any]:
    arguments: dict[str, Argument] = dict(queue.arguments)
    return {"durable": True, "auto_delete": False, "arguments": arguments}


def _binding_body(binding: Binding) -> dict[str, str]:
    return {"source": binding.exchange, "destination": binding.queue, "routing_key": binding.key}


def _permission_body(user: User) -> dict[str, str]:
    return {"configure": user.configure, "write": user.write, "read": user.read}


def _topic_body(exchange: str, write: str) -> dict[str, str]:
    return {"exchange": exchange, "write": write, "read": "^$"}


def _tags(tags: str | Sequence[str]) -> frozenset[str]:
    """Return tags as a set; older brokers tell them as one text."""
    return frozenset(tag for tag in (tags.split(",") if isinstance(tags, str) else tags) if tag)


def _password_body(password: str) -> dict[str, str]:
    """Return the broker's form of a password: what travels is its salted hash."""
    salt = os.urandom(4)
    return {
        "password_hash": base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
    }


def _is_password(password: str, user: Mapping[str, Any]) -> bool:
    algorithm = _HASHES.get(user.get("hashing_algorithm", ""))
    if algorithm is None:
        return False
    known = base64.b64decode(user.get("password_hash") or "")
    return bool(known) and known[4:] == algorithm(known[:4] + password.encode()).digest()
