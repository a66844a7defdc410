"""Typed, frozen settings of every kind of process, read from the environment; all errors are reported at once."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, get_type_hints

import marshmallow
from marshmallow import ValidationError, validate
from marshmallow import fields as forms
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from citybus.clock import Clock, FileClock, SystemClock
from citybus.errors import CityError
from citybus.vault import KeysInvalid, Vault

DRIVER = "postgresql+psycopg2"
EXIT_CODE = 78  # EX_CONFIG of sysexits.h: no restart mends it


class Process(StrEnum):
    """The kinds of process that a service consists of."""

    API = "api"
    WORKER = "worker"
    RELAY = "relay"
    JOB = "job"
    MIGRATE = "migrate"


class Environment(StrEnum):
    """Where a process runs. Only `local` may move domain time and issue its own tokens."""

    LOCAL = "local"
    PRODUCTION = "production"


class SettingsError(CityError):
    """The environment does not make valid settings. `problems` holds one bilingual line per variable."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(sorted(problems.items()))
        lines = "".join(f"\n  {name}: {problem}" for name, problem in self.problems.items())
        super().__init__(f"配置有误，进程没有启动 / the settings are wrong, the process has not started:{lines}")


class _DatabaseUrl(forms.Field[URL]):
    """A PostgreSQL address, pinned to psycopg2: psycopg 3 would block a worker's event loop."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> URL:
        try:
            url = make_url(value)
        except (ArgumentError, ValueError):
            # The text itself may hold a password and is not repeated.
            raise ValidationError("不是数据库地址 / is not a database URL") from None
        if url.drivername not in ("postgresql", "postgres", DRIVER):
            raise ValidationError(f"只支持 {DRIVER} / only {DRIVER} is supported")
        return url.set(drivername=DRIVER)


class FieldKeys(forms.Field[Vault]):
    """The text of a key file, for the services that seal fields of theirs."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Vault:
        try:
            return Vault.parse(value)
        except KeysInvalid as error:
            raise ValidationError(str(error)) from None


class _ExistingPath(forms.Field[Path]):
    """A file or folder that is there."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Path:
        path = Path(value)
        if not path.exists():
            raise ValidationError(f"{path} 不存在 / does not exist")
        return path


class _AnyPath(forms.Field[Path]):
    """A path that may come to be later."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Path:
        return Path(value)


@dataclass(frozen=True, slots=True)
class Variable:
    """Where a setting is read: `name`, in which `{SERVICE}` stands for the service's name in capitals, and its form."""

    name: str
    form: forms.Field[Any]


def _url(*schemes: str) -> validate.URL:
    return validate.URL(
        schemes=set(schemes),
        require_tld=False,
        error=f"应为 {'/'.join(schemes)} 地址 / wants a URL of {'/'.join(schemes)}",
    )


def _port() -> forms.Integer:
    return forms.Integer(required=True, validate=validate.Range(0, 65535, error="应为端口号 / wants a port number"))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What every process knows. `unknown` names variables of this service that nothing reads: likely misspelt."""

    service: str
    process: Process
    unknown: tuple[str, ...] = ()
    environment: Annotated[
        Environment, Variable("CITY_ENV", forms.Enum(Environment, by_value=True, load_default=Environment.PRODUCTION))
    ]
    city: Annotated[
        str,
        Variable(
            "CITY_CODE",
            forms.String(
                required=True, validate=validate.Regexp(r"\d{6}\Z", error="应为六位行政区划代码 / wants six digits")
            ),
        ),
    ]
    log_level: Annotated[
        str,
        Variable(
            "CITY_LOG_LEVEL",
            forms.String(load_default="INFO", validate=validate.OneOf(("DEBUG", "INFO", "WARNING", "ERROR"))),
        ),
    ]

    @property
    def source(self) -> str:
        """The `source` attribute of this service's events."""
        return f"/city/{self.city}/{self.service}"


