"""A TCP proxy on loopback that delays, stalls, resets or refuses, as a bad network does."""

import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_CHUNK = 64 * 1024


@dataclass
class TcpProxy:
    """Passes connections on to `target`. Its faults may be set from any thread and hold for all connections.

    `stalled`: nothing passes in either direction, and nobody is told (a half-open peer). `refusing`: new connections
    are reset. `reset_after`: after so many more bytes from the client all connections are reset.
    """

    target: tuple[str, int]
    stalled: bool = False
    refusing: bool = False
    reset_after: int | None = None
    _listener: socket.socket = field(init=False)
    _pairs: dict[socket.socket, socket.socket] = field(default_factory=dict, init=False)
    _clients: set[socket.socket] = field(default_factory=set, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _ended: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run, name="tcp proxy", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port to connect to, on 127.0.0.1."""
        return int(self._listener.getsockname()[1])

    def reset(self) -> None:
        """Reset all connections (RST)."""
        with self._lock:
            for end in self._pairs:
                # closing with unsent data thrown away sends RST instead of FIN
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.close()
            self._pairs.clear()
            self._clients.clear()

    def close(self) -> None:
        """End the proxy and every connection through it."""
        self._ended = True
        self._thread.join()
        self.reset()
        self._listener.close()

    def _run(self) -> None:
        while not self._ended:
            with self._lock:
                ends = [] if self.stalled else list(self._pairs)
            # Short turns, so that faults set from another thread hold soon.
            try:
                readable, _, _ = select.select([self._listener, *ends], [], [], 0.01)
            except (OSError, ValueError):
                continue  # another thread reset them meanwhile
            for end in readable:
                if end is self._listener:
                    self._accept()
                elif not self.stalled:
                    self._pass(end)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        with self._lock:
            try:
                if self.refusing:
                    raise ConnectionRefusedError
                server = socket.create_connection(self.target, timeout=5)
            except OSError:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
                return
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                end.settimeout(5)
            self._pairs[client] = server
            self._pairs[server] = client
            self._clients.add(client)

    def _pass(self, end: socket.socket) -> None:
        try:
            data = end.recv(_CHUNK)
            if data:
                self._pairs[end].sendall(data)
        except (OSError, KeyError):
            data = b""
        if not data:
            with self._lock:
                other = self._pairs.pop(end, None)
                end.close()
                if other is not None:
                    self._pairs.pop(other, None)
                    other.close()
        elif self.reset_after is not None and end in self._clients:
            self.reset_after -= len(data)
            if self.reset_after <= 0:
                self.reset_after = None
                self.reset()


@contextmanager
def tcp_proxy(target: tuple[str, int]) -> Iterator[TcpProxy]:
    """Run a proxy to `target` (host, port)."""
    proxy = TcpProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
