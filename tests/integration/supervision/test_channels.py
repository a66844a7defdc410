"""What channels report of a bulletin, and what appeals do to findings, bulletins and measures."""

from datetime import timedelta
from typing import Any

import pytest

from citybus import tables
from citybus.cases import Actor
from citybus.envelope import Event
from citybus.errors import Invalid, Refusal
from citybus.ids import new_id
from supervision.application.apply_appeal import apply_appeal
from tests.integration.supervision.test_measures import delivered
from tests.support.supervision import DISC, MEDIA, ORG, ORG_SECOND, City, a_bulletin

NOTIFICATION, INCENTIVE = "supervision.notification", "supervision.incentive"
CHANNELS = ("NEWSPAPER", "TV", "WECHAT")


class Channels:
    """The channels of one bulletin, as notification reports of them."""

    def __init__(self, city: City, bulletin: Any) -> None:
        self.city, self.bulletin = city, bulletin
        self.publications = {channel: new_id() for channel in CHANNELS}

    def event(self, channel: str, step: str, **changes: Any) -> Event:
        publication = self.publications[channel]
        data = {
            "publication": publication,
            "bulletin": self.bulletin.id,
            "channel": channel,
            "task": "BULLETIN",
            "state": step.upper(),
            "external_id": f"{channel}-1",
            "url": None,
            "proof_sha256": None,
            "failure": None,
        } | changes
        return self.city.event(f"notification.publication.{step}.v1", f"publication/{publication}", data)

    def report(self, step: str, *channels: str) -> Any:
        for channel in channels or CHANNELS:
            self.city.receive(NOTIFICATION, self.event(channel, step))
        return self.city.again(self.bulletin)


def publishing(city: City, *findings: Any, **changes: Any) -> Any:
    case = city.scheduled_bulletin(*(findings or (city.verified(),)), **changes)
    city.fire()
    return city.again(case)


def steps(city: City, case: Any) -> list[str]:
    return [event.type.split(".")[2] for event in city.outbox(f"bulletin/{case.id}")]


def test_published_when_every_channel_has_confirmed_and_withdrawn_when_every_channel_says_so(city: City) -> None:
    case = publishing(city)
    channels = Channels(city, case)
    assert channels.report("posted").state == "PUBLISHING"
    assert channels.report("confirmed", "NEWSPAPER", "TV").state == "PUBLISHING"
    case = channels.report("confirmed", "WECHAT")
    assert case.state == "PUBLISHED"
    assert case.channel_states["TV"]["external_id"] == "TV-1"
    city.take(city.bulletins, case, "withdraw", DISC, {"reason_code": "FACTUAL_ERROR", "reason": "有误"})
    assert channels.report("withdrawn", "TV", "WECHAT").state == "WITHDRAWING"
    armed = tables.deadlines
    waiting = (armed.c.ref == f"bulletin/{case.id}", armed.c.kind == "bulletin.withdrawal", armed.c.state == "ARMED")
    assert len(city.rows(armed, *waiting)) == 1
    assert channels.report("withdrawn", "NEWSPAPER").state == "WITHDRAWN"
    assert city.rows(armed, *waiting) == []
    assert steps(city, case) == ["approved", "scheduled", "publishing", "published", "withdrawing", "withdrawn"]
    # It is over: nothing is noted any more.
    assert channels.report("posted", "TV").version == city.again(case).version


def test_a_channel_that_fails_holds_up_the_publication_until_it_is_repaired(city: City) -> None:
    channels = Channels(city, publishing(city))
    channels.report("confirmed", "NEWSPAPER", "TV")
    case = channels.report("failed", "WECHAT")
    assert (case.state, case.channel_states["WECHAT"]["state"]) == ("PUBLISHING", "FAILED")
    assert channels.report("confirmed", "WECHAT").state == "PUBLISHED"


def test_reports_that_come_late_or_twice_undo_nothing(city: City) -> None:
    channels = Channels(city, publishing(city))
    posted, confirmed = channels.event("TV", "posted"), channels.event("TV", "confirmed")
    city.receive(NOTIFICATION, confirmed)
    city.receive(NOTIFICATION, posted)
    city.receive(NOTIFICATION, confirmed)
    assert city.again(channels.bulletin).channel_states["TV"]["state"] == "CONFIRMED"
    with pytest.raises(Invalid) as caught:
        city.receive(NOTIFICATION, channels.event("TV", "posted", bulletin=new_id()))
    assert caught.value.reason == "UNKNOWN_BULLETIN"


def expired(city: City, *names: str) -> tuple[Any, Channels]:
    """Return a bulletin whose twelve months are over, and that was taken from every channel that lets go of it."""
    case = publishing(city, channels=list(names))
    channels = Channels(city, case)
    channels.report("confirmed", *names)
    city.clock.advance(timedelta(days=366))
    city.fire()
    return channels.report("withdrawn", "WECHAT"), channels


def test_an_expired_bulletin_that_no_channel_shows_is_withdrawn_at_once(city: City) -> None:
    case, _ = expired(city, "WECHAT")
    assert case.state == "EXPIRED"
    case, told = city.take(
        city.bulletins, case, "withdraw", DISC, {"reason_code": "FACTUAL_ERROR", "reason": "数字有误"}
    )
    assert city.again(case).state == "WITHDRAWN"
    assert steps(city, case)[-3:] == ["expired", "withdrawing", "withdrawn"]
    assert case.unnamed_title in told[0].data["correction_text"]
    armed = tables.deadlines.c
    assert not city.rows(tables.deadlines, armed.ref == f"bulletin/{case.id}", armed.state.in_(("ARMED", "WARNED")))


