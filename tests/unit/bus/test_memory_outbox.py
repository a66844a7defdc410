"""The outbox in memory behaves as the one in PostgreSQL."""

import time
from itertools import count
from uuid import uuid4

import pytest

from citybus.broker.publisher import Outgoing
from citybus.testing.relay import MemoryLeadership, MemoryOutbox
from tests.support.conformance.outbox_store import OutboxBench, OutboxStoreConformance


class _MemoryBench(OutboxBench):
    def __init__(self) -> None:
        self.leadership = MemoryLeadership()
        self.store = MemoryOutbox(self.leadership, time.monotonic)
        self._positions = count(1)

    def commit(self, *subjects: str, position: int | None = None) -> list[int]:
        made = []
        for subject in subjects:
            at = position or self.give_out()
            self.store.add(
                at,
                Outgoing(
                    message_id=str(uuid4()),
                    type="type",
                    exchange="city.events",
                    routing_key="key",
                    body=b"{}",
                    mandatory=True,
                    correlation_id="cause",
                    timestamp=0,
                    order_key=subject,
                    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                ),
            )
            made.append(at)
        return made

    def give_out(self) -> int:
        return next(self._positions)

    def attempts(self, position: int) -> tuple[int, str | None]:
        row = self.store.rows[position]
        return row.attempts, row.last_error

    def lose(self) -> None:
        self.leadership.away = True


class TestMemoryOutbox(OutboxStoreConformance):
    @pytest.fixture
    def bench(self) -> OutboxBench:
        made = _MemoryBench()
        assert made.leadership.lead()
        return made