@dataclass(frozen=True, kw_only=True)
class ServingSettings(Settings):
    """What a process knows that works on its service's database under its rules. `database_url` hides its password."""

    database_url: Annotated[URL, Variable("{SERVICE}_DATABASE_URL", _DatabaseUrl(required=True))]
    clock_file: Annotated[Path | None, Variable("CITY_CLOCK_FILE", _AnyPath(load_default=None))]
    rulepack_dir: Annotated[Path | None, Variable("CITY_RULEPACK_DIR", _ExistingPath(load_default=None))]
    holidays_file: Annotated[Path | None, Variable("CITY_HOLIDAYS_FILE", _ExistingPath(load_default=None))]
    audit_hash: Annotated[
        str,
        Variable("CITY_AUDIT_HASH", forms.String(load_default="sha256", validate=validate.OneOf(("sha256", "sm3")))),
    ]

    def clock(self) -> Clock:
        """Return the source of domain time: the shared file's where one is named, else the machine's."""
        return SystemClock() if self.clock_file is None else FileClock(self.clock_file)


@dataclass(frozen=True, kw_only=True)
class ApiSettings(ServingSettings):
    """Settings of an api process. Keys come from `jwks_file` or from `oidc_issuer`, exactly one of them."""

    http_host: Annotated[str, Variable("{SERVICE}_HTTP_HOST", forms.String(load_default="127.0.0.1"))]
    http_port: Annotated[int, Variable("{SERVICE}_HTTP_PORT", _port())]
    jwks_file: Annotated[Path | None, Variable("CITY_JWKS_FILE", _ExistingPath(load_default=None))]
    oidc_issuer: Annotated[
        str | None,
        Variable("CITY_OIDC_ISSUER", forms.String(load_default=None, validate=_url("https", "http"))),
    ]
    jwt_issuer: Annotated[str, Variable("CITY_JWT_ISSUER", forms.String(required=True))]
    jwt_audience: Annotated[str, Variable("CITY_JWT_AUDIENCE", forms.String(load_default="dandang"))]


@dataclass(frozen=True, kw_only=True)
class BackgroundSettings(ServingSettings):
    """Settings of a process that serves no requests: its health is told on a port of its own."""

    health_host: Annotated[str, Variable("{SERVICE}_HEALTH_HOST", forms.String(load_default="127.0.0.1"))]
    health_port: Annotated[int, Variable("{SERVICE}_HEALTH_PORT", _port())]


