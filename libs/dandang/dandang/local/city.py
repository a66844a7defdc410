"""The whole city on this machine: broker, database, migrations, topology and processes, started in order and kept up."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from citybus import topology
from dandang import wechat
from dandang.local import broker, database, keys, process, provision
from dandang.local.errors import LocalError
from dandang.local.ports import LOOPBACK, Ports
from dandang.local.processes import (
    KINDS,
    ON_THE_BUS,
    SERVICES,
    SHARING,
    USUAL_PORTS,
    WECHAT,
    CitySurroundings,
    ServiceSurroundings,
)
from dandang.local.provision import ServiceDatabase
from dandang.local.state import PROJECT, ProcessState, RunFolder, State
from dandang.local.supervisor import Supervisor

MONITOR = "city-monitor"
"""The broker user of the relays' look at bindings: it may see, and do nothing."""

DEADLINE_SECONDS = "0.2"
"""How often deadlines are looked for: the local city's clock is moved by people, who wait for what follows."""

_PASSED_ON = ("CITY_OIDC_ISSUER", "CITY_RULEPACK_DIR", "CITY_HOLIDAYS_FILE", "CITY_LOG_LEVEL", "CITY_AUDIT_HASH")
_WHICH_CITY = ("CITY_AMQP_URL", "CITY_RABBITMQ_ADMIN_URL", "CITY_DATABASE_URL")
_OPERATOR = "operator-environment"


@dataclass(frozen=True, slots=True)
class Servers:
    """The broker and the database of the city, with administrators' URLs."""

    amqp_url: str
    management_url: str
    database_url: str


