"""A private RabbitMQ node: its own name, ports, cookie and data, on the loopback, beside any broker of the system."""

import base64
import hashlib
import json
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from citybus.management import Management, ManagementError
from dandang.local import ports, process
from dandang.local.errors import LocalError
from dandang.local.ports import LOOPBACK, Ports
from dandang.local.process import Program, Running

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""Where the packages of Debian and Ubuntu put the server. The wrapper in /usr/sbin switches user, or refuses."""

INSTALL_SCRIPT = Path("deploy/local/install-broker.sh")
PLUGINS = ("rabbitmq_management", "rabbitmq_prometheus")
ADMIN = "city-admin"
VHOST = "city"


def ensure_installed(project: Path) -> bool:
    """Install RabbitMQ's package where it is missing, without starting a broker. Returns True if it had to.

    Raises LocalError with a one-line instruction where we are neither root nor have sudo without a password.
    """
    if SERVER.exists():
        return False
    script = project / INSTALL_SCRIPT
    if shutil.which("apt-get") is None:
        raise LocalError(
            "没有 RabbitMQ：请安装 RabbitMQ 3.10 以上版本，或设置 CITY_AMQP_URL 与 CITY_RABBITMQ_ADMIN_URL。"
            f" / There is no RabbitMQ at {SERVER}: install version 3.10 or later, or set CITY_AMQP_URL and CITY_RABBITMQ_ADMIN_URL."
        )
    if os.geteuid() == 0:
        command = ["sh", str(script)]
    elif (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], check=False, capture_output=True).returncode == 0
    ):
        command = ["sudo", "-n", "sh", str(script)]
    else:
        raise LocalError(
            f"没有 RabbitMQ，请先以 root 运行 / RabbitMQ is missing, first run as root:  sh {shlex.quote(str(script))}"
        )
    done = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
    )
    if done.returncode or not SERVER.exists():
        end = "\n  | ".join(done.stdout.decode(errors="replace").splitlines()[-15:])
        raise LocalError(f"RabbitMQ could not be installed (exit code {done.returncode}):\n  | {end}")
    return True


@dataclass(frozen=True, slots=True)
class Epmd:
    """Erlang's port mapper for private nodes, on a port of its own. One serves all nodes of one cluster."""

    port: int
    folder: Path

    def program(self) -> Program:
        """Return how to start it: in the foreground, else it would outlive the broker."""
        return Program(
            name="epmd",
            argv=("epmd", "-address", LOOPBACK, "-port", str(self.port)),
            env=process.environment(self.folder),
            cwd=self.folder,
            log=self.folder / "epmd.log",
            ready=lambda: ports.answers(self.port),
            ready_within=20,
            port=self.port,
        )


