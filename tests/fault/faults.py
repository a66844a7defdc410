"""Faults put around the ports of a process: crash points, and the negative controls that must be found out.

`FAULTS` in the environment of a process started by `tests.fault` names them, separated by spaces:

    crash:<point>:<n>   the process ends at once (as by SIGKILL) the n-th time it comes to the point
    transient           every handler fails as if something were away for a moment
    lease:<seconds>     a job whose process died is free again after so short a time
    control:<name>      one guarantee is taken away: no-confirms, mark-first, ack-first, no-inbox, no-outbox

Product code knows nothing of this: `install` wraps its classes from outside, in that process alone.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CRASH_POINTS = {
    "api": ("before-commit", "between-commits", "after-commit"),
    "job": ("before-commit", "after-commit"),
    "relay": ("after-fetch", "after-publish", "before-mark", "after-mark"),
    "worker": ("after-effect", "before-commit", "after-commit", "after-ack", "after-retry", "after-park"),
}
"""The points of each kind of process. `after-publish` is before the confirms are awaited, `before-mark` after them."""

CONTROLS = ("no-confirms", "mark-first", "ack-first", "no-inbox", "no-outbox")

_passed: Counter[str] = Counter()


def install(kind: str) -> None:
    """Put the faults that the environment names around the ports of this process."""
    for fault in os.environ.get("FAULTS", "").split():
        what, _, rest = fault.partition(":")
        if what == "crash":
            point, _, count = rest.rpartition(":")
            if point not in CRASH_POINTS[kind]:
                raise ValueError(f"a {kind} has no crash point {point}")
            _install_crash(kind, point, int(count))
        elif what == "transient":
            _always_transient()
        elif what == "lease":
            _short_lease(float(rest))
        elif rest in CONTROLS:
            _CONTROL[rest]()
        else:
            raise ValueError(f"unknown fault {fault}")


def _crash(point: str, count: int) -> None:
    _passed[point] += 1
    if _passed[point] == count:
        # The mark lets the test see that the point was reached; the kill gives nothing a chance to clean up.
        if mark := os.environ.get("FAULT_MARK"):
            with Path(mark).open("a", encoding="ascii") as out:
                out.write(f"{point}\n")
        # An api is a process and its child; each process of the tests leads a group of its own.
        os.killpg(0, signal.SIGKILL)


def _around(
    owner: Any, name: str, *, before: Callable[[], None] | None = None, after: Callable[[], None] | None = None
) -> None:
    original = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if before:
            before()
        result = original(*args, **kwargs)
        if after:
            after()
        return result

    setattr(owner, name, wrapped)


def _install_crash(kind: str, point: str, count: int) -> None:
    def crash() -> None:
        _crash(point, count)

    if kind == "relay":
        from citybus.broker import publisher
        from citybus.relay import DatabaseOutbox

        if point == "after-fetch":
            fetch = DatabaseOutbox.fetch

            def fetched(self: Any, limit: int) -> Any:
                rows = fetch(self, limit)
                if rows:
                    crash()
                return rows

            DatabaseOutbox.fetch = fetched  # type: ignore[method-assign]  # a wrapper of the same shape
        elif point == "after-publish":
            _around(publisher.PikaPublisher, "_on_confirm", before=crash)
        elif point == "before-mark":
            _around(DatabaseOutbox, "mark", before=crash)
        else:
            _around(DatabaseOutbox, "mark", after=crash)
        return
    from citybus.unit_of_work import UnitOfWork

    def at_commits(action: Callable[[], None], *, after: bool) -> None:
        """Act at commits that say something: events or audit entries, or a batch with messages in it."""
        commit = UnitOfWork.commit

        def wrapped(self: Any) -> None:
            counts = bool(self._events or self._audits) or getattr(self, "batch", False)
            if counts and not after:
                self.session.flush()
                action()
            commit(self)
            if counts and after:
                action()

        UnitOfWork.commit = wrapped  # type: ignore[method-assign]  # a wrapper of the same shape

    if point == "between-commits":
        # Only where the control `no-outbox` has made two commits of one.
        UnitOfWork.between = staticmethod(crash)  # type: ignore[attr-defined]  # read by the control
        return
    if point in {"before-commit", "after-commit"}:
        _tell_batches()
        at_commits(crash, after=point == "after-commit")
        return
    from citybus import inbox
    from citybus.broker.consumer import RabbitInbound

    match point:
        case "after-effect":
            apply_batch = inbox.apply_batch

            def applied(uow: Any, subscription: Any, arrivals: Sequence[Any]) -> Any:
                report = apply_batch(uow, subscription, arrivals)
                if arrivals:
                    crash()
                return report

            inbox.apply_batch = applied
        case "after-ack":
            _around(RabbitInbound, "ack", after=crash)
        case "after-retry":
            _around(RabbitInbound, "retry", after=crash)
        case "after-park":
            _around(RabbitInbound, "park", after=crash)


def _tell_batches() -> None:
    """Let a unit of work know that it applies a batch with messages in it."""
    from citybus import inbox

    apply_batch = inbox.apply_batch

    def told(uow: Any, subscription: Any, arrivals: Sequence[Any]) -> Any:
        uow.batch = bool(arrivals)
        return apply_batch(uow, subscription, arrivals)

    inbox.apply_batch = told


def _always_transient() -> None:
    """Let every event fail as something that passes."""
    from citybus import inbox
    from citybus.errors import Transient

    def apply_batch(uow: Any, subscription: Any, arrivals: Sequence[Any]) -> Any:
        raise Transient("made by the test")

    inbox.apply_batch = apply_batch


def _short_lease(seconds: float) -> None:
    """Let another process take a dead one's job soon: nothing else of it is changed."""
    from citybus.jobs import Runner

    original = Runner.__init__

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **{**kwargs, "lease": seconds})

    Runner.__init__ = wrapped  # type: ignore[method-assign]  # a wrapper of the same shape


