"""Settings of assessment beyond those of every service: the keys that seal identity numbers and uploads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from citybus import settings
from citybus.settings import ApiSettings, FieldKeys, JobSettings, Process, Settings, Variable
from citybus.vault import Vault


@dataclass(frozen=True, kw_only=True)
class AssessmentApiSettings(ApiSettings):
    """Settings of the api process."""

    vault: Annotated[Vault, Variable("{SERVICE}_FIELD_KEY", FieldKeys(required=True))] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class AssessmentJobSettings(JobSettings):
    """Settings of the job process."""

    vault: Annotated[Vault, Variable("{SERVICE}_FIELD_KEY", FieldKeys(required=True))] = field(repr=False)


KINDS: Final[Mapping[Process, type[Settings]]] = {
    **settings.KINDS,
    Process.API: AssessmentApiSettings,
    Process.JOB: AssessmentJobSettings,
}
"""The settings of each kind of process."""
