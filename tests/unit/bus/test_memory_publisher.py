"""The publisher in memory behaves as the one to RabbitMQ."""

import pytest

from citybus.testing.publisher import MemoryBroker, MemoryPublisher
from tests.support.conformance.publisher import EXCHANGE, LIMITS, PublisherBench, PublisherConformance


class _MemoryBench(PublisherBench):
    def __init__(self) -> None:
        self.broker = MemoryBroker()
        for queue in ("taken", "other", "full"):
            self.broker.bind(queue, EXCHANGE, queue)
        self.broker.full.add("full")
        self.publisher = MemoryPublisher(self.broker, LIMITS)

    def arrived(self, queue: str) -> list[str]:
        return [message.message_id for message in self.broker.queues[queue]]

    def cut_off(self) -> None:
        self.broker.up = False
        self.publisher.close()

    def cut_during_next_batch(self) -> None:
        self.broker.cut_after = 30
        self.broker.unanswered = 3

    def fall_silent(self) -> None:
        self.broker.silent = True

    def restore(self) -> None:
        self.broker.up = True
        self.broker.silent = False


class TestMemoryPublisher(PublisherConformance):
    @pytest.fixture
    def bench(self) -> PublisherBench:
        made = _MemoryBench()
        made.connect()
        return made
