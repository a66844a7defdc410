"""Scenario 10: one channel fails; it is retried, given up with an alert, and replayed; nothing is posted twice."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text, update

from citybus.ids import new_id
from citybus.telemetry import metrics
from dandang.commands.status import given_up
from dandang.wechat import Platform
from notification.channels.internal import Internal
from notification.persistence.models import PublicationRow
from tests.support import supervision
from tests.support.notification import MEDIA, SYSTEM, City
from tests.support.postgres import Postgres
from tests.support.wechat import titles, wechat


@pytest.fixture
def platform_and_channels(request: pytest.FixtureRequest) -> Iterator[tuple[Platform, dict[str, Any]]]:
    # Short only where an answer is to come too late.
    with wechat(timeout=0.75 if "[slow" in request.node.name else 5.0) as (platform, account):
        yield platform, {"WECHAT": account, "INTERNAL": Internal()}


@pytest.fixture
def supervising(postgres: Postgres) -> Iterator[supervision.City]:
    """Supervision as it is, with a database of its own beside that of notification."""
    database = postgres.make_database("supervision")
    yield from supervision.start_city(database)
    postgres.drop_database(database)


def publish(city: City) -> str:
    bulletin = new_id()
    city.receive(city.bulletin(bulletin=bulletin, channels=["INTERNAL", "WECHAT"]))
    return bulletin


def on_wechat(city: City, bulletin: str) -> Any:
    return city.on_channels(bulletin)["WECHAT"]


@pytest.mark.parametrize("path", ["*", "freepublish/submit", "draft/add"])
def test_a_channel_that_answers_500_is_retried_given_up_and_replayed_once(
    city: City, platform_and_channels: Any, path: str
) -> None:
    platform, channels = platform_and_channels
    platform.fault(path, "500", 100)
    bulletin = publish(city)
    for attempt in range(1, 7):
        city.send(channels)
        case = on_wechat(city, bulletin)
        assert case.attempts == attempt or case.state == "FAILED"
    if path != "*":
        # What may have been posted is looked for once more before it is given up.
        city.send(channels)
        assert platform.calls[path] == 6, "the first attempt and five retries"
    case = on_wechat(city, bulletin)
    assert case.state == "FAILED"
    assert "HTTP 500" in case.failure
    # The other channel is not held up, and nobody is told that the bulletin stands everywhere.
    assert city.on_channels(bulletin)["INTERNAL"].state == "CONFIRMED"
    told = city.told(bulletin)
    [failed] = [event for event in told if event.type == "notification.publication.failed.v1"]
    assert (failed.data["channel"], failed.data["state"]) == ("WECHAT", "FAILED")
    # The alert.
    assert any(
        line.startswith(b"city_publications_given_up_rows ") and float(line.split()[1]) >= 1
        for line in metrics.render().splitlines()
    )
    # Given up is given up: nothing is sent by itself any more.
    calls = dict(platform.calls)
    assert city.send(channels) == 0
    assert platform.calls == calls
    platform.mend()
    city.take(city.publications, case, "replay", MEDIA, {"reason": "接口已恢复"})
    city.send(channels)
    city.send(channels)
    assert on_wechat(city, bulletin).state == "CONFIRMED"
    assert len(titles(platform)) == 1
    assert city.send(channels) == 0


def test_a_bulletin_is_publishing_until_its_failed_channel_was_replayed(
    city: City, supervising: supervision.City, platform_and_channels: Any
) -> None:
    """The two services hear each other's events as they were published."""
    platform, channels = platform_and_channels
    bulletin = supervising.scheduled_bulletin(supervising.verified(), channels=["INTERNAL", "WECHAT"])
    supervising.fire()
    city.receive(*supervising.outbox(f"bulletin/{bulletin.id}"))
    platform.fault("*", "500", 100)
    for _ in range(6):
        city.send(channels)
    heard = city.told(bulletin.id)
    supervising.receive("supervision.notification", *heard)
    case = supervising.again(bulletin)
    assert case.state == "PUBLISHING"
    states = {channel: entry["state"] for channel, entry in case.channel_states.items()}
    assert states == {"INTERNAL": "CONFIRMED", "WECHAT": "FAILED"}
    # Who looks for dead letters finds it, and how to replay it.
    failed = on_wechat(city, bulletin.id)
    [row] = [each for each in given_up(city.engine.url) or () if each["publication"] == failed.id]
    assert (row["bulletin"], row["channel"], row["state"]) == (bulletin.id, "WECHAT", "FAILED")
    assert (row["failure"], row["replay"]) == (failed.failure, f"POST /publications/{failed.id}/replay")
    platform.mend()
    city.take(city.publications, failed, "replay", MEDIA, {"reason": "接口已恢复"})
    city.send(channels)
    supervising.receive("supervision.notification", *city.told(bulletin.id)[len(heard) :])
    assert supervising.again(bulletin).state == "PUBLISHED"
    assert [each["publication"] for each in given_up(city.engine.url) or ()].count(failed.id) == 0
    assert len(titles(platform)) == 1


