"""A worker's process: Nameko, eventlet, pika and psycopg2 together, on a real broker and a real database."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from citybus.consumer import PARK_FROM
from dandang.local.provision import ServiceDatabase
from tests.support.broker import Vhost
from tests.support.inbound import Queues, delivery_of, make_event
from tests.support.stock import Stock
from tests.support.waiting import eventually


class Process:
    """A worker's process and what it said."""

    def __init__(self, folder: Path, arguments: tuple[str, ...], told: dict[str, Any]) -> None:
        self._said = folder / f"worker-{time.monotonic_ns()}.log"
        with self._said.open("w") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.stock_worker", *arguments],
                env=os.environ | {"STOCK_TOLD": json.dumps(told), "PYTHONPATH": os.pathsep.join(sys.path)},
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        self.pid = self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def said(self) -> str:
        return self._said.read_text()

    def ended(self, within: float = 30) -> int:
        return self._process.wait(within)

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self.ended()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)


class Works:
    """A queue, a database and the processes that a test starts."""

    def __init__(self, folder: Path, vhost: Vhost, database: ServiceDatabase, stock: Stock) -> None:
        self.queues = Queues(vhost)
        self.stock = stock
        self._folder = folder
        self._told = {"amqp": vhost.amqp_url, "database": database.app_url}
        self._processes: list[Process] = []

    def start(self, *arguments: str, **told: Any) -> Process:
        process = Process(self._folder, arguments, self._told | told)
        self._processes.append(process)
        return process

    def consuming(self, **told: Any) -> Process:
        process = self.start(**told)
        eventually(lambda: "consuming" in process.said() or not process.alive, within=30, what="consuming")
        assert process.alive, process.said()
        return process

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            # Shown where the test fails.
            print(process.said())


@pytest.fixture
def works(tmp_path: Path, vhost: Vhost, stock_database: ServiceDatabase, stock: Stock) -> Iterator[Works]:
    made = Works(tmp_path, vhost, stock_database, stock)
    yield made
    made.end()


@contextmanager
def timer_tables(database: ServiceDatabase, rows: int) -> Iterator[None]:
    owner = create_engine(database.owner_url)
    with owner.begin() as connection:
        connection.execute(text("CREATE TABLE due (id int PRIMARY KEY, fired int NOT NULL DEFAULT 0)"))
        connection.execute(text("INSERT INTO due (id) SELECT generate_series(1, :rows)"), {"rows": rows})
        connection.execute(
            text("CREATE TABLE runs (process int, began timestamptz DEFAULT clock_timestamp(), ended timestamptz)")
        )
    try:
        yield
    finally:
        with owner.begin() as connection:
            connection.execute(text("DROP TABLE due, runs"))
        owner.dispose()


def test_events_take_effect_once_and_sigterm_ends_the_process_in_order(works: Works) -> None:
    events = [make_event(f"box/{number}") for number in range(1200)]
    works.queues.put(*(delivery_of(event) for event in events[:600]))
    worker = works.consuming()
    works.queues.put(*(delivery_of(event) for event in events[600:]), *(delivery_of(event) for event in events[:50]))
    eventually(lambda: len(works.stock.effects()) == 1200, within=30, what="all applied")
    eventually(lambda: works.queues.count() == 0, within=30, what="the repeated deliveries are taken as well")
    assert worker.stop() == 0, worker.said()
    assert set(works.stock.per_event().values()) == {1}
    # What was not acknowledged yet when it ended, of the repeated ones, is there again.
    assert {left.message_id for left in works.queues.take()} <= {event.id for event in events[:50]}
    assert works.queues.dead() == []


def test_sigterm_finishes_the_batch_in_hand(works: Works) -> None:
    worker = works.consuming()
    works.queues.put(delivery_of(make_event(data={"weight": 1, "do": "sleep", "seconds": 2})))
    eventually(lambda: sleeping(works.stock), what="the handler is at work")
    assert worker.stop() == 0
    assert works.stock.effects() == [1]
    assert works.queues.take() == []


