"""Bulletins on their channels: queued by events, sent by the job, proved, corrected, withdrawn, expired."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from docx import Document
from sqlalchemy import update

from citybus import deadlines, tables
from citybus.cases.timers import handlers
from citybus.errors import Refusal
from citybus.ids import new_id
from dandang.wechat import Platform
from notification.application.store_proof import store_proof
from notification.channels.internal import Internal
from notification.channels.press import Press
from notification.channels.wechat import WeChat
from notification.domain.publication import PUBLICATION
from notification.persistence.models import BulletinRow, PublicationRow
from tests.support.notification import MEDIA, SYSTEM, City, rulebook
from tests.support.wechat import titles, wechat

TITLE = "关于项目推进不力问题的通报"
PNG = b"\x89PNG\r\n\x1a\n of a page"


class Channels(dict[str, Any]):
    """All four channels, with the platform behind WeChat and the folder that the press collects from."""

    platform: Platform
    folder: Path


@pytest.fixture
def channels(tmp_path: Path) -> Iterator[Channels]:
    with wechat() as (platform, account):
        found = Channels(
            WECHAT=account,
            INTERNAL=Internal(),
            NEWSPAPER=Press("newspaper", tmp_path),
            TV=Press("tv", tmp_path),
        )
        found.platform, found.folder = platform, tmp_path
        yield found


@pytest.fixture(autouse=True)
def nothing_waits(city: City) -> None:
    """What other tests left is not sent to this one's channels."""
    with city.acting(SYSTEM) as uow:
        uow.session.execute(update(PublicationRow).values(waiting=False))
        uow.commit()


ALL = ["INTERNAL", "NEWSPAPER", "TV", "WECHAT"]


def publish(city: City, *names: str) -> str:
    """Let supervision say that a bulletin is to appear; return its id."""
    bulletin = new_id()
    city.receive(city.bulletin(bulletin=bulletin, channels=list(names or ALL)))
    return bulletin


def proof(city: City) -> dict[str, str]:
    with city.acting(MEDIA) as uow:
        row, _ = store_proof(rulebook(), uow, media_type="image/png", content=PNG)
        uow.commit()
        return {"proof_sha256": row.sha256, "external_id": "2024-03-05 A3"}


def states(city: City, bulletin: str) -> dict[str, str]:
    return {channel: case.state for channel, case in city.on_channels(bulletin).items()}


def confirmed(city: City, channels: Any, *names: str) -> str:
    """Return a bulletin that stands on all its channels."""
    bulletin = publish(city, *names)
    city.send(channels)
    city.send(channels)
    for channel, case in city.on_channels(bulletin).items():
        if channel in ("NEWSPAPER", "TV"):
            city.take(city.publications, case, "confirm", MEDIA, proof(city))
    assert set(states(city, bulletin).values()) == {"CONFIRMED"}
    city.receive(city.bulletin("published", bulletin, channels=list(names or ALL)))
    return bulletin


def bulletin_row(city: City, bulletin: str) -> Any:
    [row] = city.rows(BulletinRow.__table__, BulletinRow.id == bulletin)
    return row


def test_an_event_queues_the_bulletin_for_each_channel_and_sends_nothing(city: City, channels: Channels) -> None:
    bulletin = publish(city)
    assert states(city, bulletin) == dict.fromkeys(ALL, "PENDING")
    assert channels.platform.calls == {}
    assert list(channels.folder.iterdir()) == []


