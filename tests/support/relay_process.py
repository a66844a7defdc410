"""A relay as a process of its own: `python -m tests.support.relay_process DATABASE_URL AMQP_URL READY_FILE`."""

import signal
import sys
import threading
from pathlib import Path

from citybus import relay


def main(database_url: str, amqp_url: str, ready_file: str) -> None:
    """Relay until SIGTERM. `ready_file` comes to be once the loop turns."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    relay.run(
        service="test",
        database_url=database_url,
        amqp_url=amqp_url,
        stop=stop,
        missing_bindings=list,
        alive=Path(ready_file).touch,
        pace=relay.Pace(batch=50),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
