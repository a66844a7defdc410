"""A command is one transaction, done once per key."""

import contextlib
import io
import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg2
import psycopg2.errors
import pytest
from flask import Flask, request
from sqlalchemy import Table, delete, func, insert, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import sessionmaker

from citybus.http.commands import ATTEMPTS
from citybus.tables import audit_entries, idempotency_keys, inbox_messages, outbox_messages
from citybus.testing.keys import FakeIssuer
from citybus.unit_of_work import UnitOfWork
from tests.integration.http.conftest import Officer
from tests.integration.http.sample import Hooks, notes

Sessions = sessionmaker[Any]
WITHIN = 20


@pytest.fixture(autouse=True)
def empty(sessions: Sessions) -> None:
    with sessions.begin() as session:
        for table in (notes, outbox_messages, idempotency_keys):
            session.execute(delete(table))
        session.execute(delete(audit_entries))


def count(sessions: Sessions, table: Table) -> int:
    with sessions() as session:
        return int(session.execute(select(func.count()).select_from(table)).scalar_one())


def counts(sessions: Sessions) -> tuple[int, int, int, int]:
    return (
        count(sessions, notes),
        count(sessions, outbox_messages),
        count(sessions, audit_entries),
        count(sessions, idempotency_keys),
    )


def note(**content: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), "unit": "420202", "text": "a", **content}


def test_fact_event_audit_and_key_are_one_commit(officer: Officer, sessions: Sessions) -> None:
    answer = officer.write(text="written")
    assert answer.status_code == 201
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Location"] == f"/notes/{answer.json['id']}"
    assert "Idempotent-Replayed" not in answer.headers
    assert counts(sessions) == (1, 1, 1, 1)


def test_a_repeated_command_gets_the_same_bytes_and_does_nothing(
    officer: Officer, sessions: Sessions, hooks: Hooks
) -> None:
    form = note()
    first = officer.post("/notes", form, key="k1")
    again = officer.post("/notes", form, key="k1", headers={"X-Correlation-ID": "second"})
    assert (again.status_code, again.data) == (first.status_code, first.data)
    for name in ("ETag", "Location", "Content-Type"):
        assert again.headers[name] == first.headers[name]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["X-Correlation-ID"] == "second"
    assert len(hooks.runs) == 1
    assert counts(sessions) == (1, 1, 1, 1)


def test_a_replay_comes_before_the_version_check(officer: Officer) -> None:
    written = officer.write().json
    path = f"/notes/{written['id']}/rewrite"
    first = officer.post(path, {"text": "b"}, key="k", headers={"If-Match": '"1"'})
    again = officer.post(path, {"text": "b"}, key="k", headers={"If-Match": '"1"'})
    assert (first.status_code, again.status_code, again.data) == (200, 200, first.data)


def test_another_command_under_the_same_key_is_refused(officer: Officer, sessions: Sessions) -> None:
    form = note()
    officer.post("/notes", form, key="k1")
    answer = officer.post("/notes", {**form, "text": "b"}, key="k1")
    assert (answer.status_code, answer.json["code"]) == (422, "KEY_REUSED")
    assert counts(sessions) == (1, 1, 1, 1)


def test_each_caller_has_keys_of_their_own(officer: Officer, app: Flask, issuer: FakeIssuer) -> None:
    colleague = Officer(app, issuer, sub="officer-2")
    assert officer.post("/notes", note(text="a"), key="k1").json["text"] == "a"
    assert colleague.post("/notes", note(text="b"), key="k1").json["text"] == "b"


def test_a_failed_command_leaves_its_key_unused(officer: Officer, sessions: Sessions, hooks: Hooks) -> None:
    form = note()

    def fail(uow: UnitOfWork) -> None:
        raise RuntimeError("a bug")

    hooks.during = fail
    assert officer.post("/notes", form, key="k1").status_code == 500
    assert counts(sessions) == (0, 0, 0, 0)
    hooks.during = lambda uow: None
    assert officer.post("/notes", form, key="k1").status_code == 201
    assert counts(sessions) == (1, 1, 1, 1)


def test_outside_the_data_scope_nothing_is_done(app: Flask, issuer: FakeIssuer, sessions: Sessions) -> None:
    answer = Officer(app, issuer, scope={"units": ["420203"]}).write()
    assert (answer.status_code, answer.json["code"]) == (403, "DATA_SCOPE")
    assert counts(sessions) == (0, 0, 0, 0)