def test_kill_in_mid_batch_loses_and_doubles_nothing(works: Works) -> None:
    worker = works.consuming()
    works.queues.put(*(delivery_of(make_event(f"box/{number}")) for number in range(20)))
    works.queues.put(delivery_of(make_event("box/20", data={"weight": 1, "do": "sleep", "seconds": 3})))
    works.queues.put(*(delivery_of(make_event(f"box/{number}")) for number in range(21, 40)))
    eventually(lambda: sleeping(works.stock), what="the handler is at work")
    worker.kill()
    works.consuming()
    eventually(lambda: len(works.stock.effects()) == 40, within=30, what="all applied")
    assert set(works.stock.per_event().values()) == {1}


def test_message_that_kills_the_process_takes_no_neighbour_along(works: Works) -> None:
    killer = make_event("box/5", data={"weight": 1, "do": "exit"})
    events = [make_event(f"box/{number}") if number != 5 else killer for number in range(10)]
    works.queues.put(*map(delivery_of, events))
    for _ in range(PARK_FROM):
        assert works.start().ended() == 9
    assert set(works.stock.per_event()) >= {event.id for event in events[:5]}
    works.consuming()
    eventually(lambda: len(works.stock.effects()) == 9, what="the neighbours")
    (dead,) = eventually(works.queues.dead, what="the killer is parked")
    assert (dead.message_id, dead.headers["city-reason"]) == (killer.id, "REDELIVERED_TOO_OFTEN")
    assert set(works.stock.per_event().values()) == {1}


def test_poison_goes_to_the_dead_queue_and_passing_failures_climb_the_real_ladder(works: Works) -> None:
    works.consuming()
    poison = delivery_of(make_event("box/1", data={}))
    # The database refuses a step past the ladder: an event whose effect cannot be written is no fault of the event.
    stubborn = delivery_of(make_event("box/2", data={"weight": 1, "do": "sleep", "seconds": "soon"}))
    good = make_event("box/3")
    works.queues.put(poison, stubborn, delivery_of(good))
    letters = []
    eventually(lambda: letters.extend(works.queues.dead()) or len(letters) == 2, within=20, what="two dead letters")
    reasons = {letter.message_id: letter.headers["city-reason"] for letter in letters}
    assert reasons[poison.message_id] == "SCHEMA"
    eventually(lambda: works.stock.per_event() == {good.id: 1}, what="the good one takes effect, once")


def test_heartbeats_are_answered_while_a_batch_waits_for_the_database(works: Works) -> None:
    worker = works.consuming(heartbeat=2)
    works.queues.put(delivery_of(make_event(data={"weight": 1, "do": "sleep", "seconds": 7})))
    eventually(lambda: works.stock.effects() == [1], within=20, what="applied")
    assert "not consuming" not in worker.said()


def test_handler_that_blocks_past_the_heartbeat_costs_the_connection_and_nothing_else(works: Works) -> None:
    worker = works.consuming(heartbeat=2)
    works.queues.put(delivery_of(make_event(data={"weight": 1, "do": "spin", "seconds": 9})))
    eventually(lambda: "not consuming" in worker.said(), within=30, what="the connection is lost")
    eventually(lambda: worker.said().count("] consuming") >= 2, within=20, what="consuming again")
    works.queues.put(delivery_of(make_event("box/2")))
    eventually(lambda: len(works.stock.effects()) == 2, within=20, what="both applied")
    assert set(works.stock.per_event().values()) == {1}
    assert worker.alive


def test_slow_queue_does_not_hold_back_another(works: Works) -> None:
    other = Queues(works.queues.vhost, "stock.returns")
    worker = works.consuming(second=True)
    works.queues.put(delivery_of(make_event("box/slow", data={"weight": 1, "do": "sleep", "seconds": 6})))
    eventually(lambda: sleeping(works.stock), what="the handler is at work")
    other.put(delivery_of(make_event("box/quick")))
    eventually(lambda: works.stock.effects("box/quick") == [1], what="the quick one")
    assert works.stock.effects("box/slow") == []
    assert worker.stop() == 0
    assert works.stock.effects("box/slow") == [1]


