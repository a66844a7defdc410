"""What every test may use."""

from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["tests.support.broker", "tests.support.postgres"]

# How long an example takes says how busy the machine is.
settings.register_profile("city", deadline=None)
settings.load_profile("city")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file together where several processes run them, and those of the one city as well."""
    for item in items:
        folder = Path(item.nodeid.partition("::")[0]).parent
        together = str(folder) if folder.name == "e2e" else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(together))