@dataclass(frozen=True, slots=True)
class Node:
    """A private RabbitMQ node, kept in `folder`. Its name, and with it its data, stays the same from run to run.

    `password` is that of the administrator `city-admin`, who is there from the first moment; `guest` never is.
    Nodes with the same `cookie` and the same epmd can be made one cluster.
    """

    folder: Path
    epmd: Epmd
    password: str = field(repr=False)
    cookie: str = field(repr=False)
    amqp: int
    management: int
    prometheus: int
    distribution: int
    name: str = "dandang"

    @property
    def node_name(self) -> str:
        """Erlang's name of the node."""
        return f"{self.name}@localhost"

    @property
    def admin_url(self) -> str:
        """The management API with the administrator's name and password."""
        return f"http://{ADMIN}:{quote(self.password, safe='')}@{LOOPBACK}:{self.management}"

    def amqp_url(self, user: str = ADMIN, password: str | None = None, vhost: str = VHOST) -> str:
        """Return the AMQP URL of a user, by default the administrator."""
        secret = self.password if password is None else password
        return f"amqp://{quote(user, safe='')}:{quote(secret, safe='')}@{LOOPBACK}:{self.amqp}/{quote(vhost, safe='')}"

    def program(self) -> Program:
        """Write the node's configuration and return how to start it."""
        self._write_configuration()
        return Program(
            name="broker" if self.name == "dandang" else f"broker-{self.name}",
            argv=(str(SERVER),),
            env=self._environment(),
            cwd=self.folder,
            log=self.folder / "log" / "broker.log",
            ready=self.is_ready,
            ready_within=120,
            stop_within=60,
            port=self.amqp,
        )

    def is_ready(self) -> bool:
        """True once the node takes AMQP connections and its administrator may sign in."""
        if not ports.answers(self.amqp):
            return False
        try:
            with Management(self.admin_url, timeout=(2, 5)) as api:
                api.get("vhosts", VHOST)
        except ManagementError:
            return False
        return True

    def ctl(self, *arguments: str, timeout: float = 60) -> str:
        """Run `rabbitmqctl` against this node and return what it prints. Raises LocalError if it fails."""
        done = subprocess.run(
            [SERVER.with_name("rabbitmqctl"), "--node", self.node_name, *arguments],
            check=False,
            env=self._environment(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            text=True,
        )
        if done.returncode:
            raise LocalError(f"rabbitmqctl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        return process.environment(
            folder,
            RABBITMQ_NODENAME=self.node_name,
            RABBITMQ_USE_LONGNAME="false",
            # each file of the system's broker is replaced by one of ours, so that nothing of /etc/rabbitmq is read
            RABBITMQ_CONF_ENV_FILE=str(folder / "rabbitmq-env.conf"),
            RABBITMQ_CONFIG_FILE=str(folder / "rabbitmq.conf"),
            RABBITMQ_CONFIG_FILES=str(folder / "conf.d"),
            RABBITMQ_ADVANCED_CONFIG_FILE=str(folder / "advanced.config"),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(folder / "enabled_plugins"),
            RABBITMQ_GENERATED_CONFIG_DIR=str(folder / "generated"),
            RABBITMQ_MNESIA_BASE=str(folder / "data"),
            RABBITMQ_MNESIA_DIR=str(folder / "data" / self.name),
            RABBITMQ_LOG_BASE=str(folder / "log"),
            RABBITMQ_LOGS="-",
            RABBITMQ_PID_FILE=str(folder / "broker.pid"),
            RABBITMQ_DIST_PORT=str(self.distribution),
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +B i",
            ERL_EPMD_PORT=str(self.epmd.port),
            ERL_EPMD_ADDRESS=LOOPBACK,
            ERL_CRASH_DUMP=str(folder / "log" / "erl_crash.dump"),
            detached="yes",  # the start script then becomes the node, and gets its signals, instead of waiting beside it
        )

    def _write_configuration(self) -> None:
        for name in ("", "conf.d", "data", "generated", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        _write(self.folder / ".erlang.cookie", self.cookie, mode=0o400)
        _write(self.folder / "rabbitmq-env.conf", "")
        _write(self.folder / "advanced.config", "[].\n")
        _write(self.folder / "enabled_plugins", f"[{','.join(PLUGINS)}].\n")
        _write(self.folder / "definitions.json", json.dumps(self._definitions(), indent=1))
        _write(self.folder / "rabbitmq.conf", self._configuration())

    def _configuration(self) -> str:
        return f"""\
listeners.tcp.1 = {LOOPBACK}:{self.amqp}
management.tcp.ip = {LOOPBACK}
management.tcp.port = {self.management}
prometheus.tcp.ip = {LOOPBACK}
prometheus.tcp.port = {self.prometheus}
load_definitions = {self.folder}/definitions.json
log.console = true
log.console.level = info
# numbers of the management API are at most a second old
collect_statistics_interval = 1000
# a consumer that does not answer within half an hour is taken for dead
consumer_timeout = 1800000
# a laptop's disk is let run low, not full
disk_free_limit.absolute = 200MB
# write-ahead segments of quorum queues: the usual 512 MB each is much for one machine's sample city
raft.wal_max_size_bytes = 67108864
"""

    def _definitions(self) -> dict[str, object]:
        salt = hashlib.sha256(f"salt of {self.password}".encode()).digest()[:4]
        password_hash = base64.b64encode(salt + hashlib.sha256(salt + self.password.encode()).digest()).decode()
        return {
            "users": [
                {
                    "name": ADMIN,
                    "password_hash": password_hash,
                    "hashing_algorithm": "rabbit_password_hashing_sha256",
                    "tags": "administrator",
                }
            ],
            # 3.10 reads the default type of queues out of the metadata, 4.x beside it
            "vhosts": [{"name": VHOST, "default_queue_type": "quorum", "metadata": {"default_queue_type": "quorum"}}],
            "permissions": [{"user": ADMIN, "vhost": VHOST, "configure": ".*", "write": ".*", "read": ".*"}],
        }


def new_node(folder: Path, *, password: str, cookie: str, choice: Ports | None = None, usual: bool = False) -> Node:
    """Return a node in `folder` with an epmd of its own, on the usual ports of RabbitMQ if wanted, else on spare ones."""
    chosen = choice or Ports()
    folder = folder.resolve()
    return Node(
        folder=folder,
        epmd=Epmd(chosen.choose("epmd"), folder),
        password=password,
        cookie=cookie,
        amqp=chosen.choose("amqp", 5672 if usual else None),
        management=chosen.choose("management", 15672 if usual else None),
        prometheus=chosen.choose("prometheus", 15692 if usual else None),
        distribution=chosen.choose("distribution"),
    )


def start(node: Node) -> tuple[Running, Running]:
    """Start epmd and the node, and return both once the node is ready."""
    node.folder.mkdir(parents=True, exist_ok=True)
    epmd = process.start(node.epmd.program())
    try:
        epmd.wait_ready()
        running = process.start(node.program())
        try:
            running.wait_ready()
        except BaseException:
            running.kill()
            raise
    except BaseException:
        epmd.kill()
        raise
    return epmd, running


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
