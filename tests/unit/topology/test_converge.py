"""What the comparison makes of brokers that no test has at hand."""

import base64
import hashlib
from typing import Any

import pytest

from citybus.management import Management
from citybus.topology import BrokerTooOld, Topology
from citybus.topology.converge import Drift, DriftKind, _is_password, _policy_matches, _tags, compare


class OldBroker(Management):
    """A broker that tells an old version."""

    def get(self, *path: str, allow: tuple[int, ...] = ()) -> Any:
        return {"rabbit_version": "3.9.13"}


def test_broker_that_cannot_keep_the_guarantees_is_refused() -> None:
    with OldBroker("http://u:p@127.0.0.1:9") as management, pytest.raises(BrokerTooOld, match=r"3\.10 or later"):
        compare(management, Topology({}, {}, frozenset(), {}), "city")


def test_password_is_compared_by_its_salted_hash() -> None:
    for name, algorithm in (("sha256", hashlib.sha256), ("sha512", hashlib.sha512)):
        user = {
            "hashing_algorithm": f"rabbit_password_hashing_{name}",
            "password_hash": base64.b64encode(b"salt" + algorithm(b"saltright").digest()).decode(),
        }
        assert _is_password("right", user)
        assert not _is_password("wrong", user)


@pytest.mark.parametrize(
    "user",
    [
        {"hashing_algorithm": "rabbit_password_hashing_sha256", "password_hash": ""},
        {"hashing_algorithm": "rabbit_password_hashing_md5", "password_hash": "AAAA"},
        {},
    ],
)
def test_password_that_cannot_be_compared_counts_as_another(user: dict[str, str]) -> None:
    assert not _is_password("", user)


def test_tags_are_read_in_both_forms() -> None:
    assert _tags("monitoring,management") == _tags(["management", "monitoring"])
    assert _tags("") == _tags([]) == frozenset()


def test_policy_that_we_cannot_read_counts_as_matching() -> None:
    assert _policy_matches("^city", "city.events")
    assert not _policy_matches("^city$", "city.events")
    assert _policy_matches("(?|a|b)", "city.events")


def test_every_kind_of_drift_has_words() -> None:
    for kind in DriftKind:
        message = Drift(kind, "x").message
        assert message["zh"]
        assert message["en"]
