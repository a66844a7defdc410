"""Serving an API: gunicorn with one process of many threads.

One process holds the whole truth of its metrics and of its token memory. To use more cores or machines, start the API
more than once (another port, or the same one behind a proxy): each is then scraped and restarted by itself.
"""

import os
from collections.abc import Callable
from typing import Any, Final

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker

_MEMORY: Final = "/dev/shm"  # noqa: S108  gunicorn makes its file there with a random name, and unlinks it at once


class Worker(ThreadWorker):
    """gunicorn's threaded worker, which stops listening as soon as it is told to stop.

    Left to itself it keeps its sockets open until the last request is answered: the kernel goes on taking connections
    that nobody will serve. Refused at once, a client or a proxy tries the next process.
    """

    def set_accept_enabled(self, enabled: bool | None) -> None:
        """Accept connections or not; in the end, not even those that wait."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()


class Server(BaseApplication):
    """gunicorn, told by its settings alone: no command line, no configuration file, no control socket."""

    def __init__(self, app_factory: Callable[[], Flask], settings: dict[str, Any]) -> None:
        self._app_factory = app_factory
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Take the settings as they were given."""
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the application, made in the process that serves it: no connection is shared across a fork."""
        return self._app_factory()


def serve(
    app_factory: Callable[[], Flask],
    *,
    host: str,
    port: int,
    threads: int = 8,
    request_seconds: int = 60,
    drain_seconds: int = 30,
) -> None:
    """Serve until SIGTERM, then finish what is being answered within `drain_seconds` and leave by SystemExit.

    A process that answers nothing for `request_seconds` is replaced.
    """
    Server(
        app_factory,
        {
            "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            "workers": 1,
            "worker_class": Worker,
            "threads": threads,
            "timeout": request_seconds,
            "graceful_timeout": drain_seconds,
            "keepalive": 30,
            # The worker's sign of life is a file's time stamp; on a disk that hangs it would look dead.
            "worker_tmp_dir": _MEMORY if os.access(_MEMORY, os.W_OK) else None,
            "accesslog": None,
            "loglevel": "warning",
            "control_socket_disable": True,
            "limit_request_line": 4094,
            "limit_request_fields": 64,
        },
    ).run()