class LocalCity:
    """Starts the city of a run folder and keeps it up. `tell` says a line to a person.

    A broker is given by `CITY_AMQP_URL` and `CITY_RABBITMQ_ADMIN_URL` together, a database by `CITY_DATABASE_URL`;
    what is not given is private to the run folder.
    """

    def __init__(
        self,
        run: RunFolder,
        tell: Callable[[str], None],
        environ: Mapping[str, str] = os.environ,
        project: Path = PROJECT,
    ) -> None:
        self.run = run
        self.environ = environ
        self.project = project
        self.tell = tell
        self.supervisor = Supervisor(tell, self._write_state)
        self.state = State(ports=run.read().ports, since=datetime.now().astimezone().isoformat(timespec="seconds"))
        self.ports = Ports(self.state.ports)

    def start(self) -> None:
        """Bring up everything, in order. Raises LocalError if something does not come up; `stop` is then due."""
        self.state.supervisor = ProcessState(
            "supervisor", os.getpid(), process.started_at(os.getpid()) or 0, str(self.run.logs / "up.log")
        )
        self._write_state()
        servers = self._start_servers()
        surroundings = self._surroundings(servers)
        with self._step("数据库迁移 migrations"):
            self.supervisor.run_all_once(*surroundings.migrations())
            for each in self._databases(servers):
                provision.grant(each)
        if "broker" not in self.state.given:
            with self._step("消息代理 broker", f"{LOOPBACK}:{self.ports.chosen['amqp']}"):
                self.supervisor.wait_ready("broker")
        with self._step("队列与权限 topology"):
            left = self._apply_topology(servers)
        for line in left:
            self.tell(f"           {line}")
        with self._step("各服务进程 processes"):
            programs = [*surroundings.stand_ins(), *surroundings.processes()]
            self.supervisor.start(*programs)
            self.supervisor.wait_ready(*(program.name for program in programs))
        self.run.secrets.put(_OPERATOR, json.dumps(self._operator_environment(servers, surroundings)))
        self.state.phase = "up"
        self._write_state()

    def stop(self) -> None:
        """End everything that was started, in reverse order; a second interrupt ends it by force."""
        self.state.phase = "stopping"
        self._write_state()
        try:
            self.supervisor.stop()
        except KeyboardInterrupt:
            self.supervisor.kill()

    def _start_servers(self) -> Servers:
        amqp_url, management_url = self._given_broker()
        database_url = self.environ.get("CITY_DATABASE_URL")
        if not amqp_url:
            node = self._private_node()
            amqp_url, management_url = node.amqp_url(), node.admin_url
        if database_url:
            self.state.given.append("database")
        else:
            cluster = self._private_cluster()
            database_url = cluster.url()
            with self._step("数据库 database", f"{LOOPBACK}:{cluster.port}"):
                cluster.create()
                self.supervisor.start(cluster.program())
                self.supervisor.wait_ready(cluster.name)
                database.close_to_public(cluster)
        servers = Servers(amqp_url, management_url, database_url)
        with self._step("库与角色 databases and roles"):
            for each in self._databases(servers):
                provision.provision(each)
        return servers

    def _given_broker(self) -> tuple[str, str]:
        amqp_url = self.environ.get("CITY_AMQP_URL", "")
        management_url = self.environ.get("CITY_RABBITMQ_ADMIN_URL", "")
        if bool(amqp_url) != bool(management_url):
            raise LocalError(
                "CITY_AMQP_URL 与 CITY_RABBITMQ_ADMIN_URL 须同时给出"
                " / CITY_AMQP_URL and CITY_RABBITMQ_ADMIN_URL must be given together"
            )
        if amqp_url:
            self.state.given.append("broker")
        return amqp_url, management_url

    def _private_node(self) -> broker.Node:
        with self._step("安装消息代理 installing the broker", quiet_below=0.5):
            broker.ensure_installed(self.project)
        secrets = self.run.secrets
        node = broker.new_node(
            self.run.root / "broker",
            password=secrets.get("broker-administrator"),
            cookie=secrets.get("broker-cookie"),
            choice=self.ports,
            usual=True,
        )
        node.folder.mkdir(mode=0o700, exist_ok=True)
        self.supervisor.start(node.epmd.program())
        self.supervisor.wait_ready("epmd")
        self.supervisor.start(node.program())  # takes seconds; meanwhile the database comes up
        return node

    def _private_cluster(self) -> database.Cluster:
        return database.new_cluster(
            self.run.root,
            port=self.ports.choose("database", 5432),
            password=self.run.secrets.get("database-administrator"),
        )

    def _databases(self, servers: Servers) -> list[ServiceDatabase]:
        return [provision.service_database(servers.database_url, service, self.run.secrets) for service in SERVICES]

    def _apply_topology(self, servers: Servers) -> list[str]:
        """Converge exchanges, queues, bindings and users. Returns a line for each difference that is left to a person."""
        vhost = unquote(urlsplit(servers.amqp_url).path.removeprefix("/")) or "/"
        files = self.project / "deploy" / "rabbitmq"
        outcome = topology.apply(servers.management_url, files, self.run.broker_users.get, vhost=vhost)
        return [str(drift) for drift in outcome.left]

    def _surroundings(self, servers: Servers) -> CitySurroundings:
        secrets = self.run.secrets
        services = []
        for each, service in zip(self._databases(servers), SERVICES, strict=True):
            users = {kind: f"svc-{service}-{kind}" for kind in ON_THE_BUS}
            services.append(
                ServiceSurroundings(
                    service=service,
                    app_url=each.app_url,
                    owner_url=each.owner_url,
                    amqp_urls={
                        kind: as_user(servers.amqp_url, user, self.run.broker_users.get(user))
                        for kind, user in users.items()
                    },
                    audit_key_file=keys.audit_key(secrets, service),
                    field_key_file=keys.field_keys(secrets, service),
                    ports={
                        kind: self.ports.choose(f"{service}-{kind}", USUAL_PORTS[f"{service}-{kind}"]) for kind in KINDS
                    },
                )
            )
        channels, wechat_port = self._channels()
        return CitySurroundings(
            channels=channels,
            wechat_port=wechat_port,
            project=self.project,
            home=self.run.root,
            logs=self.run.logs,
            common=self._common(),
            monitor_url=as_user(servers.management_url, MONITOR, self.run.broker_users.get(MONITOR)),
            services=tuple(services),
        )

    def _channels(self) -> tuple[dict[str, str], int | None]:
        """Return what the sender of bulletins is told, and the stand-in's port: the press collects from a folder."""
        if not (self.project / "services" / SHARING / SHARING / "channels").is_dir():
            return {}, None
        prefix = SHARING.upper()
        press = self.run.root / "press"
        press.mkdir(parents=True, exist_ok=True)
        api = self.ports.choose(f"{SHARING}-api", USUAL_PORTS[f"{SHARING}-api"])
        port = self.ports.choose(WECHAT, USUAL_PORTS[WECHAT])
        return {
            f"{prefix}_PRESS_DIR": str(press),
            f"{prefix}_PUBLIC_URL": f"http://{LOOPBACK}:{api}/public/bulletins",
            f"{prefix}_WECHAT_URL": f"http://{LOOPBACK}:{port}",
            f"{prefix}_WECHAT_APP_ID": wechat.APP_ID,
            f"{prefix}_WECHAT_SECRET": wechat.SECRET,
        }, port

    def _common(self) -> dict[str, str]:
        common = {
            "CITY_ENV": "local",
            "CITY_CODE": self.environ.get("CITY_CODE", "420200"),
            "CITY_CLOCK_FILE": str(self.run.root / "clock"),
            "CITY_JWT_AUDIENCE": self.environ.get("CITY_JWT_AUDIENCE", "dandang"),
            "CITY_JWT_ISSUER": self.environ.get("CITY_JWT_ISSUER", keys.ISSUER),
            "CITY_DEADLINE_SECONDS": self.environ.get("CITY_DEADLINE_SECONDS", DEADLINE_SECONDS),
            **{name: self.environ[name] for name in _PASSED_ON if self.environ.get(name)},
        }
        if "CITY_OIDC_ISSUER" not in common:
            common["CITY_JWKS_FILE"] = str(keys.token_keys(self.run).jwks_file)
        return common

    def _operator_environment(self, servers: Servers, surroundings: CitySurroundings) -> dict[str, str]:
        """Return what a command of the operators needs to find this city: it is kept as a secret."""
        found = {
            **surroundings.common,
            "CITY_AMQP_URL": servers.amqp_url,
            "CITY_RABBITMQ_ADMIN_URL": servers.management_url,
            "CITY_DATABASE_URL": servers.database_url,
        }
        for service in surroundings.services:
            found |= service.variables("migrate") | service.variables("api") | service.variables("job")
        return found

    def _write_state(self) -> None:
        self.state.ports = {**self.state.ports, **self.ports.chosen}
        self.state.processes = [
            ProcessState(
                name=watched.program.name,
                pid=watched.running.pid,
                started=watched.running.started,
                log=str(watched.program.log),
                port=watched.program.port,
                restarts=watched.restarts,
            )
            for watched in self.supervisor.watched
        ]
        self.run.write(self.state)

    @contextmanager
    def _step(self, what: str, where: str = "", quiet_below: float = 0.0) -> Iterator[None]:
        """Say how long a step took."""
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        self.state.took[what.split(" ", 1)[1]] = round(took, 2)
        if took >= quiet_below:
            self.tell(f"  {took:5.1f} s  {what}  {where}".rstrip())


def as_user(url: str, user: str, password: str) -> str:
    """Return a URL with another user's name and password in it."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}").geturl()


def adopt(run: RunFolder, environ: "os._Environ[str]") -> None:
    """Fill the environment with where the city of this run folder is, unless it names another broker or database."""
    file = run.secrets.folder / _OPERATOR
    if not file.exists() or not run.is_held():
        return
    found: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    if any(environ.get(name, found[name]) != found[name] for name in _WHICH_CITY):
        return
    for name, value in found.items():
        environ.setdefault(name, value)


def program_of_this_command(*arguments: str) -> list[str]:
    """Return how to start this command line anew with other arguments."""
    return [sys.executable, "-m", "dandang", *arguments]


def data_folders(run: RunFolder) -> list[Path]:
    """Return the folders that hold all that a city of this run folder keeps."""
    return [run.root, database.home_for(run.root)]
