"""The private PostgreSQL, and what each role may do: passwords are checked, databases are apart, audit is append-only."""

import os
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
from psycopg2 import errors
from psycopg2.extensions import connection as connected
from sqlalchemy.engine import make_url

from dandang.local import database as local
from dandang.local import ports, provision
from dandang.local.errors import LocalError
from dandang.local.provision import ServiceDatabase
from tests.support.folders import scratch_folder
from tests.support.postgres import Postgres, private_postgres


def connect(url: str, *, password: str | None = None, database: str | None = None) -> connected:
    """Connect, with another password or to another database than the URL says."""
    other = make_url(url).set(drivername="postgresql", password=password, database=database)
    made = psycopg2.connect(other.render_as_string(hide_password=False))
    made.autocommit = True
    return made


def execute(url: str, *statements: str) -> None:
    connection = connect(url)
    try:
        for statement in statements:
            connection.cursor().execute(statement)
    finally:
        connection.close()


def test_wrong_password_is_refused(database: ServiceDatabase) -> None:
    for url in (database.app_url, database.owner_url, database.admin_url):
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            connect(url, password="wrong")


def test_database_of_another_service_is_refused(postgres: Postgres, database: ServiceDatabase) -> None:
    other = postgres.make_database("other")
    for url in (database.app_url, database.owner_url):
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            connect(url, database=other.name)


def test_servers_own_databases_are_closed(own_postgres: Postgres) -> None:
    made = own_postgres.make_database()
    for name in ("postgres", "template1"):
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            connect(made.app_url, database=name)


def test_application_role_writes_rows_and_changes_no_schema(database: ServiceDatabase) -> None:
    execute(database.owner_url, "CREATE TABLE notes (id bigserial PRIMARY KEY, text text)")
    execute(
        database.app_url,
        "INSERT INTO notes (text) VALUES ('a')",
        "UPDATE notes SET text = 'b'",
        "DELETE FROM notes",
    )
    for statement in (
        "CREATE TABLE more (id int)",
        "ALTER TABLE notes ADD COLUMN x int",
        "DROP TABLE notes",
        "TRUNCATE notes",
        "CREATE SCHEMA other",
        "CREATE TEMPORARY TABLE t (id int)",
    ):
        with pytest.raises((errors.InsufficientPrivilege, errors.lookup("42501"))):
            execute(database.app_url, statement)


def test_audit_entries_can_only_be_added(database: ServiceDatabase) -> None:
    execute(database.owner_url, "CREATE TABLE audit_entries (number bigint)")
    provision.grant(database)
    execute(database.app_url, "INSERT INTO audit_entries VALUES (1)")
    for statement in ("UPDATE audit_entries SET number = 2", "DELETE FROM audit_entries", "TRUNCATE audit_entries"):
        with pytest.raises(errors.InsufficientPrivilege):
            execute(database.app_url, statement)
    provision.provision(database)  # converging again loosens nothing
    with pytest.raises(errors.InsufficientPrivilege):
        execute(database.app_url, "DELETE FROM audit_entries")


def test_provisioning_again_keeps_data_and_takes_new_passwords(postgres: Postgres) -> None:
    made = postgres.make_database()
    execute(made.owner_url, "CREATE TABLE notes (text text)")
    execute(made.app_url, "INSERT INTO notes VALUES ('kept')")
    renewed = ServiceDatabase(made.server, made.name, made.owner, "new owner's", made.app, "new app's")
    provision.provision(renewed)
    connection = connect(renewed.app_url)
    with connection.cursor() as cursor:
        cursor.execute("SELECT text FROM notes")
        assert cursor.fetchall() == [("kept",)]
    connection.close()
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(made.app_url)


def test_administrator_need_not_be_a_superuser(own_postgres: Postgres) -> None:
    execute(
        own_postgres.admin_url,
        "CREATE ROLE city_dba LOGIN CREATEDB CREATEROLE PASSWORD 'dba'",
        "GRANT CONNECT ON DATABASE postgres TO city_dba",
    )
    url = make_url(own_postgres.admin_url).set(username="city_dba", password="dba")
    name = f"city_{uuid4().hex[:8]}"
    made = ServiceDatabase(url, name, f"{name}_owner", "o", f"{name}_app", "a")
    provision.provision(made)
    provision.provision(made)
    execute(made.owner_url, "CREATE TABLE notes (text text)")
    execute(made.app_url, "INSERT INTO notes VALUES ('x')")
    provision.drop(made)


def test_refusal_of_the_server_is_told_without_the_password(own_postgres: Postgres) -> None:
    wrong = make_url(own_postgres.admin_url).set(password="not-the-password")
    made = ServiceDatabase(wrong, "city_x", "city_x_owner", "secret-o", "city_x_app", "secret-a")
    with pytest.raises(LocalError, match="password authentication failed") as told:
        provision.provision(made)
    assert "not-the-password" not in str(told.value)
    assert "secret" not in repr(made)


def test_broken_off_creation_is_begun_anew() -> None:
    with scratch_folder("postgres") as folder:
        cluster = local.new_cluster(folder, port=ports.choose(), password="p")
        local.make_folder(cluster.home, cluster.account)
        (cluster.home / "data.new").mkdir()
        (cluster.home / "data.new" / "half").touch()
        (cluster.home / "password").touch()
        cluster.create()
        assert (cluster.data / "PG_VERSION").exists()
        assert not (cluster.home / "password").exists()
        for path in sorted(cluster.home.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        cluster.home.rmdir()


def test_server_in_a_folder_with_a_long_path_and_a_space() -> None:
    with scratch_folder("postgres") as folder:
        deep = folder / "a folder" / ("x" * 120)
        deep.mkdir(parents=True)
        with private_postgres(deep) as made:
            connect(made.admin_url).close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_root_runs_it_as_a_system_user_in_that_users_folder() -> None:
    before = Path("/root").stat().st_mode
    with scratch_folder("postgres") as folder, private_postgres(folder) as made:
        assert made.running is not None
        assert made.cluster is not None
        assert made.cluster.account is not None
        status = Path(f"/proc/{made.running.pid}/status").read_text()
        assert f"Uid:\t{made.cluster.account.uid}\t" in status
        assert made.cluster.home.stat().st_uid == made.cluster.account.uid
        assert made.cluster.home.stat().st_mode & 0o077 == 0
    assert Path("/root").stat().st_mode == before
