"""Lists are read page by page, and rows that come or go meanwhile neither repeat nor hide others."""

import re
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, insert
from sqlalchemy.orm import sessionmaker

from tests.integration.http.conftest import Officer
from tests.integration.http.sample import notes

Sessions = sessionmaker[Any]


def add(sessions: Sessions, *numbers: int) -> None:
    with sessions.begin() as session:
        session.execute(
            insert(notes), [{"id": str(UUID(int=n)), "unit": f"42020{n % 3}", "text": "a"} for n in numbers]
        )


def place(note: dict[str, Any]) -> tuple[str, str]:
    return note["unit"], note["id"]


@pytest.fixture(autouse=True)
def empty(sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.execute(delete(notes))


def follow(officer: Officer, path: str) -> list[dict[str, Any]]:
    """Read all pages by their links."""
    items: list[dict[str, Any]] = []
    while True:
        answer = officer.get(path)
        assert answer.status_code == 200
        items += answer.json["items"]
        link = answer.headers.get("Link")
        if link is None:
            assert answer.json["next"] is None
            return items
        match = re.fullmatch(r'<(.*)>; rel="next"', link)
        assert match
        path = match[1]
        assert answer.json["next"] in path


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [1, 3, 10, 11])
def test_all_rows_are_read_in_order(officer: Officer, sessions: Sessions, limit: int, descending: bool) -> None:
    add(sessions, *range(10))
    read = follow(officer, f"/notes?limit={limit}&descending={str(descending).lower()}")
    assert [place(note) for note in read] == sorted(
        ((f"42020{n % 3}", str(UUID(int=n))) for n in range(10)), reverse=descending
    )


def test_rows_inserted_meanwhile_neither_repeat_nor_hide_any(officer: Officer, sessions: Sessions) -> None:
    add(sessions, *range(10, 20))
    seen = []
    answer = officer.get("/notes?limit=3").json
    added = iter(range(10))
    while True:
        seen += [note["id"] for note in answer["items"]]
        if answer["next"] is None:
            break
        # Some before the place where the reader is, some behind it.
        add(sessions, next(added), next(added))
        answer = officer.get(f"/notes?limit=3&cursor={answer['next']}").json
    assert len(seen) == len(set(seen))
    assert {str(UUID(int=n)) for n in range(10, 20)} <= set(seen)


def test_a_row_at_the_edge_may_vanish(officer: Officer, sessions: Sessions) -> None:
    add(sessions, *range(6))
    first = officer.get("/notes?limit=2").json
    with sessions.begin() as session:
        session.execute(delete(notes).where(notes.c.id == first["items"][-1]["id"]))
    rest = follow(officer, f"/notes?limit=2&cursor={first['next']}")
    assert len(rest) == 4


def test_a_cursor_of_elsewhere_is_refused(officer: Officer) -> None:
    answer = officer.get("/notes?cursor=nonsense")
    assert (answer.status_code, answer.json["code"]) == (400, "VALIDATION")
    assert answer.json["errors"][0]["parameter"] == "cursor"
