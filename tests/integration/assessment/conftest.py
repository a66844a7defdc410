"""A city for each module of tests. At the module's end every event in its outbox is held to its contract."""

from collections.abc import Iterator

import pytest

from tests.support.assessment import CONTRACTS, MONDAY, City, start_city
from tests.support.contracts import load
from tests.support.postgres import ServiceDatabase


@pytest.fixture(scope="module")
def module_city(module_database: ServiceDatabase) -> Iterator[City]:
    for city in start_city(module_database):
        yield city
        contracts = load(CONTRACTS)
        for event in city.outbox():
            contract = contracts[event.type]
            assert contract.produced_errors(event.data) == [], event.type
            assert (event.dataclass, event.subject.partition("/")[0]) == (contract.dataclass, contract.subject_kind)


@pytest.fixture
def city(module_city: City) -> City:
    module_city.clock.set(MONDAY)
    return module_city
