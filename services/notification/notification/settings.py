"""Settings of notification beyond those of every service: contracts, departments' queues, and the channels of bulletins."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from marshmallow import ValidationError, fields, validate

from citybus import settings
from citybus.settings import ApiSettings, JobSettings, Process, Settings, Variable, WorkerSettings


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


def _address() -> fields.Field[Any]:
    return fields.Email(load_default=None, error_messages={"invalid": "应为电子邮件地址 / wants an address of mail"})


def _url(*schemes: str) -> validate.URL:
    return validate.URL(
        schemes=set(schemes),
        require_tld=False,
        error=f"应为 {'/'.join(schemes)} 地址 / wants a URL of {'/'.join(schemes)}",
    )


@dataclass(frozen=True, kw_only=True)
class NotificationJobSettings(JobSettings):
    """Settings of the job process, which alone sends to channels.

    WeChat takes `wechat_url`, `wechat_app_id` and `wechat_secret` together. Newspaper and television get documents in
    `press_dir`, and by mail where `smtp_url`, `mail_sender` and their address are given. `public_url` is where the public
    page of bulletins stands.
    """

    wechat_url: Annotated[
        str | None,
        Variable("{SERVICE}_WECHAT_URL", fields.String(load_default=None, validate=_url("https", "http"))),
    ]
    wechat_app_id: Annotated[str | None, Variable("{SERVICE}_WECHAT_APP_ID", fields.String(load_default=None))]
    wechat_secret: Annotated[str | None, Variable("{SERVICE}_WECHAT_SECRET", fields.String(load_default=None))] = field(
        repr=False
    )
    press_dir: Annotated[Path | None, Variable("{SERVICE}_PRESS_DIR", _Folder(load_default=None))]
    smtp_url: Annotated[
        str | None,
        Variable("{SERVICE}_SMTP_URL", fields.String(load_default=None, validate=_url("smtp", "smtps"))),
    ] = field(repr=False)
    mail_sender: Annotated[str | None, Variable("{SERVICE}_MAIL_SENDER", _address())]
    newspaper_mail: Annotated[str | None, Variable("{SERVICE}_NEWSPAPER_MAIL", _address())]
    tv_mail: Annotated[str | None, Variable("{SERVICE}_TV_MAIL", _address())]
    public_url: Annotated[
        str,
        Variable(
            "{SERVICE}_PUBLIC_URL",
            fields.String(load_default="http://127.0.0.1/public/bulletins", validate=_url("https", "http")),
        ),
    ]


KINDS: Final[Mapping[Process, type[Settings]]] = {
    **settings.KINDS,
    Process.API: NotificationApiSettings,
    Process.WORKER: NotificationWorkerSettings,
    Process.JOB: NotificationJobSettings,
}
"""The settings of each kind of process."""
