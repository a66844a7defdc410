"""Exchanges, queues, bindings and users of the broker: written in three files, applied by an administrator, checked.

load      read topology.yaml, users.yaml and departments.yaml of a folder
apply     bring a broker to what the files say; what is there already stays untouched
check     tell where a broker differs from the files
missing_bindings    tell, with the rights of a user that may only look, which bindings are not there
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from citybus.clock import ZONE
from citybus.management import Management, ManagementError
from citybus.topology.converge import (
    BrokerTooOld,
    ChangeRefused,
    Drift,
    DriftKind,
    KnownPasswords,
    Passwords,
    Remedy,
    compare,
    mend,
)
from citybus.topology.files import TopologyInvalid, load
from citybus.topology.model import Binding, Exchange, Queue, Topology, User, matches

__all__ = [
    "Binding",
    "BrokerTooOld",
    "ChangeRefused",
    "Drift",
    "DriftKind",
    "Exchange",
    "KnownPasswords",
    "ManagementError",
    "Outcome",
    "Passwords",
    "Queue",
    "Remedy",
    "Topology",
    "TopologyInvalid",
    "User",
    "apply",
    "check",
    "load",
    "matches",
    "missing_bindings",
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `apply` did, and what it left for a person."""

    done: tuple[Drift, ...]
    left: tuple[Drift, ...]


def apply(
    admin_url: str,
    folder: Path,
    passwords: Passwords,
    *,
    vhost: str = "city",
    prune: bool = False,
    today: date | None = None,
) -> Outcome:
    """Bring the broker at `admin_url` (its management API, as an administrator) to what the files in `folder` say.

    Safe to repeat. Nothing that exists is deleted, but with `prune` bindings of ours and users named svc-… or dept-…
    that no file lists; queues never. A user whose rights change is disconnected. Raises TopologyInvalid, ChangeRefused
    (nothing was done), BrokerTooOld and ManagementError.
    """
    topology = load(folder, today or _today())
    with Management(admin_url) as management:
        done = mend(management, compare(management, topology, vhost, passwords), vhost, passwords, prune=prune)
        return Outcome(tuple(done), tuple(compare(management, topology, vhost, passwords)))


def check(
    admin_url: str,
    folder: Path,
    passwords: KnownPasswords | None = None,
    *,
    vhost: str = "city",
    today: date | None = None,
) -> list[Drift]:
    """Return where the broker differs from the files; a password that is not known is not compared.

    Raises TopologyInvalid, BrokerTooOld and ManagementError.
    """
    topology = load(folder, today or _today())
    with Management(admin_url) as management:
        return compare(management, topology, vhost, passwords)


def missing_bindings(url: str, wanted: Iterable[Binding], *, vhost: str = "city") -> list[str]:
    """Return a line for each of the `wanted` bindings that the broker lacks.

    `url` is the management API as a user with the tag `monitoring`, who needs no permission in the virtual host. Costs
    one request that reads no statistics. Raises ManagementError.
    """
    with Management(url, timeout=(3.0, 10.0)) as management:
        there = {
            Binding(each["source"], each["destination"], each["routing_key"])
            for each in management.get("bindings", vhost)
            if each["destination_type"] == "queue" and not each["arguments"]
        }
    return [str(binding) for binding in sorted(set(wanted) - there)]


def _today() -> date:
    """Return today's date. Access to the broker ends by real time."""
    return datetime.now(ZONE).date()
