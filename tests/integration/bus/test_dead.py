"""Dead letters on a real queue: listed, read, replayed, discarded, each act with its audit entry."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import create_engine, select, text

from citybus import dead as letters
from citybus.broker import dead as dead_module
from citybus.broker.consumer import RabbitInbound
from citybus.broker.dead import RabbitDeadQueue
from citybus.broker.publisher import PikaPublisher
from citybus.consumer import Consumer, Delivery, Misconfigured, PublishFailed, Timing
from citybus.envelope import Event
from citybus.inbox import Order
from citybus.tables import audit_entries
from dandang.commands import dead as command
from dandang.local.errors import LocalError
from dandang.local.provision import ServiceDatabase
from tests.support.broker import Vhost
from tests.support.inbound import Queues, delivery_of, make_event
from tests.support.stock import QUEUE, Stock, subscription
from tests.support.waiting import eventually

WHY = "tested"


class Office:
    """An operator's command line, over a queue, its consumer's database and a consumer."""

    def __init__(self, queues: Queues, stock: Stock, database_url: str) -> None:
        self.queues = queues
        self.stock = stock
        self._runner = CliRunner(
            env={
                "CITY_AMQP_URL": queues.vhost.amqp_url,
                "CITY_RABBITMQ_ADMIN_URL": queues.vhost.admin_url,
                "CITY_DATABASE_URL": database_url,
            }
        )

    def dead(self, *arguments: str) -> Result:
        """Run `dandang dead …`; errors of the command are raised."""
        return self._runner.invoke(command.dead, arguments, catch_exceptions=False, standalone_mode=True)

    def listed(self) -> list[dict[str, Any]]:
        return list(json.loads(self.dead("list", "--json", QUEUE).output)[QUEUE])

    def audited(self) -> list[tuple[str, str, str]]:
        wanted = select(audit_entries.c.action, audit_entries.c.target, audit_entries.c.purpose)
        with self.stock.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(wanted.order_by(audit_entries.c.id))]

    @contextmanager
    def consuming(self, order: Order) -> Iterator[None]:
        """Let stock consume its queue."""
        url = self.queues.vhost.amqp_url
        consumer = Consumer(
            subscription(order),
            RabbitInbound(
                url,
                QUEUE,
                lambda: PikaPublisher(url, app_id="stock"),
                exchange=self.queues.exchange,
                ladder=tuple(self.queues.ladder),
            ),
            self.stock.units,
            lambda batch: batch.apply(self.stock.units),
            ladder=tuple(self.queues.ladder),
            timing=Timing(sweep=0.2),
        )
        thread = threading.Thread(target=consumer.run)
        thread.start()
        try:
            yield
        finally:
            consumer.stop()
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def office(vhost: Vhost, stock: Stock, stock_database: ServiceDatabase, monkeypatch: pytest.MonkeyPatch) -> Office:
    owner = create_engine(stock_database.owner_url)
    with owner.begin() as connection:
        connection.execute(text("TRUNCATE audit_entries, audit_chains"))
    owner.dispose()
    # The command names the database by its service; the test's database has a name of its own.
    original = command.make_url
    monkeypatch.setattr(command, "make_url", lambda url: _Fixed(original(url)))
    return Office(Queues(vhost), stock, stock_database.app_url)


class _Fixed:
    """A URL whose database stays what it is."""

    def __init__(self, url: Any) -> None:
        self._url = url

    def set(self, *, drivername: str, database: str) -> Any:
        assert database == "city_stock"
        return self._url.set(drivername=drivername)


def parked(event: Event, reason: str = "SCHEMA", **headers: Any) -> Delivery:
    marks = {
        "city-reason": reason,
        "city-attempts": 1,
        "city-error": f"{reason}: weight",
        "city-handler": event.type,
        "city-failed-at": "2026-03-02T09:00:00+00:00",
        "x-death": [{"count": 1}],
        "traceparent": "00-1-2-3",
    }
    return delivery_of(event, headers=marks | headers)


def test_letters_are_listed_with_their_reasons_and_stay(office: Office) -> None:
    event = make_event(data={"weight": "secret"})
    office.queues.put(parked(event), queue=f"{QUEUE}.dead")
    for _ in range(3):
        (row,) = office.listed()
        assert (row["key"], row["type"], row["subject"], row["sequence"]) == (event.id, event.type, "box/1", 1)
        assert (row["reason"], row["error"], row["attempts"]) == ("SCHEMA", "SCHEMA: weight", 1)
        assert "secret" not in str(row)
    shown = office.dead("list")
    assert shown.exit_code == 0
    assert "SCHEMA" in shown.output
    assert "secret" not in shown.output
    assert office.audited() == []


def test_letters_that_were_looked_at_are_found_by_the_next_look(office: Office) -> None:
    office.queues.put(*(parked(make_event(f"box/{number}")) for number in range(30)), queue=f"{QUEUE}.dead")
    with office.queues.channel() as other:  # open already, so that it looks at once
        for limit in (2, 30) * 12:
            with RabbitDeadQueue(office.queues.vhost.amqp_url, QUEUE, exchange="stock.retry") as opened:
                assert len({letter.key for letter in letters.look(opened, limit)}) == limit
            assert other.queue_declare(f"{QUEUE}.dead", passive=True).method.message_count == 30


def test_letters_that_another_takes_as_they_go_back_are_not_waited_for_without_end(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_module, "GIVEN_BACK_WITHIN", 0.3)
    office.queues.put(parked(make_event()), queue=f"{QUEUE}.dead")
    with office.queues.channel() as other:
        with RabbitDeadQueue(office.queues.vhost.amqp_url, QUEUE, exchange="stock.retry") as opened:
            assert len(letters.look(opened, 10)) == 1
            other.basic_consume(f"{QUEUE}.dead", lambda *_: None, auto_ack=True)
        eventually(lambda: office.queues.count(f"{QUEUE}.dead") == 0, what="the other one has it")


def test_no_letters_are_said_to_be_none(office: Office) -> None:
    assert "no dead letters" in office.dead("list").output


def test_letter_that_the_broker_parked_has_the_brokers_reason(office: Office) -> None:
    letter = delivery_of(make_event(), headers={"x-first-death-reason": "delivery_limit"})
    office.queues.put(letter, queue=f"{QUEUE}.dead")
    assert office.listed()[0]["reason"] == "DELIVERY_LIMIT"


def test_body_is_shown_only_for_a_reason_and_that_is_audited(office: Office) -> None:
    event = make_event(data={"weight": "secret"})
    office.queues.put(parked(event), queue=f"{QUEUE}.dead")
    plain = office.dead("show", QUEUE, event.id)
    assert plain.exit_code == 0
    assert "secret" not in plain.output
    refused = office.dead("show", QUEUE, event.id, "--body")
    assert refused.exit_code == 2
    assert "secret" not in refused.output
    shown = office.dead("show", QUEUE, event.id, "--body", "--reason", WHY)
    assert "secret" in shown.output
    assert office.audited() == [("dead.show", f"{QUEUE}/{event.id}", WHY)]
    assert office.queues.count(f"{QUEUE}.dead") == 1


@pytest.mark.parametrize("options", [(), ("--body", "--reason", WHY)])
def test_letter_that_is_not_there_cannot_be_shown(office: Office, options: tuple[str, ...]) -> None:
    office.queues.put(parked(make_event()), queue=f"{QUEUE}.dead")
    with pytest.raises(LocalError, match="no such"):
        office.dead("show", QUEUE, "other", *options)
    assert office.audited() == []


def test_replayed_letter_is_handled_as_it_first_came(office: Office) -> None:
    event, other = make_event("box/1"), make_event("box/2")
    office.queues.put(parked(event, **{"city-attempts": 5}), parked(other), queue=f"{QUEUE}.dead")
    done = office.dead("replay", QUEUE, event.id, "--reason", WHY)
    assert done.exit_code == 0, done.output
    assert [row["key"] for row in office.listed()] == [other.id]
    (back,) = office.queues.take()
    assert (back.body, back.message_id, back.attempts) == (event.to_json(), event.id, 0)
    assert {name: value for name, value in back.headers.items() if name != "x-delivery-count"} == {
        "traceparent": "00-1-2-3"
    }
    assert office.audited() == [("dead.replay", f"{QUEUE}/{event.id}", WHY)]


def test_letters_of_one_reason_are_replayed_together(office: Office) -> None:
    chosen = [make_event(f"box/{number}") for number in range(3)]
    other = make_event("box/9")
    office.queues.put(*(parked(event, "RETRIES_EXHAUSTED") for event in chosen), parked(other), queue=f"{QUEUE}.dead")
    office.dead("replay", QUEUE, "--with-reason", "RETRIES_EXHAUSTED", "--reason", WHY)
    assert [letter.message_id for letter in office.queues.take()] == [event.id for event in chosen]
    assert [row["key"] for row in office.listed()] == [other.id]


def test_replaying_all_takes_each_letter_once_even_if_it_comes_back(office: Office) -> None:
    events = [make_event(f"box/{number}", data={}) for number in range(3)]
    with office.consuming(Order.NEWEST):
        office.queues.put(*map(parked, events), queue=f"{QUEUE}.dead")
        done = office.dead("replay", QUEUE, "--all", "--reason", WHY)
        assert "replayed: 3" in done.output
        eventually(lambda: office.queues.count(f"{QUEUE}.dead") == 3, what="parked again")


def test_replayed_step_takes_its_place_and_its_followers_go_on(office: Office) -> None:
    bad = make_event("box/1", 1, data={})
    good = make_event("box/1", 1, id=bad.id)
    with office.consuming(Order.EVERY_STEP):
        office.queues.put(delivery_of(bad), delivery_of(make_event("box/1", 2)))
        eventually(lambda: office.queues.count(f"{QUEUE}.dead") == 1, what="parked")
        eventually(lambda: office.stock.waiting() == [("box/1", 2)], what="the follower waits")
        office.queues.dead()
        office.queues.put(parked(good), queue=f"{QUEUE}.dead")
        office.dead("replay", QUEUE, bad.id, "--reason", WHY)
        eventually(lambda: office.stock.effects() == [1, 2], what="both steps")
    assert office.stock.cursor("box/1") == (2, None)


@pytest.mark.parametrize("order", Order)
def test_discarded_letter_is_gone_and_a_late_copy_has_no_effect(office: Office, order: Order) -> None:
    event = make_event("box/1", 1)
    with office.consuming(order):
        office.queues.put(parked(event), queue=f"{QUEUE}.dead")
        done = office.dead("discard", QUEUE, event.id, "--reason", WHY)
        assert done.exit_code == 0, done.output
        eventually(lambda: office.stock.outcomes() == {"IGNORED": 1}, what="the stand-in is noted")
        office.queues.put(delivery_of(event), delivery_of(make_event("box/1", 2)))
        eventually(lambda: office.stock.effects() == [2], what="the next one")
    assert office.listed() == []
    assert office.audited() == [("dead.discard", f"{QUEUE}/{event.id}", WHY)]


def test_what_is_no_event_is_simply_removed(office: Office) -> None:
    office.queues.put(Delivery(b"\xff"), queue=f"{QUEUE}.dead")
    (row,) = office.listed()
    office.dead("discard", QUEUE, row["key"], "--reason", WHY)
    assert office.listed() == []
    assert office.queues.take() == []


def test_gap_is_skipped(office: Office) -> None:
    with office.consuming(Order.EVERY_STEP):
        office.queues.put(delivery_of(make_event("box/1", 3)))
        eventually(lambda: office.stock.waiting() == [("box/1", 3)], what="stored")
        done = office.dead("skip", QUEUE, "box/1", "--reason", WHY)
        assert "step 3" in done.output
        eventually(lambda: office.stock.effects() == [3], what="the follower")
    assert office.audited() == [("dead.skip", f"{QUEUE}/box/1", WHY)]
    with pytest.raises(LocalError, match="nothing waits"):
        office.dead("skip", QUEUE, "box/1", "--reason", WHY)


def test_letter_stays_if_its_work_queue_is_missing(office: Office) -> None:
    event = make_event()
    office.queues.put(parked(event), queue=f"{QUEUE}.dead")
    office.queues.delete(QUEUE)
    with pytest.raises(PublishFailed, match="does not lead"):
        office.dead("replay", QUEUE, event.id, "--reason", WHY)
    assert [row["key"] for row in office.listed()] == [event.id]


def test_letter_that_is_not_there_cannot_be_replayed(office: Office) -> None:
    with pytest.raises(LocalError, match="no such"):
        office.dead("replay", QUEUE, "other", "--reason", WHY)


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", QUEUE, "--reason", WHY),
        ("replay", QUEUE, "x", "--all", "--reason", WHY),
        ("replay", QUEUE, "x"),
        ("discard", QUEUE, "--reason", WHY),
        ("discard", f"{QUEUE}.dead", "x", "--reason", WHY),
        ("skip", "nonsense", "box/1", "--reason", WHY),
    ],
)
def test_what_is_not_said_is_asked_for(office: Office, arguments: tuple[str, ...]) -> None:
    assert office.dead(*arguments).exit_code == 2


def test_listing_every_queue_wants_the_management_api(vhost: Vhost) -> None:
    found = CliRunner(env={"CITY_AMQP_URL": vhost.amqp_url, "CITY_RABBITMQ_ADMIN_URL": ""}).invoke(
        command.dead, ["list"]
    )
    assert found.exit_code == 2


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (lambda vhost: vhost.amqp_url, "NOT_FOUND"),
        (lambda vhost: vhost.url_of("nobody", "wrong"), "does not let us in"),
    ],
)
def test_queue_that_cannot_be_opened_is_said(vhost: Vhost, url: Callable[[Vhost], str], said: str) -> None:
    with pytest.raises(Misconfigured, match=said) as raised, RabbitDeadQueue(url(vhost), QUEUE, exchange="stock.retry"):
        pass
    assert "wrong" not in str(raised.value)


def test_letters_taken_by_another_meanwhile_are_no_error(office: Office) -> None:
    office.queues.put(parked(make_event("box/1")), parked(make_event("box/2")), queue=f"{QUEUE}.dead")
    with RabbitDeadQueue(office.queues.vhost.amqp_url, QUEUE, exchange="stock.retry") as opened:
        assert len(office.queues.dead()) == 2
        assert letters.look(opened, 10) == []


def test_look_ends_at_its_limit(office: Office) -> None:
    office.queues.put(*(parked(make_event(f"box/{number}")) for number in range(3)), queue=f"{QUEUE}.dead")
    assert office.dead("list", "--limit", "2", QUEUE).output.count("SCHEMA: weight") == 2


def test_letter_whose_connection_was_lost_may_still_be_there(office: Office) -> None:
    office.queues.put(parked(make_event()), queue=f"{QUEUE}.dead")
    with RabbitDeadQueue(office.queues.vhost.amqp_url, QUEUE, exchange="stock.retry") as opened:
        (letter,) = opened.letters()

        def cut() -> bool:
            office.queues.cut_connections([f"dead letters of {QUEUE}"])
            try:
                opened.send_back(letter, letter)
            except PublishFailed:
                return True
            return False

        eventually(cut, within=20, every=0.5, what="the connection is lost")
