"""Reconciliation and digests, on databases as services have them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from citybus import tables
from citybus.ids import new_id
from citybus.topology import files
from dandang.digest import Digest
from dandang.local.state import PROJECT
from dandang.reconcile import Pair, reconcile, replay
from tests.support.postgres import Postgres

TOPOLOGY = files.load(PROJECT / "deploy" / "rabbitmq", date(2024, 1, 2))
QUEUE = "supervision.assessment"
TYPE = "assessment.unit.registered.v1"


@pytest.fixture
def engines(postgres: Postgres) -> Iterator[dict[str, Engine]]:
    made = {service: postgres.make_database(service) for service in ("assessment", "supervision")}
    engines = {service: create_engine(database.owner_url) for service, database in made.items()}
    for engine in engines.values():
        tables.metadata.create_all(engine)
    yield engines
    for service, engine in engines.items():
        engine.dispose()
        postgres.drop_database(made[service])


def tell(engine: Engine, subject: str, *, published: bool = True) -> str:
    event = new_id()
    with engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO outbox_messages
                    (id, type, subject, sequence, exchange, routing_key, mandatory, body, correlation_id, published_at)
                VALUES (:id, :type, :subject, 1, 'city.events', :type, true, '', 'c', CASE WHEN :published THEN now() END)
            """),
            {"id": event, "type": TYPE, "subject": subject, "published": published},
        )
    return event


def take(engine: Engine, event: str, subject: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO inbox_messages VALUES (:queue, :event, :type, :subject, 1, 'APPLIED')"),
            {"queue": QUEUE, "event": event, "type": TYPE, "subject": subject},
        )


def compare(engines: dict[str, Engine]) -> Pair:
    found = reconcile(TOPOLOGY, engines, lambda service: engines[service].connect())
    (pair,) = [pair for pair in found if pair.queue == QUEUE]
    return pair


def test_what_was_taken_in_is_no_drift(engines: dict[str, Engine]) -> None:
    for number in range(5):
        take(engines["supervision"], tell(engines["assessment"], f"unit/{number}"), f"unit/{number}")
    pair = compare(engines)
    assert (pair.subjects, pair.told, pair.taken, pair.drift, pair.under_way) == (5, 5, 5, 0, 0)


def test_what_is_lost_under_way_or_never_told_is_named(engines: dict[str, Engine]) -> None:
    take(engines["supervision"], tell(engines["assessment"], "unit/same"), "unit/same")
    lost = tell(engines["assessment"], "unit/lost")
    tell(engines["assessment"], "unit/later", published=False)
    ghost = str(uuid4())
    take(engines["supervision"], ghost, "unit/ghost")
    pair = compare(engines)
    assert (pair.missing, pair.unknown, pair.under_way, pair.drift) == ((lost,), (ghost,), 1, 2)
    assert pair.drifted == ("unit/ghost", "unit/later", "unit/lost")


def test_what_is_replayed_goes_to_the_relay_again(engines: dict[str, Engine]) -> None:
    lost = tell(engines["assessment"], "unit/lost")
    with engines["assessment"].begin() as connection:
        assert replay(connection, compare(engines).missing) == 1
    with engines["assessment"].connect() as connection:
        unpublished = connection.execute(text("SELECT id::text FROM outbox_messages WHERE published_at IS NULL"))
        assert unpublished.scalars().all() == [lost]


def live(connection: Connection, cadres: dict[str, str], findings: list[tuple[str, list[str]]]) -> None:
    """Write a small city: name → unit, and findings with the names of those responsible; all ids are new."""
    connection.execute(
        text("CREATE TABLE cadres (id uuid PRIMARY KEY, name text, unit text, at timestamptz, seal bytea)")
    )
    connection.execute(text("CREATE TABLE findings (id uuid PRIMARY KEY, weight numeric, responsible jsonb, ref text)"))
    ids = {name: str(uuid4()) for name in cadres}
    for name, unit in cadres.items():
        connection.execute(
            text("INSERT INTO cadres VALUES (:id, :name, :unit, clock_timestamp(), CAST(:id AS text)::bytea)"),
            {"id": ids[name], "name": name, "unit": unit},
        )
    for weight, names in findings:
        listed = ", ".join(f'"{each}"' for each in sorted(ids[name] for name in names))
        connection.execute(
            text("INSERT INTO findings VALUES (:id, :weight, CAST(:responsible AS jsonb), :ref)"),
            {"id": str(uuid4()), "weight": weight, "responsible": f"[{listed}]", "ref": f"cadre/{ids[names[0]]}"},
        )


CADRES = {"张三": "U1", "李四": "U2", "王五": "U1"}
FINDINGS = [("2.0", ["张三", "李四"]), ("4.0", ["王五"])]


def digest_of(engine: Engine, cadres: dict[str, str], findings: list[tuple[str, list[str]]]) -> str:
    with engine.connect() as connection:
        live(connection, cadres, findings)
        return Digest().add("assessment", connection)


def test_same_life_under_other_ids_has_the_same_digest(engines: dict[str, Engine]) -> None:
    first = digest_of(engines["assessment"], CADRES, FINDINGS)
    reordered = dict(reversed(CADRES.items()))
    assert digest_of(engines["supervision"], reordered, FINDINGS[::-1]) == first


@pytest.mark.parametrize(
    ("cadres", "findings"),
    [
        ({**CADRES, "李四": "U1"}, FINDINGS),
        (CADRES, [("2.0", ["张三", "王五"]), ("4.0", ["李四"])]),
        (CADRES, [("2.0", ["张三", "李四"]), ("4.5", ["王五"])]),
        (CADRES, FINDINGS[:1]),
    ],
)
def test_another_life_has_another_digest(
    engines: dict[str, Engine], cadres: dict[str, str], findings: list[tuple[str, list[str]]]
) -> None:
    assert digest_of(engines["assessment"], CADRES, FINDINGS) != digest_of(engines["supervision"], cadres, findings)


@pytest.mark.parametrize(("actor", "counts"), [("system:supervision", False), ("org-1", True)])
def test_steps_of_people_count_and_those_that_the_system_took_do_not(
    engines: dict[str, Engine], actor: str, counts: bool
) -> None:
    engine = engines["assessment"]
    steps = tables.metadata.tables["case_steps"]
    with engine.connect() as connection:
        before = Digest().add("assessment", connection)
        values = {"kind": "finding", "case_id": new_id(), "version": 2, "action": "serve", "to_state": "SERVED"}
        connection.execute(
            steps.insert().values(**values, actor=actor, roles=[], at=datetime(2024, 3, 4, tzinfo=UTC), rule_packs=[])
        )
        assert (Digest().add("assessment", connection) != before) is counts


@pytest.mark.parametrize(("last", "same"), [("3", True), ("4", False)])
def test_only_the_last_version_counts_of_what_is_kept_in_versions(
    engines: dict[str, Engine], last: str, same: bool
) -> None:
    """Two changes may come in either order: what held in between depends on it, and what holds in the end does not."""

    def recorded(*points: str) -> str:
        with engines["assessment"].connect() as connection:
            connection.execute(
                text("CREATE TABLE records (cadre text, version int, points text, PRIMARY KEY (cadre, version))")
            )
            connection.execute(
                text("INSERT INTO records VALUES ('c', :version, :points)"),
                [{"version": version, "points": each} for version, each in enumerate(points, 1)],
            )
            return Digest().add("assessment", connection)

    assert (recorded("1", "2", "3") == recorded("2", last)) is same
