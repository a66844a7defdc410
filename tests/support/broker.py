"""A real RabbitMQ for the tests: one private node per session, a virtual host of its own per test.

Where `CITY_AMQP_URL` and `CITY_RABBITMQ_ADMIN_URL` name a broker, that one is used, and only virtual hosts made here are touched.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit
from uuid import uuid4

import pytest
import requests

from dandang.local import broker as local
from dandang.local import process
from dandang.local.ports import Ports
from dandang.local.process import Running
from tests.support.folders import scratch_folder


@dataclass(frozen=True)
class Vhost:
    """A virtual host with quorum queues by default, and the administrator's URLs to it."""

    name: str
    amqp_url: str
    admin_url: str

    def url_of(self, user: str, password: str) -> str:
        """Return the AMQP URL of another user of this virtual host."""
        parts = urlsplit(self.amqp_url)
        host = parts.netloc.rpartition("@")[2]
        return f"amqp://{quote(user, safe='')}:{quote(password, safe='')}@{host}/{quote(self.name, safe='')}"

    def api(self, method: str, path: str, *, allow: tuple[int, ...] = (), **body: object) -> requests.Response:
        """Call the management API; `path` follows /api/. Fails on every error but the statuses in `allow`."""
        parts = urlsplit(self.admin_url)
        response = requests.request(
            method,
            f"{parts.scheme}://{parts.hostname}:{parts.port}/api/{path}",
            auth=(unquote(parts.username or ""), unquote(parts.password or "")),
            json=body or None,
            timeout=60,  # a virtual host is removed with all its queues before the answer comes
        )
        if response.status_code not in allow:
            response.raise_for_status()
        return response

    def depth(self, queue: str) -> int:
        """Return how many messages a queue holds, ready or not yet acknowledged (at most a second old)."""
        found = self.api("GET", f"queues/{quote(self.name, safe='')}/{quote(queue, safe='')}").json()
        return int(found.get("messages", 0))


@dataclass
class Broker:
    """A broker to test against, ours or a given one. `node` is set only for a private one."""

    amqp_url: str
    admin_url: str
    node: local.Node | None = None
    epmd: Running | None = None
    running: Running | None = None
    _made: list[Vhost] = field(default_factory=list)

    def make_vhost(self, name: str | None = None) -> Vhost:
        """Make a virtual host. It is removed by `drop_vhost`, at the latest when the broker is ended."""
        name = name or f"test-{uuid4().hex[:12]}"
        parts = urlsplit(self.amqp_url)
        vhost = Vhost(name, f"{parts.scheme}://{parts.netloc}/{quote(name, safe='')}", self.admin_url)
        # 3.10 knows the first name, later versions the second
        path = f"vhosts/{quote(name, safe='')}"
        vhost.api("PUT", path, defaultqueuetype="quorum", default_queue_type="quorum")
        user = unquote(urlsplit(self.admin_url).username or "")
        for who in {user, unquote(parts.username or "")}:
            vhost.api("PUT", f"permissions/{quote(name, safe='')}/{quote(who)}", configure=".*", write=".*", read=".*")
        self._made.append(vhost)
        return vhost

    def drop_vhost(self, vhost: Vhost) -> None:
        """Remove a virtual host with all that is in it."""
        self._made.remove(vhost)
        vhost.api("DELETE", f"vhosts/{quote(vhost.name, safe='')}", allow=(404,))

    def drop_all(self) -> None:
        """Remove every virtual host that was made here."""
        for vhost in list(self._made):
            self.drop_vhost(vhost)

    def kill(self) -> None:
        """End the private node as a crash would (SIGKILL)."""
        assert self.running is not None, "a given broker is not ours to kill"
        self.running.kill()

    def stop(self) -> None:
        """End the private node in order."""
        assert self.running is not None, "a given broker is not ours to stop"
        self.running.stop()

    def start(self) -> None:
        """Start the private node again after `kill` or `stop`, on the same ports with the same data, and wait until it is ready."""
        assert self.node is not None, "a given one is not ours to start"
        assert self.running is not None
        assert self.running.exit_code() is not None, "it runs already"
        self.running = process.start(self.node.program())
        self.running.wait_ready()


@contextmanager
def private_broker(folder: Path) -> Iterator[Broker]:
    """Run a private node in `folder`; it is killed at the end, since nobody misses its data."""
    claims = Ports()  # kept to the end, so that no other test takes a port while the node is not up
    node = local.new_node(folder, password=uuid4().hex, cookie=uuid4().hex, choice=claims)
    epmd, running = local.start(node)
    broker = Broker(node.amqp_url(), node.admin_url, node, epmd, running)
    try:
        yield broker
    finally:
        assert broker.running is not None
        broker.running.kill()
        epmd.kill()


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """The broker of this session: shared by all tests, so nobody may stop it or change its global settings."""
    with ExitStack() as stack:
        amqp_url, admin_url = os.environ.get("CITY_AMQP_URL"), os.environ.get("CITY_RABBITMQ_ADMIN_URL")
        if amqp_url and admin_url:
            given = Broker(amqp_url, admin_url)
            stack.callback(given.drop_all)
            yield given
        else:
            yield stack.enter_context(private_broker(stack.enter_context(scratch_folder("broker"))))


@pytest.fixture
def vhost(broker: Broker) -> Iterator[Vhost]:
    """A virtual host of this test's own."""
    made = broker.make_vhost()
    yield made
    broker.drop_vhost(made)


@pytest.fixture(scope="module")
def module_vhost(broker: Broker) -> Iterator[Vhost]:
    """A virtual host that the tests of one module share."""
    made = broker.make_vhost()
    yield made
    broker.drop_vhost(made)


@pytest.fixture
def own_broker() -> Iterator[Broker]:
    """A private broker of this test's own, to be killed, stopped, started and starved at will."""
    with scratch_folder("broker") as folder, private_broker(folder) as made:
        yield made


@pytest.fixture(scope="module")
def module_broker() -> Iterator[Broker]:
    """A private broker that the tests of one module share, to be killed, stopped, started and starved at will."""
    with scratch_folder("broker") as folder, private_broker(folder) as made:
        yield made
