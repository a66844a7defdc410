"""One database, one owner and one application role per service, converged to what they should be, as often as wanted."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg2
from psycopg2 import extensions, sql
from sqlalchemy.engine import URL, make_url

from dandang.local.errors import LocalError
from dandang.local.secrets import Secrets

APPEND_ONLY = ("audit_entries", "audit_checkpoints")
"""Tables in which the application role may write new rows, and never change or remove one."""


@dataclass(frozen=True, slots=True)
class ServiceDatabase:
    """One service's database on a server, with its two roles.

    The owner role changes the schema, in migrations; the application role reads and writes rows.
    """

    server: URL
    name: str
    owner: str
    owner_password: str = field(repr=False)
    app: str
    app_password: str = field(repr=False)

    @property
    def owner_url(self) -> str:
        """The URL for migrations."""
        return self._url(self.owner, self.owner_password)

    @property
    def app_url(self) -> str:
        """The URL for processes."""
        return self._url(self.app, self.app_password)

    @property
    def admin_url(self) -> str:
        """The administrator's URL of this database."""
        return self.server.set(database=self.name).render_as_string(hide_password=False)

    def _url(self, role: str, password: str) -> str:
        return self.server.set(username=role, password=password, database=self.name).render_as_string(
            hide_password=False
        )


def service_database(admin_url: str, service: str, secrets: Secrets) -> ServiceDatabase:
    """Name a service's database and roles on the server of `admin_url`; their passwords are kept in `secrets`."""
    server = make_url(admin_url).set(drivername="postgresql+psycopg2")
    name = f"city_{service}"
    return ServiceDatabase(
        server=server,
        name=name,
        owner=f"{name}_owner",
        owner_password=secrets.get(f"database-{service}-owner"),
        app=f"{name}_app",
        app_password=secrets.get(f"database-{service}-app"),
    )


def provision(database: ServiceDatabase) -> None:
    """Converge a service's roles, database and rights. What is already right stays as it is.

    The administrator needs to be able to make roles and databases; a superuser is not needed.
    Raises LocalError where the server refuses.
    """
    with _connect(database.server) as connection:
        for role, password in ((database.owner, database.owner_password), (database.app, database.app_password)):
            _converge_role(connection, role, password)
        _own_database(connection, database)
    with _connect(database.server.set(database=database.name)) as connection:
        _execute(connection, _RIGHTS, database)
    grant(database)


def grant(database: ServiceDatabase) -> None:
    """Give the application role its rights on the tables that are there now, and no more. To be called after migrations."""
    with _connect(make_url(database.owner_url)) as connection:
        _execute(connection, _TABLE_RIGHTS, database)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename = ANY(%s)",
                (list(APPEND_ONLY),),
            )
            for (table,) in cursor.fetchall():
                cursor.execute(
                    sql.SQL("REVOKE UPDATE, DELETE, TRUNCATE ON TABLE {table} FROM {app}").format(
                        table=sql.Identifier("public", table), app=sql.Identifier(database.app)
                    )
                )


def drop(database: ServiceDatabase) -> None:
    """Remove a service's database and its roles, with all that is in it."""
    with _connect(database.server) as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database.name)))
        for role in (database.app, database.owner):
            cursor.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


_RIGHTS = (
    "REVOKE ALL ON DATABASE {name} FROM PUBLIC",
    "GRANT CONNECT ON DATABASE {name} TO {app}",
    "ALTER SCHEMA public OWNER TO {owner}",
    "REVOKE ALL ON SCHEMA public FROM PUBLIC",
    "GRANT USAGE ON SCHEMA public TO {app}",
)

_TABLE_RIGHTS = (
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {app}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {app}",
    "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {app}",
)


def _converge_role(connection: extensions.connection, role: str, password: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
        verb = "ALTER" if cursor.fetchone() else "CREATE"
        # hashed here, so that no log of the server can hold the password
        hashed = extensions.encrypt_password(password, role, scope=connection, algorithm="scram-sha-256")
        cursor.execute(
            sql.SQL("{} ROLE {} LOGIN NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD {}").format(
                sql.SQL(verb), sql.Identifier(role), sql.Literal(hashed)
            )
        )


def _own_database(connection: extensions.connection, database: ServiceDatabase) -> None:
    with connection.cursor() as cursor:
        # who gives a database to a role must be a member of it, unless superuser
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        (superuser,) = _row(cursor.fetchone())
        if not superuser:
            cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(database.owner)))
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database.name,))
        if cursor.fetchone():
            statement = "ALTER DATABASE {name} OWNER TO {owner}"
        else:
            statement = "CREATE DATABASE {name} OWNER {owner} TEMPLATE template0 ENCODING 'UTF8'"
        cursor.execute(
            sql.SQL(statement).format(name=sql.Identifier(database.name), owner=sql.Identifier(database.owner))
        )


def _execute(connection: extensions.connection, statements: Iterable[str], database: ServiceDatabase) -> None:
    names = {part: sql.Identifier(getattr(database, part)) for part in ("name", "owner", "app")}
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(sql.SQL(statement).format(**names))


def _row(row: tuple[object, ...] | None) -> tuple[object, ...]:
    if row is None:
        raise LocalError("the database does not know who we are")
    return row


@contextmanager
def _connect(server: URL) -> Iterator[extensions.connection]:
    """Connect with every statement its own transaction. Raises LocalError where the server refuses."""
    try:
        connection = psycopg2.connect(
            server.set(drivername="postgresql").render_as_string(hide_password=False), connect_timeout=10
        )
        connection.autocommit = True
        try:
            yield connection
        finally:
            connection.close()
    except psycopg2.Error as error:
        raise LocalError(f"the database at {server.host}:{server.port} says: {str(error).strip()}") from error
