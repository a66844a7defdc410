"""The migrations lead to the tables in code, and back."""

from datetime import date

from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url

from citybus import migrations
from citybus.processes import migrations_of
from supervision.persistence.models import Base
from tests.support.postgres import ServiceDatabase


def test_up_down_and_up_again_leave_no_drift(database: ServiceDatabase) -> None:
    url, folder = make_url(database.owner_url), migrations_of("supervision")
    migrations.upgrade(url, folder)
    migrations.downgrade(url, folder)
    engine = create_engine(url)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrations.upgrade(url, folder)
    with engine.connect() as connection:
        assert migrations.drift(connection, Base.metadata) == []
        # So that the comparison itself can fail.
        connection.execute(text("ALTER TABLE findings DROP COLUMN plea_until"))
        assert migrations.drift(connection, Base.metadata) != []
    engine.dispose()


def test_signals_that_were_sent_before_they_were_cases_are_cases_that_were_handed_over(
    database: ServiceDatabase,
) -> None:
    url, folder = make_url(database.owner_url), migrations_of("supervision")
    migrations.upgrade(url, folder, "0012")
    engine = create_engine(url)
    with engine.begin() as connection:
        # What the row is of does not matter here.
        connection.execute(text("ALTER TABLE signals DROP CONSTRAINT fk_signals_finding_id"))
        connection.execute(
            text("""
                INSERT INTO signals (id, finding_id, unit, source, type, reason_codes, severity, state, transferred_to,
                                     transferred_at)
                VALUES (gen_random_uuid(), gen_random_uuid(), '420204', 'AUDIT', 'DUTY_CRIME', '{}', 4, 'TRANSFERRED',
                        'DISC', '2024-03-04 23:30+08')
            """)
        )
    migrations.upgrade(url, folder)
    with engine.connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM signals")).all()
        assert (row.state, row.version, row.merged, row.has_informant) == ("TRANSFERRED", 1, 0, False)
        assert (row.created_at, row.received_on, row.settled_on) == (
            row.transferred_at,
            date(2024, 3, 4),
            date(2024, 3, 4),
        )
        assert (row.text, row.cadre, row.posted_by) == (None, None, None)
    with engine.begin() as connection:
        connection.execute(
            text(
                "ALTER TABLE signals ADD CONSTRAINT fk_signals_finding_id FOREIGN KEY (finding_id) REFERENCES findings NOT VALID"
            )
        )
    migrations.downgrade(url, folder, "0012")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM signals")).scalar_one() == 1
    engine.dispose()
