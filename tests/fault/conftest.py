"""Servers of the fault tier: durable and private, since they are killed; one of each for a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault.system import Toy, toy_city
from tests.support.broker import Broker
from tests.support.folders import scratch_folder
from tests.support.postgres import Postgres


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch_folder("fault") as made:
        yield made


@pytest.fixture
def toy(folder: Path, module_postgres: Postgres, module_broker: Broker) -> Iterator[Toy]:
    """A toy city with one queue; the test says which processes run, with which faults."""
    with toy_city(folder, module_postgres, module_broker) as made:
        yield made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/fault" in item.path.as_posix():
            item.add_marker("fault")
