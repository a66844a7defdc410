"""A queue in memory, with its retry ladder and dead queue, behind the inbound port."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

from citybus.consumer import ALONE_FROM, LADDER, BrokerAway, Delivery, Misconfigured, PublishFailed


class MemoryInbound:
    """An Inbound whose broker is this object; tests play the broker through the methods below the port's."""

    def __init__(self, ladder: Sequence[str] = LADDER) -> None:
        self.ready: deque[Delivery] = deque()
        self.rungs: dict[str, list[Delivery]] = {delay: [] for delay in ladder}
        self.dead: list[Delivery] = []
        self.missing = False
        """Whether the queue does not exist."""
        self.refuses = False
        """Whether the broker does not take messages for the ladder and the dead queue."""
        self.refused = 0
        """How many it did not take."""
        self._unacknowledged: deque[Delivery] = deque()
        self._changed = threading.Condition()
        self._open = False
        self._lost = False
        self._woken = False
        self._tag = 0

    def open(self) -> None:
        self.close()
        if self.missing:
            raise Misconfigured("the queue does not exist")
        self._open, self._lost = True, False

    def fetch(self, limit: int, timeout: float) -> list[Delivery]:
        with self._changed:
            self._changed.wait_for(lambda: self.ready or self._lost or self._woken or not self._open, timeout)
            self._woken = False
            if self._lost or not self._open:
                raise BrokerAway("the connection is gone")
            fetched: list[Delivery] = []
            while self.ready and len(fetched) < limit:
                suspect = self.ready[0].redeliveries >= ALONE_FROM
                if self._unacknowledged and (suspect or self._unacknowledged[-1].redeliveries >= ALONE_FROM):
                    break
                self._tag += 1
                delivery = replace(self.ready.popleft(), tag=self._tag)
                self._unacknowledged.append(delivery)
                fetched.append(delivery)
            return fetched

    def ack(self, last: Delivery) -> None:
        with self._changed:
            while self._unacknowledged and self._unacknowledged[0].tag <= last.tag:
                self._unacknowledged.popleft()

    def retry(self, delivery: Delivery, delay: str, headers: Mapping[str, str | int]) -> None:
        self._send(self.rungs[delay], delivery, headers)

    def park(self, delivery: Delivery, headers: Mapping[str, str | int]) -> None:
        self._send(self.dead, delivery, headers)

    def wake(self) -> None:
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._open = False
            while self._unacknowledged:
                returned = self._unacknowledged.pop()
                self.ready.appendleft(replace(returned, redeliveries=returned.redeliveries + 1))
            self._changed.notify_all()

    # ---- the broker's part

    def put(self, *deliveries: Delivery) -> None:
        """Add messages to the queue, all at once."""
        with self._changed:
            self.ready.extend(deliveries)
            self._changed.notify_all()

    def settled(self) -> bool:
        """Whether every message of the queue has been brought to its end."""
        with self._changed:
            return not self.ready and not self._unacknowledged

    def lose(self) -> None:
        """Lose the connection: what is not acknowledged is delivered again after the next `open`."""
        self.close()
        with self._changed:
            self._lost = True
            self._changed.notify_all()

    def let_time_pass(self) -> None:
        """Bring every message of the ladder back to the queue."""
        with self._changed:
            returning: list[Delivery] = []
            for rung in self.rungs.values():
                returning += rung
                rung.clear()
            self.put(*returning)

    def _send(self, queue: list[Delivery], delivery: Delivery, headers: Mapping[str, str | int]) -> None:
        if self.refuses:
            self.refused += 1
            raise PublishFailed("refused")
        with self._changed:
            queue.append(replace(delivery, headers={**delivery.headers, **headers}, redeliveries=0, tag=0))
