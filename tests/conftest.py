"""What every test may use."""

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["tests.support.broker", "tests.support.postgres"]

# How long an example takes says how busy the machine is.
settings.register_profile("city", deadline=None)
settings.load_profile("city")


CITIES = ("tests/e2e/", "tests/year/", "tests/integration/local/test_up.py")
"""Tests of whole cities, which take the usual ports where those are free: one city after the other."""


class Together(LoadScopeScheduling):
    """Gives the tests of a file to one process, and all those of whole cities."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "cities" if file.startswith(CITIES) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Share the tests out between the processes of `--numprocesses`."""
    return Together(config, log)
