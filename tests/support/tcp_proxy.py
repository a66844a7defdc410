"""A TCP proxy on loopback that delays, throttles, chops, stalls, resets or refuses, as a bad network does."""

import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_CHUNK = 64 * 1024
_MOST_HELD = 4 * _CHUNK


@dataclass
class TcpProxy:
    """Passes connections on to `target`. Its faults may be set from any thread and hold for all connections.

    `stalled`: nothing passes in either direction, and nobody is told (a half-open peer). `refusing`: new connections
    are reset. `reset_after`: after so many more bytes from the client all connections are reset.

    `latency`: seconds that bytes take each way. `rate`: bytes a second, each way and connection. `segment`: the most bytes
    that are written at once.
    """

    target: tuple[str, int]
    stalled: bool = False
    refusing: bool = False
    reset_after: int | None = None
    latency: float = 0.0
    rate: int | None = None
    segment: int | None = None
    _listener: socket.socket = field(init=False)
    _pairs: dict[socket.socket, socket.socket] = field(default_factory=dict, init=False)
    _clients: set[socket.socket] = field(default_factory=set, init=False)
    _abandoned: list[socket.socket] = field(default_factory=list, init=False)
    _held: dict[socket.socket, deque[tuple[float, bytes]]] = field(default_factory=dict, init=False)
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
            self._held.clear()

    def abandon(self) -> None:
        """Pass nothing more on the connections of now, ever, and tell nobody; new ones are served."""
        with self._lock:
            self._abandoned += self._pairs
            self._pairs.clear()
            self._clients.clear()
            self._held.clear()

    def close(self) -> None:
        """End the proxy and every connection through it."""
        self._ended = True
        self._thread.join()
        self.reset()
        for end in self._abandoned:
            end.close()
        self._listener.close()

    def _run(self) -> None:
        while not self._ended:
            with self._lock:
                ends = [] if self.stalled else [end for end in self._pairs if not self._is_full(end)]
            # Short turns, so that faults set from another thread hold soon.
            try:
                readable, _, _ = select.select([self._listener, *ends], [], [], 0.01 if not self._held else 0.002)
            except (OSError, ValueError):
                continue  # another thread reset them meanwhile
            for end in readable:
                if end is self._listener:
                    self._accept()
                elif not self.stalled:
                    self._take(end)
            if not self.stalled:
                for end in list(self._held):
                    self._release(end)

    def _is_full(self, end: socket.socket) -> bool:
        """Whether no more is to be read from `end`: too much of it is on its way, or its end is."""
        held = self._held.get(end, ())
        return any(not data for _, data in held) or sum(len(data) for _, data in held) >= _MOST_HELD

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

    def _take(self, end: socket.socket) -> None:
        """Read what `end` sent, and pass it on now or when its time has come; no data is its end."""
        try:
            data = end.recv(_CHUNK if self.rate is None else max(1, self.rate // 50))
        except OSError:
            data = b""
        held = self._held.get(end)
        if held is None and not self.latency and self.rate is None:
            self._pass(end, data)
            return
        if held is None:
            held = self._held.setdefault(end, deque())
        now = time.monotonic()
        due = now + self.latency
        if self.rate is not None:
            due = max(due, held[-1][0] if held else now) + len(data) / self.rate
        held.append((due, data))

    def _release(self, end: socket.socket) -> None:
        held = self._held.get(end)
        while held and held[0][0] <= time.monotonic():
            self._pass(end, held.popleft()[1])
        if not held:
            self._held.pop(end, None)

    def _pass(self, end: socket.socket, data: bytes) -> None:
        try:
            if data:
                other = self._pairs[end]
                step = self.segment or len(data)
                for start in range(0, len(data), step):
                    other.sendall(data[start : start + step])
        except KeyError:
            return  # reset or abandoned meanwhile
        except OSError:
            data = b""
        if not data:
            with self._lock:
                partner = self._pairs.pop(end, None)
                end.close()
                if partner is not None:
                    self._pairs.pop(partner, None)
                    partner.close()
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
