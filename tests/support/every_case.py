"""Every case type of the four services, each in a city of its service, and rows of it in any state."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import count
from typing import Any, Final

from flask import Flask
from sqlalchemy import create_engine, insert, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

import assessment.entrypoints.http
import assessment.entrypoints.problems
import incentive.entrypoints.http
import incentive.entrypoints.problems
import notification.entrypoints.http
import notification.entrypoints.problems
import supervision.entrypoints.http
import supervision.entrypoints.problems
from assessment.application.case_types import case_types
from citybus.cases import Cases
from citybus.http import Tokens, create_app
from citybus.ids import new_id
from citybus.testing.keys import AUDIENCE, ISSUER, FakeIssuer
from citybus.unit_of_work import Context, UnitOfWork
from tests.support import assessment as assessing
from tests.support import incentive as encouraging
from tests.support import notification as notifying
from tests.support import supervision as supervising
from tests.support.postgres import Postgres, ServiceDatabase

SERVICES: Final = ("assessment", "incentive", "notification", "supervision")

_numbers: Final = count(1)
_LOOSEN: Final = text(
    """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint
    WHERE contype IN ('c', 'f') AND connamespace = 'public'::regnamespace
    """
)


@dataclass(frozen=True)
class Place:
    """One service's city with all its case types."""

    service: str
    city: Any
    cases: tuple[Cases, ...]
    database: ServiceDatabase

    def acting(self, subject: str = "somebody") -> UnitOfWork:
        made: UnitOfWork = self.city.units(Context(subject, (), "test", "correlation"))
        return made

    def loosen(self) -> None:
        """Let rows stand in the database that no rule would have made: foreign keys and checks are dropped."""
        owner = create_engine(self.database.owner_url)
        with owner.begin() as connection:
            for (statement,) in connection.execute(_LOOSEN).all():
                connection.exec_driver_sql(statement)
        owner.dispose()

    def put(self, cases: Cases, state: str, **given: Any) -> str:
        """Put a row of `cases` into its table, in `state`, at version 1, and return its id."""
        row = row_of(cases, state, self.city.clock.now()) | given
        with self.city.engine.begin() as connection:
            connection.execute(insert(cases.model.__table__).values(**row))
        found: str = row["id"]
        return found


def bound_cases(service: str, city: Any) -> tuple[Cases, ...]:
    """Return all case types of a service."""
    if service == "assessment":
        return tuple(case_types(assessing.rulebook()))
    if service == "incentive":
        return tuple(city.bound)
    if service == "notification":
        return (city.deliveries, city.subscriptions, city.publications, city.deadlines)
    return tuple(city.cases)


def kinds() -> list[tuple[str, str]]:
    """Return (service, kind) of every case type, known before any city stands."""
    rules = notifying.rulebook(), notifying.catalogue()
    bound: dict[str, tuple[Cases, ...]] = {
        "assessment": tuple(case_types(assessing.rulebook())),
        "incentive": tuple(encouraging.bind(encouraging.rulebook())),
        "notification": (
            notifying.deliveries(rules[0]),
            notifying.subscriptions(*rules),
            notifying.publications(rules[0]),
            notifying.deadlines(rules[0]),
        ),
        "supervision": tuple(supervising.bind(supervising.rulebook())),
    }
    return [(service, cases.case_type.kind) for service in SERVICES for cases in bound[service]]


@contextmanager
def place(postgres: Postgres, service: str) -> Iterator[Place]:
    """Give the city of `service` on a database of its own."""
    support = {
        "assessment": assessing,
        "incentive": encouraging,
        "notification": notifying,
        "supervision": supervising,
    }[service]
    database = postgres.make_database(service)
    with ExitStack() as stack:
        stack.callback(postgres.drop_database, database)
        city = stack.enter_context(contextmanager(support.start_city)(database))  # type: ignore[attr-defined]
        yield Place(service, city, bound_cases(service, city), database)


def app_of(place: Place, issuer: FakeIssuer) -> Flask:
    """Return the service's real API on the database of `place`."""
    city = place.city
    routes: Any
    if place.service == "assessment":
        routes, problems = assessment.entrypoints.http.blueprints(assessing.rulebook(), city.vault), assessment
    elif place.service == "incentive":
        routes, problems = incentive.entrypoints.http.blueprints(city.bound, encouraging.rulebook()), incentive
    elif place.service == "notification":
        deliveries, subscriptions, publications, deadlines = place.cases
        routes = notification.entrypoints.http.blueprints(
            deliveries, subscriptions, publications, deadlines, notifying.catalogue(), notifying.rulebook()
        )
        problems = notification
    else:
        routes = supervision.entrypoints.http.blueprints(city.cases, supervising.rulebook(), city.vault)
        problems = supervision
    return create_app(
        service=place.service,
        version="1",
        units=city.units,
        tokens=Tokens(issuer, issuer=ISSUER, audience=AUDIENCE),
        blueprints=routes,
        own_problems=problems.entrypoints.problems.PROBLEMS,
    )


def row_of(cases: Cases, state: str, now: datetime) -> dict[str, Any]:
    """Return a value for each column of a case's row, by the column's type: no two rows share what is unique."""
    number = next(_numbers)
    row = {column.name: _value(column.type, number, now) for column in cases.model.__table__.columns}
    return row | {"id": new_id(), "state": state, "version": 1}


def _value(kind: Any, number: int, now: datetime) -> Any:
    if isinstance(kind, UUID):
        return new_id()
    if isinstance(kind, JSONB | ARRAY):
        return []
    made = {str: f"{number}", int: number % 30_000, bool: False, date: now.date(), datetime: now, bytes: b"%d" % number}
    return made.get(kind.python_type, Decimal(0))
