"""A small city for each module of tests; its clock is put back before each test.

At a module's end every event that it put into the outbox is held to its contract.
"""

from collections.abc import Iterator

import pytest

from tests.support.contracts import load
from tests.support.incentive import CONTRACTS, MONDAY, City, outbox_events, start_city
from tests.support.postgres import ServiceDatabase


@pytest.fixture(scope="module")
def module_city(module_database: ServiceDatabase) -> Iterator[City]:
    for city in start_city(module_database):
        yield city
        contracts = load(CONTRACTS)
        for event in outbox_events(city):
            contract = contracts[event.type]
            assert contract.produced_errors(event.data) == [], event.type
            assert (event.dataclass, event.subject.partition("/")[0]) == (contract.dataclass, contract.subject_kind)


@pytest.fixture
def city(module_city: City) -> City:
    module_city.clock.set(MONDAY)
    return module_city
