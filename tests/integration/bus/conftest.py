"""A service's database for the tests of the bus."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine

from citybus.database import engine
from citybus.tables import metadata
from dandang.local.provision import ServiceDatabase
from tests.support.mechanism import Mechanism
from tests.support.stock import Stock, own


@pytest.fixture(scope="module")
def stock_database(module_database: ServiceDatabase) -> ServiceDatabase:
    """A database with the bus's tables and the one that stock writes."""
    owner = create_engine(module_database.owner_url)
    metadata.create_all(owner)
    own.create_all(owner)
    owner.dispose()
    return module_database


@pytest.fixture
def stock(stock_database: ServiceDatabase) -> Iterator[Stock]:
    """The service, with nothing in its database."""
    app = engine(stock_database.app_url, application="stock")
    made = Stock(app)
    made.clear()
    yield made
    app.dispose()


@pytest.fixture
def mechanism(module_database: ServiceDatabase) -> Iterator[Mechanism]:
    """A service of the mechanism's tables alone, all of them empty."""
    made = Mechanism(module_database)
    made.clear()
    yield made
    made.close()