def test_an_expired_bulletin_that_was_printed_is_withdrawn_when_the_press_has_corrected_it(city: City) -> None:
    case, channels = expired(city, *CHANNELS)
    city.take(city.bulletins, case, "withdraw", DISC, {"reason_code": "FACTUAL_ERROR", "reason": "数字有误"})
    assert city.again(case).state == "WITHDRAWING"
    assert channels.report("withdrawn", "TV").state == "WITHDRAWING"
    assert channels.report("withdrawn", "NEWSPAPER").state == "WITHDRAWN"


def test_a_correction_takes_three_approvals_and_goes_through_every_channel(city: City) -> None:
    case = publishing(city)
    channels = Channels(city, case)
    case = channels.report("confirmed")
    with pytest.raises(Refusal) as caught:
        city.take(city.bulletins, case, "approve_media", MEDIA)
    assert caught.value.code == "CORRECTION_MISSING"
    text = a_bulletin("x", text="样例局副局长甲某对重点项目推进较慢,责令限期整改。")
    form = {name: text[name] for name in ("title", "text", "unnamed_title", "unnamed_text")}
    form |= {"correction_text": "“推进不力”应为“推进较慢”。", "reason": "用语有误"}
    city.take(city.bulletins, case, "propose_correction", ORG, form)
    for action, actor in (("discipline", DISC), ("media", MEDIA), ("organisation", ORG_SECOND)):
        assert city.again(case).state == "PUBLISHED"
        city.take(city.bulletins, case, f"approve_{action}", actor)
    case = city.again(case)
    assert (case.state, case.text, case.correction) == ("CORRECTED", form["text"], None)
    assert {entry["state"] for entry in case.channel_states.values()} == {"PENDING"}
    assert channels.report("confirmed", "TV", "WECHAT").state == "CORRECTED"
    assert channels.report("confirmed", "NEWSPAPER").state == "PUBLISHED"
    assert steps(city, case)[-3:] == ["published", "corrected", "published"]


def test_a_tolerance_withdraws_the_named_bulletin_on_all_channels(city: City) -> None:
    """The part of scenario 4 that supervision has in it: the named bulletin is withdrawn, under one correlation id."""
    finding = city.verified()
    case = publishing(city, finding)
    channels = Channels(city, case)
    channels.report("confirmed")
    event = city.tolerance(finding, new_id(), "effective", decision="MITIGATE", factor="0.5")
    published = city.receive(INCENTIVE, event)
    assert {each.type.split(".")[2] for each in published} >= {"weight-changed", "withdrawing"}
    assert {each.correlationid for each in published} == {event.correlationid}
    assert (city.again(finding).effective_weight, channels.report("withdrawn").state) == (1, "WITHDRAWN")


def hear(city: City, subject: str, state: str, appeal_id: str, decision: str | None = None) -> list[Event]:
    """Let supervision hear of an appeal's state; return what it publishes."""
    data = {"appeal": appeal_id, "type": "DIRECT_APPEAL", "subject_ref": subject, "state": state}
    event: Any = None
    with city.acting(Actor("consumer")) as uow:
        apply_appeal(city.cases, uow, event, data | {"decision": decision, "amended_to": None})
        uow.commit()
        return uow.published


def test_an_open_appeal_holds_a_bulletin_back_and_a_decision_revokes_the_finding(city: City) -> None:
    finding = city.verified()
    out, scheduled = publishing(city, finding), city.scheduled_bulletin(finding)
    one = new_id()
    hear(city, f"finding/{finding.id}", "FILED", one)
    assert (city.again(scheduled).state, city.again(scheduled).held_for) == ("APPROVED", "APPEAL_PENDING")
    with pytest.raises(Refusal) as caught:
        city.take(city.bulletins, scheduled, "schedule", ORG)
    assert (caught.value.status, caught.value.code) == (422, "APPEAL_PENDING")
    hear(city, f"finding/{finding.id}", "DECIDED", one, "REVOKED")
    again = city.again(finding)
    assert (again.state, again.effective_weight) == ("REVOKED", 0)
    assert again.revocation == {"basis": "APPEAL", "reference": f"appeal/{one}"}
    assert (city.again(out).state, city.again(scheduled).state) == ("WITHDRAWING", "REJECTED")
    # Its execution says the same once more, and changes nothing.
    assert hear(city, f"finding/{finding.id}", "EXECUTED", one, "REVOKED") == []


@pytest.mark.parametrize(("state", "decision"), [("REJECTED", None), ("WITHDRAWN", None), ("DECIDED", "UPHELD")])
def test_an_appeal_that_comes_to_nothing_lets_it_be_published(city: City, state: str, decision: str | None) -> None:
    finding = city.verified()
    one = new_id()
    case = city.approved_bulletin(finding)
    hear(city, f"finding/{finding.id}", "FILED", one)
    hear(city, f"finding/{finding.id}", state, one, decision)
    assert city.take(city.bulletins, case, "schedule", ORG)[0].state == "SCHEDULED"
    assert city.again(finding).state == "VERIFIED"


@pytest.mark.parametrize(
    ("decision", "state", "eased"), [("REVOKED", "REVOKED", False), ("AMENDED", "DELIVERED", True)]
)
def test_a_successful_appeal_takes_back_a_measure_or_eases_it(
    city: City, decision: str, state: str, eased: bool
) -> None:
    case = delivered(city, "ADMONISH", "member-1")
    hear(city, f"measure/{case.id}", "DECIDED", new_id(), decision)
    assert (city.again(case).state, city.again(case).eased) == (state, eased)


def test_appeals_about_other_matters_are_none_of_our_business(city: City) -> None:
    for subject in (f"annual/{new_id()}", f"finding/{new_id()}", f"measure/{new_id()}"):
        assert hear(city, subject, "DECIDED", new_id(), "REVOKED") == []
