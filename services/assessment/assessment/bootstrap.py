"""The composition root: what a process of assessment is made of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from flask import Flask
from sqlalchemy.orm import sessionmaker

from assessment.application import annual_rounds, close_year, start_sheet
from assessment.application.case_types import case_types
from assessment.application.forget_uploads import forget_uploads
from assessment.application.rulebook import Rulebook
from assessment.application.run_import import run_import
from assessment.application.run_sheet import run_sheet
from assessment.application.start_import import JOB
from assessment.entrypoints.http import blueprints
from assessment.entrypoints.problems import PROBLEMS
from assessment.settings import AssessmentApiSettings, AssessmentJobSettings
from citybus import database
from citybus.calendar import Calendar
from citybus.http.app import create_app
from citybus.http.tokens import tokens_of
from citybus.jobs import Every, JobHandler
from citybus.launcher import Service
from citybus.rulepack import RulePacks
from citybus.settings import ServingSettings, WorkerSettings
from citybus.telemetry.health import Health
from citybus.unit_of_work import Units

VERSION: Final = "1.0.0"
RULEPACKS: Final = Path(__file__).parent / "rulepacks"
FORGET_SECONDS: Final = 3600.0


def load_rules(settings: ServingSettings) -> Rulebook:
    """Return the rules of the city: this service's packs and the operator's own. Raises RulePackError."""
    folders = [RULEPACKS, *([settings.rulepack_dir] if settings.rulepack_dir else [])]
    return Rulebook(RulePacks.load(folders, Calendar.load(settings.holidays_file)), settings.city)


def build(settings: ServingSettings) -> Service:
    """Return the service for the process that `settings` describe. Nothing is connected yet."""
    rulebook = load_rules(settings)
    engine = database.engine(
        settings.database_url.render_as_string(hide_password=False),
        application=f"{settings.service} {settings.process}",
    )
    units = Units(sessionmaker(engine, expire_on_commit=False), settings.source, settings.clock(), settings.audit_hash)

    def api(health: Health) -> Flask:
        if not isinstance(settings, AssessmentApiSettings):
            raise TypeError("only the api process serves the API")
        return create_app(
            service=settings.service,
            version=VERSION,
            units=units,
            tokens=tokens_of(settings),
            blueprints=blueprints(rulebook, settings.vault),
            health=health,
            own_problems=PROBLEMS,
        )

    def worker() -> type:
        if not isinstance(settings, WorkerSettings):
            raise TypeError("only the worker process consumes")
        # Imported here alone: Nameko and eventlet belong to the worker's process.
        from assessment.entrypoints.worker import worker

        return worker(rulebook, settings.deadline_seconds)

    jobs: Mapping[str, JobHandler] = {}
    regular: tuple[Every, ...] = ()
    if isinstance(settings, AssessmentJobSettings):
        vault = settings.vault
        cases = case_types(rulebook)
        jobs = {
            JOB: lambda run: run_import(rulebook, vault, run),
            close_year.JOB: close_year.close_year,
            annual_rounds.JOB: lambda run: annual_rounds.run_round(cases, run),
            start_sheet.JOB: lambda run: run_sheet(rulebook, vault, cases, run),
        }
        forget = Every(FORGET_SECONDS, "forget uploads", lambda: _forget(rulebook, units, settings.service))
        regular = (forget,)
    return Service(engine=engine, units=units, api=api, worker=worker, jobs=jobs, regular=regular)


def _forget(rulebook: Rulebook, units: Units, service: str) -> None:
    forget_uploads(rulebook, units, service)
