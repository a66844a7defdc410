"""What every outbox store does for its leader, the one in memory and the one in PostgreSQL alike."""

from abc import ABC, abstractmethod

import pytest

from citybus.leadership import Leadership, LeadershipLost
from citybus.relay import Backlog, OutboxStore, Setback
from tests.support.waiting import eventually

SOON = 0.2


class OutboxBench(ABC):
    """An empty outbox, its store, and the leadership that the store works under, held already."""

    store: OutboxStore
    leadership: Leadership

    @abstractmethod
    def commit(self, *subjects: str, position: int | None = None) -> list[int]:
        """Commit a row for each subject and return their positions; `position` is one given out earlier."""

    @abstractmethod
    def give_out(self) -> int:
        """Give out a position that no row has yet, as a transaction does that commits later."""

    @abstractmethod
    def attempts(self, position: int) -> tuple[int, str | None]:
        """Return the attempts of a row and the reason of the last one."""

    @abstractmethod
    def lose(self) -> None:
        """Take the database away."""

    def waiting(self, limit: int = 100) -> list[int]:
        """Return the positions that may go now."""
        return [pending.position for pending in self.store.fetch(limit)]


class OutboxStoreConformance:
    """Subclass this and give it a fixture `bench`."""

    def test_empty_outbox_has_nothing(self, bench: OutboxBench) -> None:
        assert bench.store.fetch(10) == []
        assert bench.store.backlog() == Backlog(0, 0, 0.0)

    def test_rows_come_by_position_up_to_the_limit(self, bench: OutboxBench) -> None:
        positions = bench.commit("case/1", "case/2", "case/1", "case/3")
        assert bench.waiting(3) == positions[:3]
        assert bench.waiting() == positions

    def test_row_is_told_whole(self, bench: OutboxBench) -> None:
        (position,) = bench.commit("case/1")
        (pending,) = bench.store.fetch(10)
        message = pending.message
        assert (pending.position, pending.attempts) == (position, 0)
        assert (message.order_key, message.exchange, message.routing_key) == ("case/1", "city.events", "key")
        assert (message.type, message.mandatory, message.correlation_id) == ("type", True, "cause")
        assert message.body.startswith(b"{")
        assert message.traceparent == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    def test_marked_rows_come_no_more(self, bench: OutboxBench) -> None:
        first, second, third = bench.commit("case/1", "case/2", "case/3")
        bench.store.mark([first, third])
        assert bench.waiting() == [second]
        bench.store.mark([second])
        assert bench.waiting() == []

    def test_row_that_commits_late_is_found_although_later_ones_were_published(self, bench: OutboxBench) -> None:
        early = bench.give_out()
        bench.store.mark(bench.commit("case/2"))
        bench.commit("case/1", position=early)
        assert bench.waiting() == [early]

    def test_declined_row_holds_back_its_subject_alone_until_it_is_due(self, bench: OutboxBench) -> None:
        before, declined, other, behind = bench.commit("case/1", "case/1", "case/2", "case/1")
        bench.store.mark([before])
        bench.store.back_off([Setback(declined, SOON, "NACKED")])
        assert bench.waiting() == [other]
        assert bench.attempts(declined) == (1, "NACKED")
        # Those behind it wait until it is through, so that a batch that ends between them changes no order.
        assert eventually(lambda: declined in bench.waiting()) is True
        assert bench.waiting() == [declined, other]
        bench.store.mark([declined])
        assert bench.waiting() == [other, behind]

    def test_declined_rows_do_not_use_up_the_limit(self, bench: OutboxBench) -> None:
        declined = bench.commit(*(f"case/{number}" for number in range(10)))
        bench.store.back_off([Setback(position, 60, "RETURNED") for position in declined])
        fresh = bench.commit("case/fresh", "case/fresh")
        assert bench.waiting(2) == fresh

    def test_due_rows_and_fresh_ones_come_together_by_position(self, bench: OutboxBench) -> None:
        due, fresh, due_too = bench.commit("case/1", "case/2", "case/3")
        bench.store.back_off([Setback(due, 0, "RETURNED"), Setback(due_too, 0, "RETURNED")])
        assert bench.waiting() == [due, fresh, due_too]
        assert bench.waiting(2) == [due, fresh]

    def test_attempts_are_counted(self, bench: OutboxBench) -> None:
        (position,) = bench.commit("case/1")
        for attempt in (1, 2, 3):
            bench.store.back_off([Setback(position, 0, f"RETURNED {attempt}")])
            assert bench.attempts(position) == (attempt, f"RETURNED {attempt}")
            assert [pending.attempts for pending in bench.store.fetch(1)] == [attempt]

    def test_backlog_counts_what_waits(self, bench: OutboxBench) -> None:
        positions = bench.commit("case/1", "case/2", "case/3")
        bench.store.mark(positions[:1])
        bench.store.back_off([Setback(positions[1], 60, "RETURNED")])
        assert eventually(lambda: bench.store.backlog().oldest_seconds > 0)
        backlog = bench.store.backlog()
        assert (backlog.rows, backlog.declined) == (2, 1)
        assert 0 < backlog.oldest_seconds < 60

    def test_nothing_is_done_without_the_lead(self, bench: OutboxBench) -> None:
        positions = bench.commit("case/1")
        bench.leadership.resign()
        for act in (
            lambda: bench.store.fetch(1),
            lambda: bench.store.mark(positions),
            lambda: bench.store.back_off([Setback(positions[0], 0, "RETURNED")]),
            bench.store.backlog,
        ):
            with pytest.raises(LeadershipLost):
                act()
        assert bench.leadership.lead()
        assert bench.waiting() == positions

    def test_lost_database_ends_the_lead(self, bench: OutboxBench) -> None:
        positions = bench.commit("case/1")
        bench.lose()
        with pytest.raises(LeadershipLost):
            bench.store.mark(positions)
