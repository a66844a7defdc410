"""A folder of migrations as a service has one, for the tests."""

from pathlib import Path

ENVIRONMENT = """
from sqlalchemy import Column, MetaData, Table, Text
from citybus.migrations import run_environment

metadata = MetaData()
Table("things", metadata, Column("id", Text, primary_key=True), Column("name", Text))
run_environment(metadata)
"""

FIRST = '''
"""Create the mechanism's tables."""
from alembic import op
from citybus.migrations import bus_tables_to_2, create_bus_tables, drop_bus_tables

revision = "0001"
down_revision = None


def upgrade():
    create_bus_tables(op)
    bus_tables_to_2(op)


def downgrade():
    drop_bus_tables(op)
'''

LATER = '''
"""Create things."""
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.create_table("things", sa.Column("id", sa.Text(), primary_key=True), sa.Column("name", sa.Text()))


def downgrade():
    op.drop_table("things")
'''


def write_folder(folder: Path, *revisions: str) -> Path:
    """Make a folder of migrations with these revisions and return it."""
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(ENVIRONMENT, encoding="utf-8")
    (folder / "script.py.mako").write_text("", encoding="utf-8")
    for number, revision in enumerate(revisions):
        (folder / "versions" / f"r{number}.py").write_text(revision, encoding="utf-8")
    return folder
