"""A broker in memory and the publisher to it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from citybus.broker.publisher import CONFIRMED, HELD, UNKNOWN, Fate, Limits, Outcome, Outgoing


@dataclass
class MemoryBroker:
    """What a broker does to a publisher. Its faults are set as attributes.

    `bindings` maps (exchange, routing key) to queues; an exchange exists when it is in `exchanges`. `up` is false while
    it cannot be reached, `silent` is true while it takes nothing and answers nothing. With `cut_after` the connection
    breaks after so many more messages, and the answers to the last `unanswered` of these are lost.
    """

    exchanges: set[str] = field(default_factory=set)
    bindings: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    full: set[str] = field(default_factory=set)
    queues: dict[str, list[Outgoing]] = field(default_factory=lambda: defaultdict(list))
    up: bool = True
    silent: bool = False
    cut_after: int | None = None
    unanswered: int = 0

    def bind(self, queue: str, exchange: str, routing_key: str) -> None:
        """Let messages of `exchange` with this very routing key go to `queue`."""
        self.exchanges.add(exchange)
        self.bindings[exchange, routing_key].append(queue)

    def take(self, message: Outgoing) -> Outcome:
        """Route one message."""
        if message.exchange not in self.exchanges:
            return Outcome(Fate.REFUSED, "404 NOT_FOUND")
        queues = self.bindings.get((message.exchange, message.routing_key), [])
        if not queues and message.mandatory:
            return Outcome(Fate.RETURNED, "312 NO_ROUTE")
        for queue in queues:
            if queue not in self.full:
                self.queues[queue].append(message)
        return Outcome(Fate.NACKED) if self.full.intersection(queues) else CONFIRMED


class MemoryPublisher:
    """The publisher to a `MemoryBroker`; of its limits only the size of a body counts."""

    def __init__(self, broker: MemoryBroker, limits: Limits | None = None) -> None:
        self._broker = broker
        self._limits = limits or Limits()
        self._number = 0
        self._connected = False

    def tend(self) -> int:
        if self._broker.up and not self._broker.silent and not self._connected:
            self._connected = True
            self._number += 1
        return self._number if self._connected else 0

    def publish(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        held: set[str] = set()
        confirmed: list[int] = []
        for index, message in enumerate(batch):
            outcome = HELD if message.order_key in held else self._send(message, confirmed, outcomes)
            if outcome is CONFIRMED:
                confirmed.append(index)
            else:
                held.add(message.order_key)
            outcomes.append(outcome)
        return outcomes

    def close(self) -> None:
        self._connected = False

    def _send(self, message: Outgoing, confirmed: list[int], outcomes: list[Outcome]) -> Outcome:
        broker = self._broker
        if not broker.up:
            self._connected = False
        if not self._connected:
            return HELD
        if len(message.body) > self._limits.body or len(message.routing_key) > 255:
            return Outcome(Fate.REFUSED, "too long")
        if broker.silent:
            self._connected = False
            return UNKNOWN
        if broker.cut_after == 0:
            broker.cut_after = None
            self._connected = False
            for index in confirmed[len(confirmed) - broker.unanswered :]:
                outcomes[index] = UNKNOWN
            return UNKNOWN
        if broker.cut_after is not None:
            broker.cut_after -= 1
        return broker.take(message)
