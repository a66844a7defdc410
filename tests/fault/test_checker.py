"""The checker sees each way in which the promise can be broken, and nothing where it is kept."""

from typing import Any

import pytest

from tests.fault.checker import check

KEPT: list[dict[str, Any]] = [
    {"op": "consumer", "consumer": "q"},
    {"op": "acknowledged", "ref": "a@1"},
    {"op": "stated", "ref": "a@1"},
    {"op": "stated", "ref": "a@2"},
    {"op": "committed", "event": "e1", "ref": "a@1", "subject": "s", "sequence": 1},
    {"op": "committed", "event": "e2", "ref": "a@2", "subject": "s", "sequence": 2},
    {"op": "effect", "consumer": "q", "event": "e1", "subject": "s", "sequence": 1, "number": 1},
    {"op": "effect", "consumer": "q", "event": "e2", "subject": "s", "sequence": 2, "number": 2},
]


def test_a_kept_promise_has_no_complaint() -> None:
    assert check(KEPT).kept


def test_a_parked_event_is_not_lost() -> None:
    assert check([*KEPT[:-1], {"op": "parked", "consumer": "q", "event": "e2"}]).kept


@pytest.mark.parametrize(
    ("history", "way"),
    [
        ([KEPT[0], KEPT[1], *KEPT[3:]], "acknowledged but not stated"),
        ([*KEPT, KEPT[2]], "stated twice"),
        ([*KEPT, {"op": "stated", "ref": "b@1"}], "stated without event"),
        ([*KEPT[:3], *KEPT[4:]], "event without statement"),
        (KEPT[:-1], "lost on the way to q"),
        ([*KEPT, KEPT[-1]], "applied twice in q"),
        ([*KEPT, KEPT[-1] | {"event": "e9", "number": 3}], "ghost in q"),
        ([*KEPT[:-2], KEPT[-2] | {"number": 3}, KEPT[-1]], "out of order in q"),
        (KEPT[:6], "lost on the way to q"),
    ],
)
def test_each_way_of_breaking_it_is_named(history: list[dict[str, Any]], way: str) -> None:
    assert way in check(history).broken
