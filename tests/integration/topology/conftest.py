"""A broker of one's own with the city's topology applied: broker users are global, so these tests share no broker."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import quote, urlsplit

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from citybus import topology
from citybus.management import Management
from citybus.topology import Drift, Outcome
from dandang.local.state import PROJECT
from tests.support.broker import Broker, Vhost

FOLDER = PROJECT / "deploy" / "rabbitmq"


@dataclass
class City:
    """A virtual host to which the topology is applied, the management API as administrator, and the users' passwords."""

    vhost: Vhost
    api: Management
    passwords: dict[str, str] = field(default_factory=dict)
    folder: Path = FOLDER
    today: date = date(2026, 11, 23)

    def password(self, user: str) -> str:
        """Return a user's password."""
        return self.passwords.setdefault(user, f"secret of {user}/:@")

    def apply(self, *, prune: bool = False) -> Outcome:
        """Apply the files."""
        return topology.apply(
            self.vhost.admin_url, self.folder, self.password, vhost=self.vhost.name, prune=prune, today=self.today
        )

    def check(self) -> list[Drift]:
        """Return the drifts, passwords included."""
        return topology.check(self.vhost.admin_url, self.folder, self.password, vhost=self.vhost.name, today=self.today)

    def management_url(self, user: str) -> str:
        """Return the URL of the management API as a user."""
        parts = urlsplit(self.vhost.admin_url)
        return f"http://{user}:{quote(self.password(user), safe='')}@{parts.hostname}:{parts.port}"

    def connect(self, user: str) -> pika.BlockingConnection:
        """Connect as a user."""
        return pika.BlockingConnection(pika.URLParameters(self.vhost.url_of(user, self.password(user))))

    def channel(self, user: str) -> BlockingChannel:
        """Open a connection as a user, with publisher confirms. Close it by `channel.connection.close()`."""
        channel = self.connect(user).channel()
        channel.confirm_delivery()
        return channel


@pytest.fixture(scope="module")
def city(module_broker: Broker) -> Iterator[City]:
    """The city's topology on a private broker."""
    vhost = module_broker.make_vhost()
    with Management(vhost.admin_url) as api:
        made = City(vhost, api)
        made.apply()
        yield made