def test_each_channel_is_confirmed_in_its_own_way(city: City, channels: Channels) -> None:
    bulletin = publish(city)
    city.send(channels)
    assert states(city, bulletin) == {
        "INTERNAL": "CONFIRMED",
        "NEWSPAPER": "POSTED",
        "TV": "POSTED",
        "WECHAT": "CONFIRMED",
    }
    found = city.on_channels(bulletin)
    assert found["WECHAT"].state == "CONFIRMED"
    assert found["WECHAT"].url.startswith("https://mp.weixin.qq.com/s/")
    assert found["WECHAT"].proof_sha256 is not None
    document = channels.folder / "newspaper" / f"{found['NEWSPAPER'].id}-1.docx"
    assert document.read_bytes().startswith(b"PK")
    _, [event] = city.take(city.publications, found["NEWSPAPER"], "confirm", MEDIA, proof(city))
    assert event.type == "notification.publication.confirmed.v1"
    assert (event.data["state"], event.data["external_id"]) == ("CONFIRMED", "2024-03-05 A3")
    assert event.data["proof_sha256"] == proof(city)["proof_sha256"]
    told = [(each.data["channel"], each.data["state"]) for each in city.told(bulletin)]
    assert sorted(told) == sorted(
        [(channel, "POSTED") for channel in ALL] + [(each, "CONFIRMED") for each in ("INTERNAL", "WECHAT", "NEWSPAPER")]
    )
    assert len(channels.platform.articles) == 1


def test_an_article_that_the_platform_still_works_at_is_asked_for_again(city: City, channels: Channels) -> None:
    channels.platform.unfinished = 2
    bulletin = publish(city, "WECHAT")
    for wanted in ("POSTED", "POSTED", "CONFIRMED"):
        city.send(channels)
        assert states(city, bulletin) == {"WECHAT": wanted}
    assert channels.platform.calls["freepublish/submit"] == 1


def test_a_proof_must_be_stored_and_nobody_confirms_for_a_channel_that_can_be_asked(
    city: City, channels: Channels
) -> None:
    bulletin = publish(city)
    channels.platform.unfinished = 1
    city.send(channels)
    found = city.on_channels(bulletin)
    with pytest.raises(Refusal, match="PROOF_MISSING"):
        city.take(city.publications, found["TV"], "confirm", MEDIA, {"proof_sha256": "0" * 64})
    with pytest.raises(Refusal, match="CHANNEL_CONFIRMS_ITSELF"):
        city.take(city.publications, found["WECHAT"], "confirm", MEDIA, proof(city))
    city.send(channels)


def test_a_correction_is_posted_beside_the_bulletin(city: City, channels: Channels) -> None:
    bulletin = confirmed(city, channels)
    city.receive(city.bulletin("corrected", bulletin, channels=ALL, text="更正后的全文", correction_text="数字有误"))
    assert states(city, bulletin) == dict.fromkeys(ALL, "PENDING")
    city.send(channels)
    city.send(channels)
    found = city.on_channels(bulletin)
    assert (found["WECHAT"].state, found["NEWSPAPER"].state) == ("CONFIRMED", "POSTED")
    standing = titles(channels.platform)
    assert len(standing) == 2
    assert standing[1].startswith("更正：")
    [correction] = [each for each in channels.platform.articles.values() if each["title"].startswith("更正：")]
    assert correction["content"] == "<p>数字有误</p><p>更正后的全文</p>"
    assert (channels.folder / "newspaper" / f"{found['NEWSPAPER'].id}-2.docx").exists()
    row = bulletin_row(city, bulletin)
    assert (row.state, row.correction_text, row.text) == ("CORRECTED", "数字有误", "更正后的全文")


def test_a_withdrawal_reaches_every_channel_with_the_correction(city: City, channels: Channels) -> None:
    bulletin = confirmed(city, channels)
    [original] = channels.platform.articles
    ordered = city.bulletin("withdrawing", bulletin, channels=ALL, correction_text="经复核，撤回该通报")
    ordered = replace(ordered, correlationid=new_id())
    city.receive(ordered)
    assert bulletin_row(city, bulletin).text == ""
    with pytest.raises(Refusal, match="NOTICE_NOT_GIVEN"):
        city.take(city.publications, city.on_channels(bulletin)["TV"], "retract", MEDIA, proof(city))
    city.send(channels)
    told = [event for event in city.told(bulletin) if event.data["state"] == "WITHDRAWN"]
    assert {event.correlationid for event in told} == {ordered.correlationid}
    found = city.on_channels(bulletin)
    assert {channel: case.state for channel, case in found.items()} == {
        "INTERNAL": "WITHDRAWN",
        "NEWSPAPER": "WITHDRAWING",
        "TV": "WITHDRAWING",
        "WECHAT": "WITHDRAWN",
    }
    assert channels.platform.deleted == [original]
    [notice] = channels.platform.articles.values()
    assert notice["content"] == "<p>经复核，撤回该通报</p>"
    assert found["WECHAT"].url == notice["url"]
    for channel in ("NEWSPAPER", "TV"):
        assert (channels.folder / channel.lower() / f"{found[channel].id}-w.docx").exists()
        done, [event] = city.take(city.publications, found[channel], "retract", MEDIA, proof(city))
        assert (event.type, event.data["state"]) == ("notification.publication.withdrawn.v1", "WITHDRAWN")
        assert (done.title, done.content) == ("", "")
    assert city.send(channels) == 0


