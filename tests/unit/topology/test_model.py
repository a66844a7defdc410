"""Names and keys are matched as the broker matches them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citybus.topology.model import NOTHING, matches, permission

WORDS = st.lists(st.sampled_from(["a", "b", "cc"]), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("pattern", "key", "does"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.b.c", False),
        ("a.b", "a", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("a.*.v1", "a.b.v1", True),
        ("a.*.v1", "a.b.v2", False),
        ("a.#", "a", True),
        ("a.#", "a.b.c", True),
        ("a.#", "b.a", False),
        ("#", "anything.at.all", True),
        ("#.v1", "a.b.v1", True),
        ("#.v1", "v1", True),
        ("#.v1", "a.v1.b", False),
        ("a.#.c", "a.c", True),
        ("a.#.c", "a.b.b.c", True),
    ],
)
def test_keys_are_matched_by_words(pattern: str, key: str, does: bool) -> None:
    assert matches(pattern, key) is does


@given(WORDS)
def test_every_key_matches_itself_and_the_widest_patterns(words: list[str]) -> None:
    key = ".".join(words)
    assert matches(key, key)
    assert matches("#", key)
    assert matches(".".join("*" for _ in words), key)
    assert not matches(".".join("*" for _ in [*words, "more"]), key)


@pytest.mark.parametrize(
    ("names", "permitted", "refused"),
    [
        ([], [], ["", "a", "amq.default"]),
        (["a.b"], ["a.b"], ["a.b.c", "axb", "xa.b", "a.b\nc", ""]),
        (["a.b", "c-d"], ["a.b", "c-d"], ["a.b|c-d", "c.d", "cxd"]),
        (["*.*.dead"], ["a.b.dead"], ["a.dead", "a.b.c.dead", "a.b.dead.x"]),
        (["dept.#"], ["dept.a", "dept.a.b.c"], ["dept", "dept.", "departments.a"]),
    ],
)
def test_permission_lets_names_pass_and_nothing_else(
    names: list[str], permitted: list[str], refused: list[str]
) -> None:
    expression = permission(names)
    assert [name for name in permitted if not re.search(expression, name)] == []
    # An empty name is never asked for: the default exchange is called amq.default.
    assert [name for name in refused if name and re.search(expression, name)] == []


def test_no_names_are_no_permission() -> None:
    assert permission([]) == NOTHING
