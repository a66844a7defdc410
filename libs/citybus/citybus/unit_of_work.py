"""One transaction of a service: business rows, outgoing events and audit entries are one commit, or none."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from sqlalchemy.orm import Session

from citybus import audit, outbox
from citybus.audit import AuditDraft
from citybus.clock import Clock
from citybus.envelope import Event
from citybus.outbox import Draft, Origin


@dataclass(frozen=True, slots=True)
class Context:
    """On whose account a transaction acts, and why: a person's request, an event, a deadline or a job.

    `actor` is a subject id or `system:<service>`; `purpose` says in a word or two what for. `correlation_named`: the
    correlation comes from elsewhere; false where it was made up for a request that named none.
    """

    actor: str
    roles: tuple[str, ...]
    purpose: str
    correlation_id: str
    causation_id: str | None = None
    traceparent: str | None = None
    correlation_named: bool = True


def context_of(event: Event, service: str) -> Context:
    """Return the context of a service that acts because of `event`."""
    return Context(
        actor=f"system:{service}",
        roles=(),
        purpose=event.type,
        correlation_id=event.correlationid,
        causation_id=event.id,
        traceparent=event.traceparent,
    )


class UnitOfWork:
    """A session with what must be committed with it. Leaving the block without `commit()` rolls back.

    At commit: business rows, then the sequences of all subjects in one statement, then outbox rows, then the audit
    entries (their chain's head is locked last and so held shortest), then COMMIT.
    """

    def __init__(
        self,
        sessions: Callable[[], Session],
        source: str,
        clock: Clock,
        context: Context,
        audit_hash: str = "sha256",
    ) -> None:
        self._sessions = sessions
        self._source = source
        self._audit_hash = audit_hash
        self._events: list[tuple[Draft, Origin]] = []
        self._aside: set[int] = set()
        self._audits: list[AuditDraft] = []
        self.clock = clock
        self.context = context
        self.published: list[Event] = []

    def __enter__(self) -> Self:
        self.session = self._sessions()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.rollback()
        finally:
            self.session.close()

    def caused_by(self, event: Event) -> None:
        """Act because of `event` from here on: its correlation goes on, and it is the cause of what is published."""
        self.context = context_of(event, self._source.rpartition("/")[2])

    @contextmanager
    def under(self, correlation_id: str) -> Iterator[None]:
        """Act under this correlation within the block: that of the business which goes on."""
        before = self.context
        self.context = replace(before, correlation_id=correlation_id, correlation_named=True)
        try:
            yield
        finally:
            self.context = before

    @contextmanager
    def part(self) -> Iterator[None]:
        """Do a part of the work that is kept or forgotten by itself: its rows, events and audit entries.

        Whatever is raised within the block undoes the part and goes on to the caller; what was done before stays.
        """
        events, audits, aside = len(self._events), len(self._audits), set(self._aside)
        try:
            with self.session.begin_nested():
                yield
        except BaseException:
            del self._events[events:], self._audits[audits:]
            self._aside = aside
            raise

    def publish(self, draft: Draft, *, aside: bool = False) -> None:
        """Add an event to this transaction, on account of the present context.

        `aside`: the mechanism tells it of its own accord, and `published`, the work's own events, does not list it.
        """
        context = self.context
        if aside:
            self._aside.add(len(self._events))
        self._events.append(
            (
                draft,
                Origin(
                    source=self._source,
                    actor=context.actor,
                    correlationid=context.correlation_id,
                    causationid=context.causation_id,
                    traceparent=context.traceparent,
                ),
            )
        )

    def audit(
        self,
        action: str,
        target: str,
        *,
        read: Sequence[str] = (),
        written: Mapping[str, Any] | None = None,
        result: str = "OK",
        purpose: str | None = None,
    ) -> None:
        """Add an audit entry to this transaction: names of the fields read, and what was written."""
        self._audits.append(
            AuditDraft(
                actor=self.context.actor,
                roles=self.context.roles,
                purpose=purpose or self.context.purpose,
                action=action,
                target=target,
                correlation_id=self.context.correlation_id,
                read_fields=tuple(read),
                written=dict(written or {}),
                result=result,
            )
        )

    def commit(self) -> None:
        """Commit all of it. A failure leaves nothing behind."""
        self.session.flush()
        at = self.clock.now()
        appended = outbox.append(self.session, self._events, at)
        self.published += [event for place, event in enumerate(appended) if place not in self._aside]
        if self._audits:
            audit.append(self.session, self._audits, at, algorithm=self._audit_hash)
        self.session.commit()
        self._events, self._audits, self._aside = [], [], set()

    def rollback(self) -> None:
        """Forget all that is not committed."""
        self._events, self._audits, self._aside = [], [], set()
        self.session.rollback()


@dataclass(frozen=True, slots=True)
class Units:
    """The factory of a process's units of work.

    `source` is `/city/<code>/<service>`, `audit_hash` the function of the audit chains (see `citybus.audit`).
    """

    sessions: Callable[[], Session]
    source: str
    clock: Clock
    audit_hash: str = "sha256"

    def __call__(self, context: Context) -> UnitOfWork:
        return UnitOfWork(self.sessions, self.source, self.clock, context, self.audit_hash)
