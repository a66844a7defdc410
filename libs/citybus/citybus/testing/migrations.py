"""What every service's migrations are held to: up, down and up again, and no difference from the tables in code."""

from pathlib import Path

from sqlalchemy import URL, MetaData, NullPool, create_engine, inspect

from citybus import migrations


def check(url: URL, folder: Path, metadata: MetaData) -> None:
    """Migrate the empty database at `url` (its owner's) up, down and up again. Raises AssertionError where that fails.

    After each way up the database has every table of `metadata` and of the mechanism, alike in each column and index;
    after the way down only alembic's own table is left.
    """
    engine = create_engine(url, poolclass=NullPool)
    for way in ("up", "down", "up"):
        if way == "up":
            migrations.upgrade(url, folder)
            with engine.connect() as connection:
                differences = migrations.drift(connection, metadata)
            if differences:
                raise AssertionError(f"the migrations and the tables in code differ: {differences}")
        else:
            migrations.downgrade(url, folder)
            left = set(inspect(engine).get_table_names()) - {"alembic_version"}
            if left:
                raise AssertionError(f"the way down leaves {sorted(left)}")