def test_timer_never_overlaps_survives_its_errors_and_fires_each_row_once_across_replicas(
    works: Works, stock_database: ServiceDatabase
) -> None:
    with timer_tables(stock_database, rows=6):
        replicas = [works.consuming(timer=True) for _ in range(2)]

        def fired() -> list[int]:
            with works.stock.engine.connect() as connection:
                return list(connection.execute(text("SELECT fired FROM due")).scalars())

        eventually(lambda: all(fired()), within=20, what="every row fired")
        assert [replica.stop() for replica in replicas] == [0, 0]
        assert fired() == [1] * 6
        with works.stock.engine.connect() as connection:
            overlaps = connection.execute(
                text("""
                    SELECT count(*) FROM runs AS one JOIN runs AS other USING (process)
                    WHERE one.began < other.began AND other.began < one.ended
                """)
            ).scalar_one()
        assert overlaps == 0


def test_worker_outlives_a_database_that_is_away(works: Works) -> None:
    worker = works.start(database="postgresql+psycopg2://nobody:wrong@127.0.0.1:1/none")
    works.queues.put(delivery_of(make_event()))
    eventually(lambda: "not consuming" in worker.said() or not worker.alive, within=20, what="not consuming")
    assert worker.alive
    assert works.queues.count() == 1
    assert worker.stop() == 0


def test_provider_that_raises_would_end_the_worker(works: Works) -> None:
    """The trap itself, so that it is noticed should Nameko change: why providers hand out factories only."""
    worker = works.consuming(also_broken=True)
    works.queues.put(delivery_of(make_event()))
    assert worker.ended() != 0
    assert "a provider failed" in worker.said()


def test_missing_queue_ends_the_process_with_a_clear_message(works: Works) -> None:
    works.queues.delete("stock.shop.retry.1s")
    worker = works.start()
    assert worker.ended() == os.EX_CONFIG
    assert "stock.shop.retry.1s" in worker.said()
    assert "dandang topology apply" in worker.said()


def test_timer_beside_a_missing_queue_ends_with_the_process(works: Works, stock_database: ServiceDatabase) -> None:
    with timer_tables(stock_database, rows=1):
        worker = works.start(no_queue=True, timer=True)
        assert worker.ended() == os.EX_CONFIG
    assert "stock: the queue does not exist" in worker.said()


def test_refused_password_ends_the_process_with_a_clear_message(works: Works) -> None:
    worker = works.start(amqp=works.queues.vhost.url_of("nobody", "wrong"))
    assert worker.ended() == os.EX_CONFIG
    assert "refuses" in worker.said()
    assert "wrong" not in worker.said()


def test_worker_waits_for_a_broker_that_is_not_there_yet(works: Works) -> None:
    worker = works.start(amqp="amqp://guest:guest@127.0.0.1:1/%2F")
    eventually(lambda: "not consuming" in worker.said() or not worker.alive, within=20, what="not consuming")
    assert worker.alive
    assert worker.stop() == 0


def test_queries_of_green_threads_run_side_by_side(works: Works) -> None:
    process = works.start("sleep-in-parallel")
    assert process.ended() == 0, process.said()
    assert float(process.said().splitlines()[-1]) < 5, "one after the other they take six seconds"


def sleeping(stock: Stock) -> bool:
    """Whether some handler is in pg_sleep."""
    with stock.engine.connect() as connection:
        return bool(
            connection.execute(
                text("""
                    SELECT count(*) FROM pg_stat_activity
                    WHERE application_name = 'stock-worker' AND state = 'active' AND query LIKE 'SELECT pg_sleep%'
                """)
            ).scalar_one()
        )