def test_a_refusal_with_a_duty_is_committed_and_replayed(officer: Officer, sessions: Sessions) -> None:
    path = f"/notes/{uuid4()}/accuse"
    first = officer.post(path, key="k1")
    assert (first.status_code, first.json["code"]) == (422, "DISCIPLINE_THRESHOLD")
    assert first.content_type == "application/problem+json"
    assert counts(sessions) == (0, 1, 1, 1)
    again = officer.post(path, key="k1")
    assert (again.status_code, again.data, again.content_type) == (422, first.data, "application/problem+json")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert counts(sessions) == (0, 1, 1, 1)


def test_a_row_that_exists_already_is_a_duplicate(officer: Officer, sessions: Sessions) -> None:
    form = note()
    assert officer.post("/notes", form).status_code == 201
    again = officer.post("/notes", form)
    assert (again.status_code, again.json["code"]) == (409, "DUPLICATE")
    assert counts(sessions) == (1, 1, 1, 1)


def test_a_row_of_the_mechanism_that_exists_already_is_our_fault(
    officer: Officer, sessions: Sessions, hooks: Hooks
) -> None:
    def repeat(uow: UnitOfWork) -> None:
        row = {
            "consumer": "c",
            "event_id": str(uuid4()),
            "type": "t",
            "subject": "s",
            "sequence": 1,
            "outcome": "APPLIED",
        }
        for _ in range(2):
            uow.session.execute(insert(inbox_messages).values(row))

    hooks.during = repeat
    assert officer.write().json["code"] == "INTERNAL"