def _no_confirms() -> None:
    """The relay takes a message for published once it is written to the socket."""
    import pika

    from citybus.broker.publisher import Fate, Outcome, PikaPublisher
    from citybus.envelope import CONTENT_TYPE

    class Careless:
        def __init__(self, url: str, **_: Any) -> None:
            self._url = url
            self._connection: Any = None

        def tend(self) -> int:
            try:
                if self._connection is None or self._connection.is_closed:
                    self._connection = pika.BlockingConnection(pika.URLParameters(self._url))
                    self._channel = self._connection.channel()
                self._connection.process_data_events(0)
            except Exception:
                self._connection = None
                return 0
            return 1

        def publish(self, batch: Sequence[Any]) -> list[Outcome]:
            for message in batch:
                try:
                    self._channel.basic_publish(
                        message.exchange,
                        message.routing_key,
                        message.body,
                        pika.BasicProperties(content_type=CONTENT_TYPE, message_id=message.message_id, delivery_mode=2),
                    )
                except Exception:
                    self._connection = None
                    break
            return [Outcome(Fate.CONFIRMED) for _ in batch]

        def close(self) -> None:
            if self._connection is not None and self._connection.is_open:
                self._connection.close()

    from citybus import relay

    assert vars(relay)["PikaPublisher"] is PikaPublisher
    vars(relay)["PikaPublisher"] = Careless


def _mark_first() -> None:
    """The relay marks rows as published when it fetches them."""
    from citybus.relay import DatabaseOutbox

    fetch, mark = DatabaseOutbox.fetch, DatabaseOutbox.mark

    def fetched(self: Any, limit: int) -> Any:
        rows = fetch(self, limit)
        if rows:
            mark(self, [row.position for row in rows])
        return rows

    DatabaseOutbox.fetch = fetched  # type: ignore[method-assign]  # a wrapper of the same shape


def _ack_first() -> None:
    """The worker acknowledges what it has fetched before it applies it."""
    from citybus.broker.consumer import RabbitInbound

    fetch, ack = RabbitInbound.fetch, RabbitInbound.ack

    def fetched(self: Any, limit: int, timeout: float) -> Any:
        found = fetch(self, limit, timeout)
        if found:
            ack(self, found[-1])
            time.sleep(0.3)  # the acknowledgement leaves by a thread of its own
        return found

    RabbitInbound.fetch = fetched  # type: ignore[method-assign]  # a wrapper of the same shape
    RabbitInbound.ack = lambda self, last: None  # type: ignore[method-assign]  # done already


def _no_inbox() -> None:
    """The worker applies whatever comes, seen before or not, and keeps no order."""
    from citybus import inbox

    def apply_batch(uow: Any, subscription: Any, arrivals: Sequence[Any]) -> Any:
        report = inbox.Report()
        for arrival in arrivals:
            uow.caused_by(arrival.event)
            if arrival.handler is not None:
                arrival.handler.apply(uow, arrival.event, arrival.data)
        return report

    inbox.apply_batch = apply_batch


def _no_outbox() -> None:
    """The api publishes after its commit, as Nameko's dispatcher does: here the event is written by a commit of its own."""
    from citybus import audit, outbox
    from citybus.unit_of_work import UnitOfWork

    def commit(self: Any) -> None:
        self.session.flush()
        at = self.clock.now()
        if self._audits:
            audit.append(self.session, self._audits, at)
        self.session.commit()
        if self._events and hasattr(UnitOfWork, "between"):
            UnitOfWork.between()
        self.published += outbox.append(self.session, self._events, at)
        self.session.commit()
        self._events, self._audits = [], []

    UnitOfWork.commit = commit  # type: ignore[method-assign]  # the control replaces the port


_CONTROL: dict[str, Callable[[], None]] = {
    "no-confirms": _no_confirms,
    "mark-first": _mark_first,
    "ack-first": _ack_first,
    "no-inbox": _no_inbox,
    "no-outbox": _no_outbox,
}
