"""A thin client of RabbitMQ's management API: paths, sign-in and errors, and nothing else."""

from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, unquote, urlsplit

import orjson
import requests

from citybus.errors import CityError

TIMEOUT: Final = (5.0, 60.0)
"""Seconds to connect, and to wait for an answer."""


class ManagementError(CityError):
    """The management API cannot be reached, or refuses. `status` is the HTTP status, None where there was no answer."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


class Management:
    """The management API of one broker, signed in as the user that its URL names. A context manager."""

    def __init__(self, url: str, *, timeout: tuple[float, float] = TIMEOUT) -> None:
        """`url` is `http(s)://user:password@host:port[/prefix]`."""
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        self.user = unquote(parts.username or "")
        self._base = f"{parts.scheme}://{host}{parts.path.rstrip('/')}/api"
        self._timeout = timeout
        self._http = requests.Session()
        self._http.trust_env = False  # a proxy or .netrc of the environment has no business here
        self._http.auth = (self.user, unquote(parts.password or ""))

    def get(self, *path: str, allow: tuple[int, ...] = ()) -> Any:
        """Return the answer, or None for a status in `allow`. Segments of `path` are quoted. Raises ManagementError."""
        return self._call("GET", path, None, allow)

    def put(self, *path: str, body: Any = None) -> None:
        """Create or replace. Raises ManagementError."""
        self._call("PUT", path, {} if body is None else body, ())

    def post(self, *path: str, body: Any = None) -> None:
        """Create. Raises ManagementError."""
        self._call("POST", path, {} if body is None else body, ())

    def delete(self, *path: str, allow: tuple[int, ...] = (404,)) -> None:
        """Delete; what is gone already is fine. Raises ManagementError."""
        self._call("DELETE", path, None, allow)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: str, path: tuple[str, ...], body: Any, allow: tuple[int, ...]) -> Any:
        where = "/".join(quote(segment, safe="") for segment in path)
        try:
            answer = self._http.request(
                method,
                f"{self._base}/{where}",
                data=None if body is None else orjson.dumps(body),
                headers={} if body is None else {"Content-Type": "application/json"},
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # The error's own text may repeat the URL, and with it a password.
            raise ManagementError(f"{method} {where}: no answer from {self._base} ({type(error).__name__})") from None
        if answer.status_code in allow:
            return None
        if not 200 <= answer.status_code < 300:
            raise ManagementError(f"{method} {where}: {answer.status_code} {_reason(answer)}", answer.status_code)
        if not answer.content:
            return None
        try:
            return orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            raise ManagementError(f"{method} {where}: the answer is not JSON", answer.status_code) from None


def _reason(answer: requests.Response) -> str:
    """Return what the broker says about an error."""
    try:
        said = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return answer.reason or ""
    return str(said.get("reason") or said.get("error") or "") if isinstance(said, dict) else str(said)
