"""Ports on the loopback: the usual one where it is free, else one that is."""

import random
import socket
import weakref
from collections.abc import Collection
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"

# Below what the kernel hands out to outgoing connections, so that none of those takes a port between choice and use.
_SPARE = range(20_000, 32_000)


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """True if a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def answers(port: int, host: str = LOOPBACK, timeout: float = 0.5) -> bool:
    """True if something accepts connections on this port."""
    try:
        with socket.create_connection((host, port), timeout=timeout):
            return True
    except OSError:
        return False


def choose(usual: int | None = None, *, taken: Collection[int] = ()) -> int:
    """Return `usual` if it is free and not in `taken`, else a free port out of the spare range."""
    if usual is not None and usual not in taken and is_free(usual):
        return usual
    for port in random.sample(_SPARE, len(_SPARE)):
        if port not in taken and is_free(port):
            return port
    raise OSError("no free port on the loopback")


class Ports:
    """Chooses ports by name, never one twice, and keeps to earlier choices where those are still free.

    A choice is claimed for as long as the object lives, in this process: another city on this machine keeps away from
    it, also while the process that is to listen there has not begun, or is being restarted.
    """

    def __init__(self, earlier: dict[str, int] | None = None) -> None:
        self._earlier = dict(earlier or {})
        self._claims = ExitStack()
        weakref.finalize(self, self._claims.close)
        self.chosen: dict[str, int] = {}

    def choose(self, name: str, usual: int | None = None) -> int:
        """Return the port of `name`. `usual` is the well-known one; without it any spare port does."""
        refused: set[int] = set()
        while name not in self.chosen:
            taken = {*self.chosen.values(), *refused}
            wanted = (
                usual if usual is not None and usual not in taken and is_free(usual) else self._earlier.get(name, usual)
            )
            port = choose(wanted, taken=taken)
            if self._claim(port):
                self.chosen[name] = port
            else:
                refused.add(port)
        return self.chosen[name]

    def _claim(self, port: int) -> bool:
        """Claim a port by a name that the kernel gives up when this process ends. Returns False if it is claimed."""
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0dandang-port-{port}")
        except OSError:
            claim.close()
            return False
        self._claims.enter_context(claim)
        return True
