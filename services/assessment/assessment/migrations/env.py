"""Alembic's environment of this service."""

from assessment.persistence.models import Base
from citybus.migrations import run_environment

run_environment(Base.metadata)