@pytest.mark.parametrize("path", ["freepublish/submit", "draft/add"])
@pytest.mark.parametrize("how", ["lost", "slow", "busy", "never"])
def test_an_unknown_outcome_is_looked_up_before_any_second_attempt(
    city: City, platform_and_channels: Any, path: str, how: str
) -> None:
    platform, channels = platform_and_channels
    platform.slow_seconds = 1.5
    platform.fault(path, how)
    bulletin = publish(city)
    city.send(channels)
    case = on_wechat(city, bulletin)
    assert (case.state, case.unknown) == ("PENDING", True)
    asked = platform.calls.get("freepublish/batchget", 0)
    city.send(channels)
    city.send(channels)
    assert platform.calls["freepublish/batchget"] > asked
    assert on_wechat(city, bulletin).state == "CONFIRMED"
    assert len(titles(platform)) == 1


def test_while_the_channel_cannot_be_asked_an_unknown_outcome_stays_pending(
    city: City, platform_and_channels: Any
) -> None:
    platform, channels = platform_and_channels
    platform.fault("freepublish/submit", "lost")
    bulletin = publish(city)
    city.send(channels)
    platform.fault("freepublish/batchget", "500", 20)
    for _ in range(8):
        city.send(channels)
    case = on_wechat(city, bulletin)
    assert (case.state, case.unknown, platform.calls["freepublish/submit"]) == ("PENDING", True, 1)
    platform.mend()
    city.send(channels)
    assert on_wechat(city, bulletin).state == "CONFIRMED"
    assert len(titles(platform)) == 1
    assert platform.calls["freepublish/submit"] == 1


def test_a_process_that_dies_after_it_posted_leaves_the_next_one_asking_first(
    city: City, platform_and_channels: Any
) -> None:
    platform, channels = platform_and_channels
    bulletin = publish(city)
    case = on_wechat(city, bulletin)

    class Dying(Internal):
        def post(self, message: Any) -> Any:
            channels["WECHAT"].post(message)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        city.send({**channels, "WECHAT": Dying()})
    assert on_wechat(city, bulletin).state == "PENDING"
    # Its claim keeps others away until it must be over.
    assert city.send(channels, at_once=False) <= 1
    assert on_wechat(city, bulletin).attempts == 1
    city.send(channels)
    assert on_wechat(city, bulletin).state == "CONFIRMED"
    assert len(titles(platform)) == 1
    assert case.id in next(iter(platform.articles.values()))["content_source_url"]


@pytest.mark.parametrize("cause", ["the article cannot be deleted", "an unknown outcome cannot be looked up"])
def test_a_replayed_withdrawal_tells_its_correction_once(city: City, platform_and_channels: Any, cause: str) -> None:
    platform, channels = platform_and_channels
    bulletin = publish(city)
    city.send(channels)
    city.send(channels)
    [original] = platform.articles
    city.receive(city.bulletin("withdrawing", bulletin, channels=["INTERNAL", "WECHAT"], correction_text="予以更正"))
    if cause == "the article cannot be deleted":
        platform.fault("freepublish/delete", "500", 100)
        city.send(channels)
    else:
        platform.fault("freepublish/submit", "lost")
        city.send(channels)
        platform.fault("freepublish/batchget", "500", 100)
    for _ in range(5):
        assert on_wechat(city, bulletin).state == "WITHDRAWING"
        city.send(channels)
    case = on_wechat(city, bulletin)
    assert (case.state, original in platform.articles) == ("WITHDRAWAL_FAILED", True)
    assert "HTTP 500" in case.failure
    platform.mend()
    city.take(city.publications, case, "replay", MEDIA, {"reason": "接口已恢复"})
    city.send(channels)
    assert on_wechat(city, bulletin).state == "WITHDRAWN"
    [notice] = platform.articles.values()
    assert (notice["content"], platform.deleted) == ("<p>予以更正</p>", [original])
    assert platform.calls["freepublish/submit"] == 2, "the bulletin and its correction, each once"


def test_an_answer_that_comes_twice_and_a_token_that_ends_change_nothing(
    city: City, platform_and_channels: Any
) -> None:
    platform, channels = platform_and_channels
    platform.fault("freepublish/submit", "twice")
    platform.fault("draft/add", "token")
    bulletin = publish(city)
    city.send(channels)
    city.send(channels)
    assert on_wechat(city, bulletin).state == "CONFIRMED"
    assert (len(titles(platform)), platform.calls["stable_token"]) == (1, 2)
    other = publish(city)
    city.send(channels)
    assert on_wechat(city, other).state == "CONFIRMED"
    assert platform.calls["stable_token"] == 2, "a token is kept until it ends"


def test_pauses_grow_and_a_publication_is_left_alone_until_its_pause_is_over(
    city: City, platform_and_channels: Any
) -> None:
    platform, channels = platform_and_channels
    platform.fault("*", "500", 100)
    bulletin = publish(city)
    waits = []
    for attempt in range(5):
        city.send(channels)
        # The first pause, of a second, may be over on a busy machine.
        assert attempt == 0 or city.send(channels, at_once=False) == 0
        waits.append((on_wechat(city, bulletin).claimed_until - _database_now(city)).total_seconds())
    for waited, wanted in zip(waits, [1, 5, 25, 125, 300], strict=True):
        assert wanted - 4 <= waited <= wanted
    with city.acting(SYSTEM) as uow:
        uow.session.execute(update(PublicationRow).values(waiting=False))
        uow.commit()


def _database_now(city: City) -> Any:
    with city.engine.connect() as connection:
        return connection.execute(text("SELECT clock_timestamp()")).scalar_one()
