"""The composition root: what a process of supervision is made of."""

from pathlib import Path

from flask import Flask
from sqlalchemy.orm import sessionmaker

from citybus import database
from citybus.calendar import Calendar
from citybus.http.app import create_app
from citybus.http.tokens import tokens_of
from citybus.launcher import Service
from citybus.rulepack import RulePacks
from citybus.settings import ServingSettings, WorkerSettings
from citybus.telemetry.health import Health
from citybus.unit_of_work import Units
from supervision.application.case_types import bind
from supervision.application.rulebook import Rulebook
from supervision.entrypoints.http import blueprints
from supervision.entrypoints.problems import PROBLEMS
from supervision.settings import SupervisionApiSettings

VERSION = "1.0.0"
RULEPACKS = Path(__file__).parent / "rulepacks"


def load_rules(settings: ServingSettings) -> Rulebook:
    """Return the rules of the city: this service's packs and the operator's own. Raises RulePackError."""
    folders = [RULEPACKS, *([settings.rulepack_dir] if settings.rulepack_dir else [])]
    return Rulebook(RulePacks.load(folders, Calendar.load(settings.holidays_file)), settings.city)


def build(settings: ServingSettings) -> Service:
    """Return the service for the process that `settings` describe. Nothing is connected yet."""
    rulebook = load_rules(settings)
    bound = bind(rulebook)
    engine = database.engine(
        settings.database_url.render_as_string(hide_password=False),
        application=f"{settings.service} {settings.process}",
    )
    units = Units(sessionmaker(engine, expire_on_commit=False), settings.source, settings.clock(), settings.audit_hash)

    def api(health: Health) -> Flask:
        if not isinstance(settings, SupervisionApiSettings):
            raise TypeError("only the api process serves the API")
        return create_app(
            service=settings.service,
            version=VERSION,
            units=units,
            tokens=tokens_of(settings),
            blueprints=blueprints(bound, rulebook, settings.vault),
            health=health,
            own_problems=PROBLEMS,
        )

    def worker() -> type:
        if not isinstance(settings, WorkerSettings):
            raise TypeError("only the worker process consumes")
        # Imported here alone: Nameko and eventlet belong to the worker's process.
        from supervision.entrypoints.worker import worker

        return worker(bound, rulebook.packs.calendar, settings.deadline_seconds)

    return Service(engine=engine, units=units, api=api, worker=worker)
