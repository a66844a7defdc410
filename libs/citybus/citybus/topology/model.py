"""What should be on the broker: exchanges, queues, bindings and users, and how names are matched."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

NOTHING: Final = "^$"
"""The permission that matches no name."""

Argument = str | int


def matches(pattern: str, key: str) -> bool:
    """Tell whether a topic exchange routes `key` by a binding `pattern`: `*` is one word, `#` any number of them."""
    return _words_match(pattern.split("."), key.split("."))


def _words_match(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    head, rest = pattern[0], pattern[1:]
    if head == "#":
        return any(_words_match(rest, words[index:]) for index in range(len(words) + 1))
    return bool(words) and head in ("*", words[0]) and _words_match(rest, words[1:])


def permission(names: Iterable[str]) -> str:
    """Return the regular expression that permits `names` and nothing else: `*` is one word, `#` all that follows."""
    alternatives = "|".join(_expression(name) for name in names)
    return f"^({alternatives})$" if alternatives else NOTHING


def _expression(name: str) -> str:
    words = {"*": "[^.]+", "#": ".+"}
    return r"\.".join(words.get(word) or re.escape(word).replace(r"\-", "-") for word in name.split("."))


@dataclass(frozen=True, slots=True, order=True)
class Exchange:
    """A durable exchange of type `topic` or `direct`."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue. `kind` is the kind of topology.yaml, with `.retry` or `.dead` for the queues that it brings."""

    name: str
    kind: str
    arguments: Mapping[str, Argument]
    ordered: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Binding:
    """A queue bound to an exchange under a key, without arguments."""

    exchange: str
    queue: str
    key: str

    def __str__(self) -> str:
        return f"{self.exchange} --{self.key}--> {self.queue}"


@dataclass(frozen=True, slots=True)
class User:
    """A user of the broker: three regular expressions over names, and per topic exchange one over routing keys."""

    name: str
    tags: frozenset[str] = frozenset()
    configure: str = NOTHING
    write: str = NOTHING
    read: str = NOTHING
    topics: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Topology:
    """All that the files say, expanded."""

    exchanges: Mapping[str, Exchange]
    queues: Mapping[str, Queue]
    bindings: Collection[Binding]
    users: Mapping[str, User]

    def receivers(self, event_type: str, exchange: str) -> frozenset[str]:
        """Return the queues that get events of `event_type` published to `exchange`."""
        return frozenset(
            binding.queue
            for binding in self.bindings
            if binding.exchange == exchange and matches(binding.key, event_type)
        )

    def routes(self, prefix: str, exchange: str) -> frozenset[Binding]:
        """Return the bindings of `exchange` that can match an event type of the service `prefix`."""
        return frozenset(
            binding
            for binding in self.bindings
            if binding.exchange == exchange and binding.key.split(".")[0] in (prefix, "*", "#")
        )