class Paused:
    """Holds a command between its change and its commit, until released."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.released = threading.Event()

    def __call__(self, uow: UnitOfWork) -> None:
        self.reached.set()
        assert self.released.wait(WITHIN)


def in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    return thread, results


def test_while_a_command_is_worked_on_its_key_is_in_flight(
    app: Flask, issuer: FakeIssuer, officer: Officer, hooks: Hooks, sessions: Sessions
) -> None:
    form, pause = note(), Paused()
    hooks.during = pause
    thread, results = in_thread(lambda: Officer(app, issuer).post("/notes", form, key="k1"))
    try:
        assert pause.reached.wait(WITHIN)
        hooks.during = lambda uow: None
        answer = officer.post("/notes", form, key="k1")
        assert (answer.status_code, answer.json["code"]) == (409, "IN_FLIGHT")
        # Another key is not held up.
        assert officer.post("/notes", note(), key="k2").status_code == 201
    finally:
        pause.released.set()
    thread.join(WITHIN)
    assert results[0].status_code == 201
    assert officer.post("/notes", form, key="k1").data == results[0].data
    assert counts(sessions) == (2, 2, 2, 2)


def test_many_attempts_at_once_are_done_once(app: Flask, issuer: FakeIssuer, hooks: Hooks, sessions: Sessions) -> None:
    form = note()
    attempts = [in_thread(lambda: Officer(app, issuer).post("/notes", form, key="k1")) for _ in range(8)]
    for thread, _ in attempts:
        thread.join(WITHIN)
    statuses = {results[0].status_code for _, results in attempts}
    assert statuses <= {201, 409}
    assert 201 in statuses
    assert counts(sessions) == (1, 1, 1, 1)


def test_a_key_kept_by_another_meanwhile_gives_way(officer: Officer, sessions: Sessions, hooks: Hooks) -> None:
    # What a claim cannot see: a transaction that kept its reply after our statement began, and let the lock go.
    def kept_by_another(uow: UnitOfWork) -> None:
        with sessions.begin() as session:
            session.execute(
                insert(idempotency_keys).values(
                    caller="officer-1", key="k1", fingerprint=b"", status=201, headers={}, body=b""
                )
            )

    hooks.during = kept_by_another
    answer = officer.post("/notes", note(), key="k1")
    assert (answer.status_code, answer.json["code"]) == (409, "IN_FLIGHT")
    assert counts(sessions) == (0, 0, 0, 1)


def test_a_stale_version_is_refused(officer: Officer) -> None:
    path = f"/notes/{officer.write().json['id']}/rewrite"
    assert officer.post(path, {"text": "b"}, headers={"If-Match": '"1"'}).headers["ETag"] == '"2"'
    stale = officer.post(path, {"text": "c"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json["code"]) == (412, "STALE_VERSION")
    assert stale.json["figures"] == {"expected": 1, "current": 2}
    without = officer.post(path, {"text": "c"})
    assert (without.status_code, without.json["code"]) == (428, "PRECONDITION_REQUIRED")


def test_a_read_has_an_etag_and_may_be_unchanged(officer: Officer) -> None:
    path = f"/notes/{officer.write().json['id']}"
    read = officer.get(path)
    assert (read.status_code, read.headers["ETag"]) == (200, '"1"')
    again = officer.get(path, **{"If-None-Match": '"1"'})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", '"1"')
    assert officer.get(f"/notes/{uuid4()}").json["code"] == "NOT_FOUND"


def collision(times: int) -> Callable[[UnitOfWork], None]:
    left = [times]

    def collide(uow: UnitOfWork) -> None:
        if left[0]:
            left[0] -= 1
            raise OperationalError("UPDATE", {}, psycopg2.errors.DeadlockDetected("deadlock detected"))

    return collide


def test_a_command_that_collided_is_done_again(officer: Officer, hooks: Hooks, sessions: Sessions) -> None:
    hooks.during = collision(ATTEMPTS - 1)
    assert officer.write().status_code == 201
    assert len(hooks.runs) == ATTEMPTS
    assert counts(sessions) == (1, 1, 1, 1)


def test_a_command_that_always_collides_is_given_up(officer: Officer, hooks: Hooks, sessions: Sessions) -> None:
    hooks.during = collision(ATTEMPTS)
    answer = officer.write()
    assert (answer.status_code, answer.json["code"]) == (503, "UNAVAILABLE")
    assert counts(sessions) == (0, 0, 0, 0)


def test_a_real_deadlock_is_survived(
    app: Flask, issuer: FakeIssuer, officer: Officer, hooks: Hooks, sessions: Sessions
) -> None:
    first, second = officer.write().json["id"], officer.write().json["id"]
    both = threading.Barrier(2)
    others = {first: second, second: first}

    def lock_the_other(uow: UnitOfWork) -> None:
        assert request.view_args is not None
        row = str(request.view_args["note_id"])
        # The second attempt has nobody to wait for.
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(WITHIN)
        uow.session.execute(select(notes.c.id).where(notes.c.id == others[row]).with_for_update())
        both.abort()

    hooks.during = lock_the_other
    attempts = [
        in_thread(
            lambda note_id=note_id: Officer(app, issuer).post(  # type: ignore[misc]  # mypy knows no defaults here
                f"/notes/{note_id}/rewrite", {"text": "b"}, headers={"If-Match": '"1"'}
            )
        )
        for note_id in (first, second)
    ]
    for thread, _ in attempts:
        thread.join(WITHIN)
    assert [results[0].status_code for _, results in attempts] == [200, 200]


def test_a_lost_connection_says_to_try_again(officer: Officer, hooks: Hooks, sessions: Sessions) -> None:
    def lose(uow: UnitOfWork) -> None:
        backend = uow.session.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with sessions.begin() as session:
            session.execute(text("SELECT pg_terminate_backend(:backend)"), {"backend": backend})

    form = note()
    hooks.during = lose
    answer = officer.post("/notes", form, key="k1")
    assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "UNAVAILABLE", "5")
    hooks.during = lambda uow: None
    assert officer.post("/notes", form, key="k1").status_code == 201
    assert counts(sessions) == (1, 1, 1, 1)


def test_a_command_may_have_no_body(officer: Officer) -> None:
    answer = officer.client.delete(f"/notes/{uuid4()}", headers={"Idempotency-Key": "k1"})
    assert (answer.status_code, answer.data) == (204, b"")
    assert "Content-Type" not in answer.headers


def test_an_uploaded_file_is_read_after_it_was_compared(officer: Officer) -> None:
    def send() -> Any:
        return officer.client.post(
            "/files", data={"file": (io.BytesIO(b"x" * 400_000), "a.xlsx")}, headers={"Idempotency-Key": "k1"}
        )

    first, again = send(), send()
    assert first.json == {"bytes": 400_000}
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_transaction_acts_on_the_callers_account(officer: Officer) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    told = officer.get(
        "/context", **{"X-Correlation-ID": "c-1", "traceparent": trace, "X-Purpose": "%E8%80%83%E6%A0%B8"}
    )
    assert told.json == {
        "actor": "officer-1",
        "roles": ["ORG"],
        "purpose": "考核",
        "correlation": "c-1",
        "traceparent": trace,
    }
    bare = officer.get("/context", traceparent="00-nonsense").json
    assert (bare["purpose"], bare["traceparent"]) == ("notes.told", None)


@pytest.mark.parametrize("purpose", ["x" * 201, "a%0Ab"])
def test_a_purpose_that_is_no_text_is_refused(officer: Officer, purpose: str) -> None:
    assert officer.get("/context", **{"X-Purpose": purpose}).json["code"] == "VALIDATION"


def test_a_connection_that_died_in_the_pool_is_replaced_and_the_command_done_once(
    officer: Officer, sessions: Sessions
) -> None:
    officer.write()
    before = count(sessions, idempotency_keys)
    with sessions.begin() as session:
        own = session.scalar(text("SELECT pg_backend_pid()"))
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> :own AND usename = current_user"
            ),
            {"own": own},
        )
    assert officer.write().status_code == 201
    assert count(sessions, idempotency_keys) == before + 1
