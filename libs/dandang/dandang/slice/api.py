"""Speaks HTTP with the services of the local city, as one of the people of the slice."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import requests

from citybus.ids import new_id
from dandang.commands.token import issue
from dandang.local.errors import LocalError
from dandang.local.processes import SERVICES
from dandang.local.state import RunFolder
from dandang.slice.cast import Person

TIMEOUT: Final = (5.0, 60.0)
PATIENCE: Final = 90.0
"""Seconds for which a step waits for what others must do first: events under way, a projection that is warming up."""

LOOK_EVERY: Final = 0.2
_PASSING: Final = frozenset({"DEPENDENCY_STALE", "IN_FLIGHT", "UNAVAILABLE", "STALE_VERSION"})
_NOT_THERE_YET: Final = frozenset({"UNKNOWN_UNIT", "UNKNOWN_CADRE", "STAGE_TOO_EARLY"})
"""Refusals that go away by themselves, or by reading again: roster and findings reach other services by events."""


class SliceFailed(LocalError):
    """A step of the slice was refused, or nothing came of it in time."""


class Refused(SliceFailed):
    """A service refused a request. `code` is that of the problem."""

    def __init__(self, who: Person, request: str, status: int, problem: Mapping[str, Any]) -> None:
        self.code = str(problem.get("code", ""))
        messages = problem.get("messages", {})
        told = f"{messages.get('zh', '')} / {messages.get('en', '')}".strip(" /")
        more = {name: problem[name] for name in ("figures", "errors") if problem.get(name)}
        super().__init__(
            f"{who.zh} {who.subject}: {request} → {status} {self.code}\n  {told or problem}"
            + (f"\n  {more}" if more else "")
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered: its content, and the version (ETag) where there is one."""

    content: Any
    version: str | None


class Api:
    """The APIs of the city's services. Tokens are issued as they are needed."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._http = requests.Session()
        self._http.trust_env = False  # a proxy of the environment has no business here
        self._tokens: dict[Person, str] = {}
        self.bases = {service: base_url(service) for service in SERVICES}

    def get(self, who: Person, service: str, path: str, **query: Any) -> Answer:
        """Read. Raises Refused."""
        return self._send("GET", who, service, path, params=query)

    def post(
        self,
        who: Person,
        service: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        version: str | None = None,
        correlation: str | None = None,
        file: tuple[str, bytes, str] | None = None,
    ) -> Answer:
        """Send a command under an idempotency key (default: a new one). Raises Refused."""
        headers = {"Idempotency-Key": key or new_id()}
        if version is not None:
            headers["If-Match"] = version
        if correlation is not None:
            headers["X-Correlation-ID"] = correlation
        sent: dict[str, Any] = {"files": {"file": file}} if file else {"json": {} if body is None else body}
        return self._send("POST", who, service, path, headers=headers, **sent)

    def _send(
        self, method: str, who: Person, service: str, path: str, headers: Mapping[str, str] | None = None, **sent: Any
    ) -> Answer:
        answer = self._http.request(
            method,
            f"{self.bases[service]}{path}",
            headers={"Authorization": f"Bearer {self._token(who)}", **(headers or {})},
            timeout=TIMEOUT,
            **sent,
        )
        content = answer.json() if "json" in answer.headers.get("Content-Type", "") else answer.content
        if not answer.ok:
            problem = content if isinstance(content, dict) else {}
            raise Refused(who, f"{method} {service}{path}", answer.status_code, problem)
        return Answer(content, answer.headers.get("ETag"))

    def _token(self, who: Person) -> str:
        if who not in self._tokens:
            self._tokens[who] = issue(
                self._run,
                who.subject,
                who.roles,
                units=None if who.everywhere else who.units,
                unit=who.unit,
                person=who.cadre,
            )
        return self._tokens[who]


def base_url(service: str) -> str:
    """Return where the API of a service of the local city is. Raises LocalError where no city is up."""
    prefix = service.upper()
    port = os.environ.get(f"{prefix}_HTTP_PORT")
    if not port:
        raise LocalError("城市没有运行,请先运行 / the city is not up; first run:  make up")
    return f"http://{os.environ.get(f'{prefix}_HTTP_HOST', '127.0.0.1')}:{port}"


def patiently(attempt: Callable[[], Answer], patience: float = PATIENCE, wanted: str = "") -> Answer:
    """Return what `attempt` returns, made again and again while it is refused with what goes away by itself.

    Raises Refused with the last refusal after `patience` seconds, or at once for any other, or with the code `wanted`;
    SliceFailed where a service does not answer.
    """
    give_up = time.monotonic() + patience
    while True:
        try:
            return attempt()
        except Refused as refused:
            if time.monotonic() > give_up or refused.code not in (_PASSING | _NOT_THERE_YET) - {wanted}:
                raise
        except requests.ConnectionError as error:
            if time.monotonic() > give_up:
                raise SliceFailed(f"{error.request.url if error.request else ''}: {error}") from None
        time.sleep(LOOK_EVERY)


def wait_for(look: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Return what `look` returns as soon as it is true. Raises SliceFailed naming `what` after `patience` seconds."""
    give_up = time.monotonic() + patience
    while True:
        if found := look():
            return found
        if time.monotonic() > give_up:
            raise SliceFailed(f"{patience:g} 秒内没有等到 / this did not come within {patience:g} s: {what}")
        time.sleep(LOOK_EVERY)
