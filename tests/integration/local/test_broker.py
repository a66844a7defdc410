"""The private RabbitMQ node: on the loopback, with a name, ports, a cookie and an administrator of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest
from pika.exceptions import ProbableAuthenticationError

from citybus.management import Management, ManagementError
from dandang.local import broker as local
from dandang.local import ports, process
from dandang.local.city import as_user
from dandang.local.errors import LocalError
from tests.support.broker import Broker, private_broker
from tests.support.folders import scratch_folder
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def private() -> Iterator[Broker]:
    """A node in a folder with a long path and a space in it."""
    with scratch_folder("broker") as folder:
        deep = folder / "a folder" / ("x" * 120)
        deep.mkdir(parents=True)
        with private_broker(deep) as made:
            yield made


def sockets(state: str) -> dict[int, set[str]]:
    """Return the local addresses (hexadecimal) of all TCP sockets in a state, by port."""
    found: dict[int, set[str]] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            address, _, port = fields[1].partition(":")
            if fields[3] == state:
                found.setdefault(int(port, 16), set()).add(address)
    return found


def node_of(private: Broker) -> local.Node:
    assert private.node is not None
    return private.node


def test_everything_listens_on_the_loopback_alone(private: Broker) -> None:
    node = node_of(private)
    listening = sockets("0A")
    loopback = {"0100007F", "00000000000000000000000001000000"}
    for port in (node.amqp, node.management, node.prometheus, node.distribution, node.epmd.port):
        assert listening[port] <= loopback


def test_guest_is_not_there(private: Broker) -> None:
    parameters = pika.URLParameters(node_of(private).amqp_url("guest", "guest"))
    with pytest.raises(ProbableAuthenticationError):
        pika.BlockingConnection(parameters)


def test_wrong_password_is_refused(private: Broker) -> None:
    with pytest.raises(ProbableAuthenticationError):
        pika.BlockingConnection(pika.URLParameters(node_of(private).amqp_url(password="wrong")))
    with (
        pytest.raises(ManagementError, match="401"),
        Management(as_user(private.admin_url, "city-admin", "wrong")) as api,
    ):
        api.get("overview")


def test_queues_are_quorum_queues_unless_told_otherwise(private: Broker) -> None:
    with pika.BlockingConnection(pika.URLParameters(private.amqp_url)) as connection:
        connection.channel().queue_declare("kept", durable=True)
    with Management(private.admin_url) as api:
        assert api.get("queues", "city", "kept")["type"] == "quorum"


def test_metrics_are_served(private: Broker) -> None:
    assert ports.answers(node_of(private).prometheus)


def test_secrets_and_data_are_for_their_owner_alone(private: Broker) -> None:
    folder = node_of(private).folder
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / ".erlang.cookie").stat().st_mode & 0o077 == 0
    assert node_of(private).password not in (folder / "definitions.json").read_text()
    assert node_of(private).password not in repr(private.node)


def test_rabbitmqctl_reaches_this_node(private: Broker) -> None:
    assert "city" in node_of(private).ctl("-q", "list_vhosts")
    with pytest.raises(LocalError, match="no_such_command"):
        node_of(private).ctl("no_such_command")


def test_end_takes_epmd_and_all_helpers_along() -> None:
    with scratch_folder("broker") as folder:
        node = local.new_node(folder, password="p", cookie="c")
        epmd, running = local.start(node)
        members = process.family(epmd.pid) | process.family(running.pid)
        assert len(members) >= 4
        running.stop()
        epmd.stop()
        assert not [member for member in members if process.started_at(member.pid) == member.started]
        assert not ports.answers(node.epmd.port)


def test_missing_broker_is_told_in_one_line_with_what_to_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local, "SERVER", tmp_path / "missing")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "apt-get").touch(mode=0o755)
    with pytest.raises(LocalError, match=r"install-broker\.sh") as told:
        local.ensure_installed(tmp_path)
    assert "\n" not in str(told.value)


def test_failed_installation_is_told_with_its_last_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local, "SERVER", tmp_path / "missing")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    script = tmp_path / local.INSTALL_SCRIPT
    script.parent.mkdir(parents=True)
    script.write_text("echo no space left; exit 4")
    (tmp_path / "apt-get").touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(LocalError, match=r"exit code 4[\s\S]*no space left"):
        local.ensure_installed(tmp_path)


def test_taken_ports_are_passed_over(private: Broker) -> None:
    taken = node_of(private).amqp
    chosen = ports.Ports()
    assert chosen.choose("amqp", taken) != taken
    assert chosen.choose("amqp", taken) == chosen.chosen["amqp"]
    free = ports.choose()
    assert ports.Ports({"amqp": free}).choose("amqp", taken) == free
    eventually(lambda: ports.answers(taken))


def test_port_that_another_city_has_claimed_is_passed_over() -> None:
    """Its process may be between two starts: then nothing listens there."""
    first = ports.Ports()
    port = first.choose("worker")
    assert ports.is_free(port)
    assert ports.Ports({"worker": port}).choose("worker") != port
    assert ports.Ports().choose("worker", port) != port
