"""Alembic's environment of the warehouse."""

from sqlalchemy import Column, Integer, MetaData, Table, Text

from citybus.migrations import run_environment

metadata = MetaData()
Table("counters", metadata, Column("name", Text, primary_key=True), Column("value", Integer, nullable=False))
run_environment(metadata)
