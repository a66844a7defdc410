"""Settings of assessment beyond those of every service: the keys that seal identity numbers and uploads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from marshmallow import ValidationError, fields

from assessment.persistence.vault import KeysInvalid, Vault
from citybus import settings
from citybus.settings import ApiSettings, JobSettings, Process, Settings, Variable


class _Keys(fields.Field[Vault]):
    """The text of a key file."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Vault:
        try:
            return Vault.parse(value)
        except KeysInvalid as error:
            raise ValidationError(str(error)) from None


@dataclass(frozen=True, kw_only=True)
class AssessmentApiSettings(ApiSettings):
    """Settings of the api process."""

    vault: Annotated[Vault, Variable("{SERVICE}_FIELD_KEY", _Keys(required=True))] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class AssessmentJobSettings(JobSettings):
    """Settings of the job process."""

    vault: Annotated[Vault, Variable("{SERVICE}_FIELD_KEY", _Keys(required=True))] = field(repr=False)


KINDS: Final[Mapping[Process, type[Settings]]] = {
    **settings.KINDS,
    Process.API: AssessmentApiSettings,
    Process.JOB: AssessmentJobSettings,
}
"""The settings of each kind of process."""
