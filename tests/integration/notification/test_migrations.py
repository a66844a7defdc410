"""The migrations lead to the tables in code, and back."""

from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url

from citybus import migrations
from citybus.processes import migrations_of
from dandang.local.provision import ServiceDatabase
from notification.persistence.models import Base


def test_up_down_and_up_again_leave_no_drift(database: ServiceDatabase) -> None:
    url, folder = make_url(database.owner_url), migrations_of("notification")
    migrations.upgrade(url, folder)
    migrations.downgrade(url, folder)
    engine = create_engine(url)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrations.upgrade(url, folder)
    with engine.connect() as connection:
        assert migrations.drift(connection, Base.metadata) == []
        # So that the comparison itself can fail.
        connection.execute(text("ALTER TABLE deliveries DROP COLUMN witness"))
        assert migrations.drift(connection, Base.metadata) != []
    engine.dispose()
