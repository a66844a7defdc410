"""The composition root: what a process of notification is made of."""

from pathlib import Path
from typing import Final

from flask import Flask
from sqlalchemy.orm import sessionmaker

from citybus import contracts, database, topology
from citybus.calendar import Calendar
from citybus.clock import SystemClock
from citybus.http.app import create_app
from citybus.http.tokens import tokens_of
from citybus.jobs import Every
from citybus.launcher import Service
from citybus.rulepack import RulePacks
from citybus.settings import ServingSettings
from citybus.telemetry.health import Health
from citybus.unit_of_work import Units
from notification.application.catalogue import Catalogue
from notification.application.deliveries import deliveries
from notification.application.forget_records import forget_records
from notification.application.rulebook import Rulebook
from notification.application.share_event import PUBLIC
from notification.application.subscriptions import subscriptions
from notification.entrypoints.http import blueprints
from notification.entrypoints.problems import PROBLEMS
from notification.settings import NotificationApiSettings, NotificationWorkerSettings

VERSION: Final = "1.0.0"
RULEPACKS: Final = Path(__file__).parent / "rulepacks"
FORGET_SECONDS: Final = 3600.0


def load_rules(settings: ServingSettings) -> Rulebook:
    """Return the rules of the city: this service's packs and the operator's own. Raises RulePackError."""
    folders = [RULEPACKS, *([settings.rulepack_dir] if settings.rulepack_dir else [])]
    rulebook = Rulebook(RulePacks.load(folders, Calendar.load(settings.holidays_file)), settings.city)
    rulebook.check_templates()
    return rulebook


def departments(folder: Path) -> frozenset[str]:
    """Return the names of the departments whose queues `deploy/rabbitmq` binds. Raises TopologyInvalid."""
    found = topology.load(folder, SystemClock().today())
    return frozenset(binding.key.split(".")[1] for binding in found.bindings if binding.exchange == PUBLIC)


def build(settings: ServingSettings) -> Service:
    """Return the service for the process that `settings` describe. Nothing is connected yet."""
    rulebook = load_rules(settings)
    engine = database.engine(
        settings.database_url.render_as_string(hide_password=False),
        application=f"{settings.service} {settings.process}",
    )
    units = Units(sessionmaker(engine, expire_on_commit=False), settings.source, settings.clock(), settings.audit_hash)

    def api(health: Health) -> Flask:
        if not isinstance(settings, NotificationApiSettings):
            raise TypeError("only the api process serves the API")
        catalogue = Catalogue(contracts.load(settings.contracts_dir), departments(settings.topology_dir))
        return create_app(
            service=settings.service,
            version=VERSION,
            units=units,
            tokens=tokens_of(settings),
            blueprints=blueprints(deliveries(rulebook), subscriptions(rulebook, catalogue), catalogue, rulebook),
            health=health,
            own_problems=PROBLEMS,
        )

    def worker() -> type:
        if not isinstance(settings, NotificationWorkerSettings):
            raise TypeError("only the worker process consumes")
        # Imported here alone: Nameko and eventlet belong to the worker's process.
        from notification.entrypoints.worker import worker

        catalogue = Catalogue(contracts.load(settings.contracts_dir))
        return worker(deliveries(rulebook), subscriptions(rulebook, catalogue), catalogue, rulebook)

    forget = Every(FORGET_SECONDS, "forget records", lambda: _forget(rulebook, units, settings.service))
    return Service(engine=engine, units=units, api=api, worker=worker, regular=(forget,))


def _forget(rulebook: Rulebook, units: Units, service: str) -> None:
    forget_records(rulebook, units, service)
