"""A small city for each module of tests; its clock is put back before each test.

At a module's end every event that it put into the outbox is held to its contract, and what went to departments to its fields.
"""

from collections.abc import Iterator

import pytest

from dandang.local.provision import ServiceDatabase
from tests.support.contracts import load
from tests.support.notification import CONTRACTS, MONDAY, City, outbox_events, start_city


@pytest.fixture(scope="module")
def module_city(module_database: ServiceDatabase) -> Iterator[City]:
    for city in start_city(module_database):
        yield city
        contracts = load(CONTRACTS)
        for exchange, event in outbox_events(city):
            contract = contracts[event.type]
            assert event.subject.partition("/")[0] == contract.subject_kind
            if exchange == "city.events":
                assert contract.produced_errors(event.data) == [], event.type
                assert event.dataclass == contract.dataclass
            else:
                assert set(event.data) <= set(contract.fields)
                assert max(contract.fields[name] for name in event.data) <= event.dataclass <= contract.dataclass


@pytest.fixture
def city(module_city: City) -> City:
    module_city.clock.set(MONDAY)
    return module_city
