"""Settings of supervision beyond those of every service: the keys that seal the identities of informants."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from citybus import settings
from citybus.settings import ApiSettings, FieldKeys, Process, Settings, Variable
from citybus.vault import Vault


@dataclass(frozen=True, kw_only=True)
class SupervisionApiSettings(ApiSettings):
    """Settings of the api process, which alone seals and opens identities."""

    vault: Annotated[Vault, Variable("{SERVICE}_FIELD_KEY", FieldKeys(required=True))] = field(repr=False)


KINDS: Final[Mapping[Process, type[Settings]]] = {**settings.KINDS, Process.API: SupervisionApiSettings}
"""The settings of each kind of process."""
