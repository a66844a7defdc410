"""The composition root: what a process of notification is made of."""

from collections.abc import Callable
from functools import partial
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
from notification.application.deadlines import deadlines
from notification.application.deliveries import deliveries
from notification.application.forget_records import forget_records
from notification.application.ports import ChannelPort
from notification.application.publications import publications
from notification.application.rulebook import Rulebook
from notification.application.send_publications import send_publications
from notification.application.share_event import PUBLIC
from notification.application.subscriptions import subscriptions
from notification.channels.internal import Internal
from notification.channels.press import Mail, Press
from notification.channels.wechat import WeChat
from notification.domain.publication import Channel
from notification.entrypoints.http import blueprints
from notification.entrypoints.problems import PROBLEMS
from notification.settings import NotificationApiSettings, NotificationJobSettings, NotificationWorkerSettings

VERSION: Final = "1.0.0"
RULEPACKS: Final = Path(__file__).parent / "rulepacks"
FORGET_SECONDS: Final = 3600.0
SEND_SECONDS: Final = 2.0


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
            blueprints=blueprints(
                deliveries(rulebook),
                subscriptions(rulebook, catalogue),
                publications(rulebook),
                deadlines(rulebook),
                catalogue,
                rulebook,
            ),
            health=health,
            own_problems=PROBLEMS,
        )

    def worker() -> type:
        if not isinstance(settings, NotificationWorkerSettings):
            raise TypeError("only the worker process consumes")
        # Imported here alone: Nameko and eventlet belong to the worker's process.
        from notification.entrypoints.worker import worker

        catalogue = Catalogue(contracts.load(settings.contracts_dir))
        return worker(
            deliveries(rulebook),
            subscriptions(rulebook, catalogue),
            publications(rulebook),
            deadlines(rulebook),
            catalogue,
            rulebook,
            settings.deadline_seconds,
        )

    regular = [Every(FORGET_SECONDS, "forget records", lambda: _forget(rulebook, units, settings.service))]
    if isinstance(settings, NotificationJobSettings):
        send = partial(send_publications, publications(rulebook), channels(settings), rulebook, units)
        regular.append(Every(SEND_SECONDS, "send publications", lambda: _do(send)))
    return Service(engine=engine, units=units, api=api, worker=worker, regular=tuple(regular))


def channels(settings: NotificationJobSettings) -> dict[str, ChannelPort]:
    """Return the channels that are set up. What is for another one fails, and waits for its replay."""
    found: dict[str, ChannelPort] = {Channel.INTERNAL: Internal()}
    if settings.wechat_url and settings.wechat_app_id and settings.wechat_secret:
        found[Channel.WECHAT] = WeChat(
            settings.wechat_url, settings.wechat_app_id, settings.wechat_secret, settings.public_url
        )
    if settings.press_dir is not None:
        for channel, recipient in ((Channel.NEWSPAPER, settings.newspaper_mail), (Channel.TV, settings.tv_mail)):
            mail = None
            if settings.smtp_url and settings.mail_sender and recipient:
                mail = Mail(settings.smtp_url, settings.mail_sender, recipient)
            found[channel] = Press(channel.value.lower(), settings.press_dir, mail)
    return found


def _do(work: Callable[[], int]) -> None:
    work()


def _forget(rulebook: Rulebook, units: Units, service: str) -> None:
    forget_records(rulebook, units, service)
