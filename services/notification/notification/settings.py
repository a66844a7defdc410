"""Settings of notification beyond those of every service: where the contracts are, and the departments' queues."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from marshmallow import ValidationError, fields

from citybus import settings
from citybus.settings import ApiSettings, Process, Settings, Variable, WorkerSettings


class _Folder(fields.Field[Path]):
    """A folder that is there."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Path:
        path = Path(value)
        if not path.is_dir():
            raise ValidationError(f"{path} 不是目录 / is no folder")
        return path


@dataclass(frozen=True, kw_only=True)
class NotificationApiSettings(ApiSettings):
    """Settings of the api process: it holds what departments ask for to the contracts and to the topology's files."""

    contracts_dir: Annotated[Path, Variable("{SERVICE}_CONTRACTS_DIR", _Folder(required=True))]
    topology_dir: Annotated[Path, Variable("CITY_TOPOLOGY_DIR", _Folder(required=True))]


@dataclass(frozen=True, kw_only=True)
class NotificationWorkerSettings(WorkerSettings):
    """Settings of the worker process: it cuts events by their contracts."""

    contracts_dir: Annotated[Path, Variable("{SERVICE}_CONTRACTS_DIR", _Folder(required=True))]


KINDS: Final[Mapping[Process, type[Settings]]] = {
    **settings.KINDS,
    Process.API: NotificationApiSettings,
    Process.WORKER: NotificationWorkerSettings,
}
"""The settings of each kind of process."""
