"""Identifiers: UUIDv7, so that rows written later sort later."""

import uuid_utils


def new_id() -> str:
    """Return a new UUIDv7 in its canonical text form (36 characters)."""
    return str(uuid_utils.uuid7())
