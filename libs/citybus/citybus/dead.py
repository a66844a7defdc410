"""Dead letters: what an operator may do with messages that a consumer could not handle, each act with its audit entry.

The entry is committed before the act: an act without its entry must not be, an entry whose act failed may.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from citybus import inbox
from citybus.consumer import ATTEMPTS, ERROR, FAILED_AT, REASON, Delivery
from citybus.envelope import CONTENT_TYPE, Event
from citybus.errors import Invalid
from citybus.unit_of_work import UnitOfWork


class DeadQueue(Protocol):
    """The dead queue of a work queue, as citybus.broker.dead.RabbitDeadQueue."""

    def letters(self) -> Iterator[Delivery]: ...

    def send_back(self, letter: Delivery, message: Delivery) -> None: ...

    def remove(self, letter: Delivery) -> None: ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter and why it is one. `event` is None where the body is none.

    `key` is the message's id, or where it has none the beginning of its body's SHA-256.
    """

    key: str
    reason: str
    error: str
    attempts: int
    failed_at: str
    delivery: Delivery
    event: Event | None

    def summary(self) -> dict[str, Any]:
        """Return what may be shown to an operator without a stated reason: nothing of the event's data."""
        event = self.event
        return {
            "key": self.key,
            "type": event.type if event else self.delivery.type,
            "subject": event.subject if event else None,
            "sequence": event.sequence if event else None,
            "reason": self.reason,
            "error": self.error,
            "attempts": self.attempts,
            "failed_at": self.failed_at,
            "correlation_id": self.delivery.correlation_id,
            "bytes": len(self.delivery.body),
        }


def read(delivery: Delivery) -> DeadLetter:
    """Return a message of a dead queue with what its headers say of its failure."""
    headers = delivery.headers
    try:
        event = inbox.read_event(delivery.body)
    except Invalid:
        event = None
    return DeadLetter(
        key=delivery.message_id or hashlib.sha256(delivery.body).hexdigest()[:16],
        # The broker itself parks what was delivered too often or did not fit.
        reason=str(headers.get(REASON) or headers.get("x-first-death-reason", "unknown")).upper(),
        error=str(headers.get(ERROR, "")),
        attempts=int(headers.get(ATTEMPTS, 0)),
        failed_at=str(headers.get(FAILED_AT, "")),
        delivery=delivery,
        event=event,
    )


def look(queue: DeadQueue, limit: int) -> list[DeadLetter]:
    """Return at most `limit` letters, the oldest first."""
    found: list[DeadLetter] = []
    for delivery in queue.letters():
        found.append(read(delivery))
        if len(found) == limit:
            break
    return found


def show(queue: DeadQueue, uow: UnitOfWork, consumer: str, key: str) -> DeadLetter | None:
    """Return one letter with its body, which may hold personal data: that it was read is audited and committed."""
    for delivery in queue.letters():
        letter = read(delivery)
        if letter.key == key:
            uow.audit("dead.show", f"{consumer}/{key}", read=("body",))
            uow.commit()
            return letter
    return None


def replay(
    queue: DeadQueue, uow: UnitOfWork, consumer: str, wanted: Callable[[DeadLetter], bool]
) -> Iterator[DeadLetter]:
    """Send the wanted letters back to their work queue as they first came, and yield each that is.

    Where every step counts, the consumer then applies it in its place and those that waited behind it.
    """
    for letter in _wanted(queue, wanted):
        uow.audit("dead.replay", f"{consumer}/{letter.key}", written={"reason": letter.reason})
        uow.commit()
        queue.send_back(letter.delivery, letter.delivery)
        yield letter


def discard(
    queue: DeadQueue, uow: UnitOfWork, consumer: str, wanted: Callable[[DeadLetter], bool]
) -> Iterator[DeadLetter]:
    """Give the wanted letters up, and yield each that is.

    In place of an event its consumer is sent a stand-in without content, so that those behind it are held back no
    longer and a late copy of it has no effect. What is no event is removed.
    """
    for letter in _wanted(queue, wanted):
        digest = hashlib.sha256(letter.delivery.body).hexdigest()
        uow.audit("dead.discard", f"{consumer}/{letter.key}", written={"reason": letter.reason, "sha256": digest})
        uow.commit()
        if letter.event is None:
            queue.remove(letter.delivery)
        else:
            stand_in = replace(letter.delivery, body=inbox.tombstone(letter.event), content_type=CONTENT_TYPE)
            queue.send_back(letter.delivery, stand_in)
        yield letter


def skip(uow: UnitOfWork, consumer: str, subject: str) -> int | None:
    """Accept that steps of `subject` are lost to `consumer`, and return the sequence with which it goes on.

    Returns None where nothing waits behind a gap.
    """
    first = inbox.skip_gap(uow.session, consumer, subject)
    if first is not None:
        uow.audit("dead.skip", f"{consumer}/{subject}", written={"next": first})
        uow.commit()
    return first


def _wanted(queue: DeadQueue, wanted: Callable[[DeadLetter], bool]) -> Iterator[DeadLetter]:
    return (letter for letter in map(read, queue.letters()) if wanted(letter))
