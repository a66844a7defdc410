"""The processes of the city as data: which there are, what each is told, and how each says that it is ready."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from dandang.local import process
from dandang.local.ports import LOOPBACK
from dandang.local.process import Program

SERVICES = ("assessment", "supervision", "incentive", "notification")
KINDS = ("api", "worker", "relay", "job")
ON_THE_BUS = ("worker", "relay")
"""The kinds that have a broker user of their own, `svc-<service>-<kind>`."""

SEALING = {"assessment": ("api", "job"), "supervision": ("api",)}
"""The services that keep fields sealed in their database, with keys of their own, and the processes that get them."""

SHARING = "notification"
"""The service that shares events with departments: it knows the contracts, and which departments have a queue."""

WECHAT = "wechat"
"""The process that stands in for WeChat's platform."""

USUAL_PORTS: Mapping[str, int] = {
    f"{service}-{kind}": 8101 + 10 * row + column
    for row, service in enumerate(SERVICES)
    for column, kind in enumerate(KINDS)
} | {WECHAT: 8190}
"""Where each process listens if it can: the api to the world, the others for health and metrics; the stand-in to us."""


@dataclass(frozen=True, slots=True)
class ServiceSurroundings:
    """What the processes of one service are told. Addresses carry secrets; no process gets those of another service."""

    service: str
    app_url: str = field(repr=False)
    owner_url: str = field(repr=False)
    amqp_urls: Mapping[str, str] = field(repr=False)
    audit_key_file: Path
    field_key_file: Path
    ports: Mapping[str, int]

    @property
    def prefix(self) -> str:
        """What the names of the service's variables begin with."""
        return self.service.upper()

    def variables(self, kind: str) -> dict[str, str]:
        """Return the variables of one kind of process beyond those of the whole city."""
        prefix = self.prefix
        if kind == "migrate":
            return {f"{prefix}_MIGRATION_DATABASE_URL": self.owner_url}
        own = {f"{prefix}_DATABASE_URL": self.app_url}
        if kind == "api":
            own |= {f"{prefix}_HTTP_HOST": LOOPBACK, f"{prefix}_HTTP_PORT": str(self.ports[kind])}
        else:
            own[f"{prefix}_HEALTH_PORT"] = str(self.ports[kind])
        if kind in ON_THE_BUS:
            own[f"{prefix}_AMQP_URL"] = self.amqp_urls[kind]
        if kind == "job":
            own[f"{prefix}_AUDIT_KEY_FILE"] = str(self.audit_key_file)
        if kind in SEALING.get(self.service, ()):
            own[f"{prefix}_FIELD_KEY_FILE"] = str(self.field_key_file)
        return own


@dataclass(frozen=True, slots=True)
class CitySurroundings:
    """What all processes of the city are told: `common` variables, and `monitor_url` for the relays alone."""

    project: Path
    home: Path
    logs: Path
    common: Mapping[str, str]
    monitor_url: str = field(repr=False)
    services: tuple[ServiceSurroundings, ...]
    channels: Mapping[str, str] = field(default_factory=dict)
    """What the process that sends to channels is told: where they are."""
    wechat_port: int | None = None
    """Where the stand-in for WeChat listens, None where there is none."""

    def migrations(self) -> Iterator[Program]:
        """Yield the migration step of each service that is there."""
        for service in self._present():
            yield self._program(service, "migrate", {}, ready_within=120)

    def processes(self) -> Iterator[Program]:
        """Yield every long-running process of each service that is there."""
        for service in self._present():
            for kind in KINDS:
                yield self._program(service, kind, self._files(service, kind), ready_within=120)

    def stand_ins(self) -> Iterator[Program]:
        """Yield what stands in for others' systems on this machine: WeChat's platform."""
        port = self.wechat_port
        if port is not None:
            yield Program(
                name=WECHAT,
                argv=(sys.executable, "-m", "dandang.wechat", str(port)),
                env=process.environment(self.home),
                cwd=self.project,
                log=self.logs / f"{WECHAT}.log",
                ready=lambda: answers_ready(port),
                ready_within=60,
                port=port,
            )

    def _files(self, service: ServiceSurroundings, kind: str) -> dict[str, str]:
        """Return where a process finds what lies in the project, and for the relays how to look at bindings."""
        more = {}
        if kind == "relay":
            more["CITY_RABBITMQ_MONITOR_URL"] = self.monitor_url
        if kind == "relay" or (service.service == SHARING and kind == "api"):
            more["CITY_TOPOLOGY_DIR"] = str(self.project / "deploy" / "rabbitmq")
        if service.service == SHARING and kind in ("api", "worker"):
            more[f"{service.prefix}_CONTRACTS_DIR"] = str(self.project / "contracts")
        if service.service == SHARING and kind == "job":
            more |= self.channels
        return more

    def _present(self) -> Iterator[ServiceSurroundings]:
        for service in self.services:
            if (self._folder(service) / service.service / "__main__.py").exists():
                yield service

    def _folder(self, service: ServiceSurroundings) -> Path:
        return self.project / "services" / service.service

    def _program(
        self, service: ServiceSurroundings, kind: str, more: Mapping[str, str], ready_within: float
    ) -> Program:
        name = f"{service.service}-{kind}"
        port = service.ports.get(kind)
        return Program(
            name=name,
            argv=(sys.executable, "-m", service.service, kind),
            env=process.environment(self.home, **self.common, **service.variables(kind), **more),
            cwd=self._folder(service),
            log=self.logs / f"{name}.log",
            ready=(lambda: answers_ready(port)) if port else None,
            ready_within=ready_within,
            stop_within=30,
            port=port,
        )


def answers_ready(port: int) -> bool:
    """True if the process that listens on this port says that it is ready."""
    connection = HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
