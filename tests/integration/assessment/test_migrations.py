"""The migrations lead to the tables in code, and back."""

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from assessment.persistence.models import Base
from citybus import migrations
from citybus.processes import migrations_of
from citybus.testing.migrations import check
from tests.support.postgres import ServiceDatabase


def test_up_down_and_up_again_leave_no_drift(database: ServiceDatabase) -> None:
    url = make_url(database.owner_url)
    check(url, migrations_of("assessment"), Base.metadata)
    engine = create_engine(url)
    with engine.connect() as connection:
        # So that the comparison itself can fail.
        connection.execute(text("ALTER TABLE cadres DROP COLUMN birth"))
        assert migrations.drift(connection, Base.metadata) != []
    engine.dispose()
