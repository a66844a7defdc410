"""Alembic's environment of this service."""

from citybus.migrations import run_environment
from notification.persistence.models import Base

run_environment(Base.metadata)