@dataclass(frozen=True, kw_only=True)
class BrokerSettings(BackgroundSettings):
    """Settings of a process that talks to the broker, under a broker user of its own."""

    amqp_url: Annotated[
        str, Variable("{SERVICE}_AMQP_URL", forms.String(required=True, validate=_url("amqp", "amqps")))
    ] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class WorkerSettings(BrokerSettings):
    """Settings of a worker process. `deadline_seconds`: how often, in real time, it looks for deadlines that are due."""

    deadline_seconds: Annotated[
        float,
        Variable(
            "CITY_DEADLINE_SECONDS",
            forms.Float(
                load_default=2.0,
                validate=validate.Range(0.05, 60, error="应为 0.05 至 60 秒 / wants 0.05 to 60 seconds"),
            ),
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class RelaySettings(BrokerSettings):
    """Settings of a relay process.

    `monitor_url` is the management API under a user that may only look, `topology_dir` the folder that says which
    bindings there should be.
    """

    topology_dir: Annotated[Path, Variable("CITY_TOPOLOGY_DIR", _ExistingPath(required=True))]

    monitor_url: Annotated[
        str,
        Variable("CITY_RABBITMQ_MONITOR_URL", forms.String(required=True, validate=_url("https", "http"))),
    ] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class JobSettings(BackgroundSettings):
    """Settings of a job process. `audit_key` is the PEM of the Ed25519 key that signs audit checkpoints."""

    audit_key: Annotated[str | None, Variable("{SERVICE}_AUDIT_KEY", forms.String(load_default=None))] = field(
        repr=False
    )


@dataclass(frozen=True, kw_only=True)
class MigrateSettings(Settings):
    """Settings of the migration step, which alone knows the owner role."""

    migration_database_url: Annotated[URL, Variable("{SERVICE}_MIGRATION_DATABASE_URL", _DatabaseUrl(required=True))]


KINDS: Mapping[Process, type[Settings]] = {
    Process.API: ApiSettings,
    Process.WORKER: WorkerSettings,
    Process.RELAY: RelaySettings,
    Process.JOB: JobSettings,
    Process.MIGRATE: MigrateSettings,
}

S = TypeVar("S", bound=Settings)


def load(
    service: str, process: Process, environ: Mapping[str, str], kinds: Mapping[Process, type[Settings]] = KINDS
) -> Settings:
    """Return the settings of one process of `service` from `environ`: of the class that `kinds` gives.

    A variable `NAME` may be given as `NAME_FILE`, the path of a file that holds the value (a line end at its end is
    not part of it). An empty variable counts as absent. Raises SettingsError naming every wrong variable.
    """
    return read(kinds[process], service, process, environ, kinds)


def read(
    kind: type[S],
    service: str,
    process: Process,
    environ: Mapping[str, str],
    kinds: Mapping[Process, type[Settings]] = KINDS,
) -> S:
    """Return settings of class `kind`; `kinds` are those of the service's processes, whose variables are known too."""
    prefix = service.upper().replace("-", "_")
    variables = _variables(kind, prefix)
    problems: dict[str, str] = {}
    given: dict[str, str] = {}
    for variable in variables.values():
        try:
            value = _value(variable.name, environ)
        except ValidationError as error:
            problems[variable.name] = str(error.messages[0])
        else:
            if value:
                given[variable.name] = value
    schema = marshmallow.Schema.from_dict({variable.name: variable.form for variable in variables.values()})()
    try:
        values = schema.load(given)
    except ValidationError as error:
        problems = {name: _words(messages) for name, messages in error.messages_dict.items()} | problems
        values = cast(dict[str, Any], error.valid_data)
    problems = _contradictions(kind, values) | problems
    if problems:
        raise SettingsError(problems)
    return kind(
        service=service,
        process=process,
        unknown=_unknown(prefix, environ, variables.values(), kinds),
        **{name: values[variable.name] for name, variable in variables.items()},
    )


def _variables(kind: type[Settings], prefix: str) -> dict[str, Variable]:
    """Return the variable of each setting of `kind`, under its full name."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        name: replace(declared, name=declared.name.format(SERVICE=prefix))
        for name, hint in hints.items()
        for declared in getattr(hint, "__metadata__", ())
    }


def _value(variable: str, environ: Mapping[str, str]) -> str | None:
    value, path = environ.get(variable), environ.get(f"{variable}_FILE")
    # A variable whose own name ends in _FILE has no file variant: its value is the path already.
    if not path or variable.endswith("_FILE"):
        return value
    if value:
        raise ValidationError(f"与 {variable}_FILE 不可同时给出 / and {variable}_FILE exclude each other")
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValidationError(f"无法读取 {path} / cannot read {path} ({type(error).__name__})") from None


def _words(messages: Any) -> str:
    text = "; ".join(str(message) for message in messages)
    return "必须提供 / is required" if text == "Missing data for required field." else text


def _contradictions(kind: type[Settings], values: Mapping[str, Any]) -> dict[str, str]:
    """Return the problems of variables that are right each by itself but not together."""
    problems = {}
    if values.get("CITY_CLOCK_FILE") and values.get("CITY_ENV") is Environment.PRODUCTION:
        problems["CITY_CLOCK_FILE"] = "仅限 CITY_ENV=local / is for CITY_ENV=local only"
    if issubclass(kind, ApiSettings) and bool(values.get("CITY_JWKS_FILE")) == bool(values.get("CITY_OIDC_ISSUER")):
        problems["CITY_JWKS_FILE"] = (
            "与 CITY_OIDC_ISSUER 须且只须给出一个 / give exactly one of it and CITY_OIDC_ISSUER"
        )
    return problems


def _unknown(
    prefix: str, environ: Mapping[str, str], own: Iterable[Variable], kinds: Mapping[Process, type[Settings]]
) -> tuple[str, ...]:
    """Return the variables of this service that no kind of process reads, with the name that was perhaps meant."""
    known = {variable.name for kind in kinds.values() for variable in _variables(kind, prefix).values()}
    known.update(variable.name for variable in own)
    unknown = []
    for name in sorted(environ):
        if name.startswith(f"{prefix}_") and name not in known and name.removesuffix("_FILE") not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            unknown.append(f"{name} ({near[0]}?)" if near else name)
    return tuple(unknown)