def test_what_never_stood_anywhere_is_withdrawn_without_a_word(city: City, channels: Channels) -> None:
    bulletin = publish(city)
    city.receive(city.bulletin("withdrawing", bulletin, channels=ALL, correction_text="撤回"))
    city.send(channels)
    assert states(city, bulletin) == dict.fromkeys(ALL, "WITHDRAWN")
    assert channels.platform.articles == {}
    assert list(channels.folder.iterdir()) == []


def test_a_withdrawal_waits_until_the_platform_has_finished_posting(city: City, channels: Channels) -> None:
    bulletin = publish(city, "WECHAT")
    channels.platform.unfinished = 2
    city.send(channels)
    city.receive(city.bulletin("withdrawing", bulletin, channels=["WECHAT"], correction_text="撤回"))
    city.send(channels)
    assert states(city, bulletin) == {"WECHAT": "WITHDRAWING"}
    city.send(channels)
    assert states(city, bulletin) == {"WECHAT": "WITHDRAWN"}
    assert titles(channels.platform) == ["更正：撤回此前发布的通报"]


def test_a_withdrawal_that_dies_half_way_is_finished_once(city: City, channels: Channels) -> None:
    bulletin = confirmed(city, channels, "WECHAT")
    channels.platform.fault("freepublish/delete", "lost")
    city.receive(city.bulletin("withdrawing", bulletin, channels=["WECHAT"], correction_text="撤回"))
    city.send(channels)
    city.send(channels)
    assert states(city, bulletin) == {"WECHAT": "WITHDRAWN"}
    assert len(channels.platform.articles) == 1


def test_a_withdrawal_that_is_not_done_in_a_working_day_is_told(city: City, channels: Channels) -> None:
    bulletin = confirmed(city, channels, "TV")
    city.receive(city.bulletin("withdrawing", bulletin, channels=["TV"], correction_text="撤回"))
    [case] = city.on_channels(bulletin).values()
    [deadline] = city.rows(
        tables.deadlines, tables.deadlines.c.ref == f"publication/{case.id}", tables.deadlines.c.state == "ARMED"
    )
    assert (deadline.kind, deadline.due_at.isoformat()) == ("publication.withdrawal", "2024-03-06T00:00:00+08:00")
    assert deadline.due_at - deadline.warn_at == timedelta(hours=4)
    city.clock.advance(timedelta(days=2))
    assert deadlines.fire_due(city.units, handlers((city.publications,))).fired >= 1


def test_an_expired_bulletin_leaves_no_text(city: City, channels: Channels) -> None:
    bulletin = confirmed(city, channels)
    city.receive(city.bulletin("expired", bulletin, channels=ALL))
    city.send(channels)
    assert states(city, bulletin) == {
        "INTERNAL": "WITHDRAWN",
        "NEWSPAPER": "EXPIRED",
        "TV": "EXPIRED",
        "WECHAT": "WITHDRAWN",
    }
    assert channels.platform.articles == {}
    assert (bulletin_row(city, bulletin).text, bulletin_row(city, bulletin).title) == ("", "")
    for case in city.on_channels(bulletin).values():
        assert (case.title, case.content) == ("", "")


