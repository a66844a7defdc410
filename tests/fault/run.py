"""`python -m tests.fault.run <service> <kind>`: a process of a real service, with faults put around its ports."""

import sys

if __name__ == "__main__":
    service, kind = sys.argv[1:]
    if kind == "worker":
        import eventlet

        eventlet.monkey_patch()
    from tests.fault import faults

    faults.install(kind)
    from citybus.launcher import main

    main(service, [kind])
