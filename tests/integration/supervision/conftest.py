"""A small city for each module of tests; its clock is put back before each test."""

from collections.abc import Iterator

import pytest

from tests.support.postgres import ServiceDatabase
from tests.support.supervision import MONDAY, City, start_city


@pytest.fixture(scope="module")
def module_city(module_database: ServiceDatabase) -> Iterator[City]:
    yield from start_city(module_database)


@pytest.fixture
def city(module_city: City) -> City:
    module_city.clock.set(MONDAY)
    return module_city