def test_what_was_printed_is_corrected_though_the_bulletin_had_expired(city: City, channels: Channels) -> None:
    bulletin = confirmed(city, channels)
    city.receive(city.bulletin("expired", bulletin, channels=ALL))
    city.send(channels)
    city.receive(city.bulletin("withdrawing", bulletin, channels=ALL, correction_text="经复核，撤回该通报"))
    city.send(channels)
    found = city.on_channels(bulletin)
    assert {channel: case.state for channel, case in found.items()} == {
        "INTERNAL": "WITHDRAWN",
        "NEWSPAPER": "WITHDRAWING",
        "TV": "WITHDRAWING",
        "WECHAT": "WITHDRAWN",
    }
    # Where nothing stands any more, nothing is said anew.
    assert channels.platform.articles == {}
    for channel in ("NEWSPAPER", "TV"):
        page = channels.folder / channel.lower() / f"{found[channel].id}-w.docx"
        assert "经复核，撤回该通报" in "\n".join(each.text for each in Document(str(page)).paragraphs)
        city.take(city.publications, found[channel], "retract", MEDIA, proof(city))
    assert states(city, bulletin) == dict.fromkeys(ALL, "WITHDRAWN")
    told = [event.data["channel"] for event in city.told(bulletin) if event.data["state"] == "WITHDRAWN"]
    assert sorted(told) == sorted(ALL)
    assert bulletin_row(city, bulletin).state == "WITHDRAWING"
    assert city.send(channels) == 0


def test_what_expired_before_it_was_printed_is_withdrawn_without_a_word(city: City, channels: Channels) -> None:
    bulletin = publish(city, "TV")
    city.receive(city.bulletin("expired", bulletin, channels=["TV"]))
    city.receive(city.bulletin("withdrawing", bulletin, channels=["TV"], correction_text="撤回"))
    city.send(channels)
    assert states(city, bulletin) == {"TV": "WITHDRAWN"}
    assert list(channels.folder.iterdir()) == []


def test_an_event_that_comes_twice_queues_once(city: City, channels: Channels) -> None:
    bulletin = new_id()
    event = city.bulletin(bulletin=bulletin)
    city.receive(event)
    city.receive(event)
    city.send(channels)
    assert len(titles(channels.platform)) == 1


def test_a_channel_that_is_not_set_up_fails_until_it_is(city: City, channels: Channels) -> None:
    bulletin = publish(city, "TV")
    for _ in range(6):
        city.send({})
    assert states(city, bulletin) == {"TV": "FAILED"}
    [case] = city.on_channels(bulletin).values()
    assert "not set up" in case.failure
    city.take(city.publications, case, "replay", MEDIA, {"reason": "已配置"})
    city.send(channels)
    assert states(city, bulletin) == {"TV": "POSTED"}


def test_a_replay_wants_a_reason(city: City, channels: Channels) -> None:
    bulletin = publish(city, "TV")
    for _ in range(6):
        city.send({})
    [case] = city.on_channels(bulletin).values()
    with pytest.raises(Refusal, match="REASON_MISSING"):
        city.take(city.publications, case, "replay", MEDIA)


def test_nobody_but_the_publicity_department_moves_a_publication() -> None:
    allowed = {role for action in PUBLICATION.actions.values() for role in action.allow}
    assert allowed == {"MEDIA"}


def test_an_adapter_that_breaks_holds_up_no_other_channel(city: City, channels: Channels) -> None:
    class Broken(WeChat):
        def __init__(self) -> None:
            pass

        def post(self, message: Any) -> Any:
            raise RuntimeError("a fault of our own")

        def find(self, client_id: str) -> Any:
            raise RuntimeError("a fault of our own")

    bulletin = publish(city)
    city.send({**channels, "WECHAT": Broken()})
    found = city.on_channels(bulletin)
    assert (found["WECHAT"].state, found["WECHAT"].unknown) == ("PENDING", True)
    assert found["TV"].state == "POSTED"
    city.send(channels)
    assert city.on_channels(bulletin)["WECHAT"].state == "CONFIRMED"
