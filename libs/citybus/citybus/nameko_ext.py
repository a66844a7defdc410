"""The Nameko side: an entrypoint that consumes a queue, one that fires a timer, and the process that runs them.

A service class shows what it does; it holds no state and no connection:

    class Events:
        name = "assessment"
        units = units_of_work()

        @consume(SUPERVISION)
        def on_supervision(self, batch):
            batch.apply(self.units)

        @every(seconds=5)
        def fire_deadlines(self):
            deadlines.fire_due(self.units, HANDLERS)

This is the only module that knows Nameko's internals. Nothing of Nameko's own messaging is used: it would acknowledge
a message whose handler failed, and publish outside the transaction.
"""

import os
import random
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Any, Final

import eventlet
import structlog
from eventlet.event import Event as Signal
from nameko.containers import ServiceContainer, WorkerContext
from nameko.extensions import DependencyProvider, Entrypoint

from citybus import collector
from citybus.consumer import Batch, Consumer, Inbound, Misconfigured, UnitFactory
from citybus.inbox import Subscription

log = structlog.get_logger(__name__)

_RUNTIME: Final = "city.runtime"

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None


@dataclass
class Runtime:
    """What a worker process gives its entrypoints.

    `inbound` opens the inbound side of a subscription's queue. `progress` is called whenever a consumer's loop comes
    round. `drain` is how many seconds the messages in hand have when the process is told to stop.
    """

    units: UnitFactory
    inbound: Callable[[Subscription], Inbound]
    batch_size: int = 500
    drain: float = 25.0
    progress: Callable[[], None] = lambda: None
    consumer_options: Mapping[str, Any] = field(default_factory=dict)
    consumers: dict[str, Consumer] = field(default_factory=dict)

    def ready(self) -> dict[str, bool]:
        """Return for each queue whether it is being consumed, with broker and database in reach."""
        return {queue: consumer.ready for queue, consumer in self.consumers.items()}


class Units(DependencyProvider):  # type: ignore[misc]  # Nameko has no types
    """Gives a method the factory of units of work, and nothing that could fail.

    Nameko kills the whole process when a provider raises, so none may open a connection.
    """

    def get_dependency(self, worker_ctx: WorkerContext) -> UnitFactory:
        runtime: Runtime = self.container.config[_RUNTIME]
        return runtime.units


class _Looping(Entrypoint, ABC):  # type: ignore[misc]  # Nameko has no types
    """An entrypoint that is a loop in a green thread of its own."""

    def setup(self) -> None:
        runtime: Runtime = self.container.config[_RUNTIME]
        self._drain = runtime.drain
        self._over = False
        self.prepare(runtime)

    def start(self) -> None:
        self._thread = self.container.spawn_managed_thread(self._run, identifier=self.method_name)

    def stop(self) -> None:
        self.leave()
        with eventlet.Timeout(self._drain, False):
            self._thread.wait()

    def kill(self) -> None:
        # Nameko kills a container from within the thread that failed: to kill that one as well would never end.
        if not self._over:
            self._thread.kill()

    @abstractmethod
    def prepare(self, runtime: Runtime) -> None:
        """Make what the loop needs, without connecting."""
        ...

    @abstractmethod
    def loop(self) -> None:
        """Work until `leave`."""
        ...

    @abstractmethod
    def leave(self) -> None:
        """Let `loop` return after what is in hand."""
        ...

    def _run(self) -> None:
        try:
            self.loop()
        finally:
            self._over = True


class Consume(_Looping):
    """Consumes the queue of a subscription. Its method is given one Batch at a time."""

    def __init__(self, subscription: Subscription, **options: Any) -> None:
        super().__init__(**options)
        self._subscription = subscription

    def prepare(self, runtime: Runtime) -> None:
        self._consumer = runtime.consumers[self._subscription.queue] = Consumer(
            self._subscription,
            runtime.inbound(self._subscription),
            runtime.units,
            self._run_batch,
            batch_size=runtime.batch_size,
            on_progress=runtime.progress,
            **runtime.consumer_options,
        )

    def loop(self) -> None:
        self._consumer.run()

    def leave(self) -> None:
        self._consumer.stop()

    def _run_batch(self, batch: Batch) -> None:
        """Let the service's method apply `batch` in a worker of Nameko's, and wait for it."""
        error = _run_worker(self, batch)
        if error is not None and batch.error is None and batch.report is None:
            batch.error = error


class Every(_Looping):
    """Calls its method about every `seconds` in every replica; what must happen once is claimed from rows there.

    Runs never overlap. The first comes at a random moment of the first interval and each pause varies by a tenth, so
    that replicas started together do not stay in step. A run that fails is logged, and the next one comes as usual.
    """

    def __init__(self, seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self._seconds = seconds

    def prepare(self, runtime: Runtime) -> None:
        self._stopping = threading.Event()

    def loop(self) -> None:
        pause = random.uniform(0, self._seconds)  # noqa: S311  # jitter, no secret
        while not self._stopping.wait(pause):
            _run_worker(self)
            pause = self._seconds * random.uniform(0.9, 1.1)  # noqa: S311  # jitter, no secret

    def leave(self) -> None:
        self._stopping.set()


consume = Consume.decorator
every = Every.decorator
units_of_work = Units


def run_worker(service_cls: type, runtime: Runtime) -> int:
    """Run the entrypoints of `service_cls` until SIGTERM or SIGINT, and return the process's exit code.

    The process must have been monkey-patched by eventlet before anything else was imported. On the signal each queue's
    consumer finishes the messages in hand, within `runtime.drain` seconds; what it does not finish is delivered again.
    The exit code is `os.EX_CONFIG` where a queue is missing or access is refused.
    """
    if not eventlet.patcher.is_monkey_patched("socket"):
        raise RuntimeError("a worker's process is monkey-patched before anything else is imported")
    # Every entrypoint has at most one worker in hand, so none can starve another of Nameko's pool.
    container = ServiceContainer(service_cls, config={_RUNTIME: runtime, "max_workers": _entrypoints(service_cls)})

    def stop(_signal: int, _frame: FrameType | None) -> None:
        # A signal arrives in whatever greenlet is running, the hub's included, where nothing may wait.
        eventlet.spawn_after(0, container.stop)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        container.start()
        collector.ease()
        container.wait()
    except Misconfigured as error:
        log.critical("worker cannot run", error=str(error))
        print(f"{service_cls.name}: {error}", file=sys.stderr)  # type: ignore[attr-defined]  # Nameko's convention
        return os.EX_CONFIG
    return 0


def _entrypoints(service_cls: type) -> int:
    return sum(len(getattr(member, "nameko_entrypoints", ())) for member in vars(service_cls).values())


def _run_worker(entrypoint: Entrypoint, *arguments: Any) -> Exception | None:
    """Run the entrypoint's method in a worker, wait for it, and return what it raised."""
    done: Signal = Signal()

    def handle_result(_ctx: WorkerContext, result: Any, exc_info: _ExcInfo) -> tuple[Any, _ExcInfo]:
        done.send(exc_info[1] if exc_info else None)
        return result, exc_info

    entrypoint.container.spawn_worker(entrypoint, arguments, {}, handle_result=handle_result)
    error: Exception | None = done.wait()
    return error
