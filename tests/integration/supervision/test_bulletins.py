"""Bulletins: three approvals, what holds them back, how they are taken back, and who may see them when."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from citybus import tables
from citybus.errors import Refusal
from citybus.freshness import note_heartbeat
from citybus.ids import new_id
from supervision.persistence.models import ToleranceRow
from tests.support.supervision import (
    BUREAU,
    DISC,
    LEAD,
    MEDIA,
    ORG,
    ORG_SECOND,
    RECORDER,
    City,
    a_bulletin,
    cadre,
    officer,
)

INCENTIVE = "supervision.incentive"


def refused(city: City, case: Any, action: str, actor: Any = ORG, **form: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        city.take(city.bulletins, case, action, actor, form)
    return caught.value


def publishing(city: City, finding: Any, **changes: Any) -> Any:
    case = city.scheduled_bulletin(finding, **changes)
    city.fire()
    return city.again(case)


def types(city: City, case: Any) -> list[str]:
    return [event.type.split(".")[2] for event in city.outbox(f"bulletin/{case.id}")]


def test_three_offices_approve_and_it_is_published_at_its_time(city: City) -> None:
    case = city.approved_bulletin(city.verified())
    assert case.state == "APPROVED"
    assert [(entry["office"], entry["by"]) for entry in case.approvals] == [
        ("DISC", "disc-1"),
        ("ORG", "org-2"),
        ("MEDIA", "media-1"),
    ]
    at = city.clock.now() + timedelta(days=3)
    city.take(city.bulletins, case, "schedule", ORG, {"publish_at": at})
    city.fire()
    assert city.again(case).state == "SCHEDULED"
    city.clock.set(at)
    city.fire()
    case = city.again(case)
    assert (case.state, case.published_on) == ("PUBLISHING", at.date())
    assert case.channel_states == {channel: {"state": "PENDING"} for channel in case.channels}
    assert types(city, case) == ["approved", "scheduled", "publishing"]
    told = city.outbox(f"bulletin/{case.id}")[-1].data
    assert (told["text"], told["expire_at"]) == (case.text, "2025-03-18T00:00:00+08:00")


def test_nobody_approves_twice_nor_what_they_drafted_and_media_has_no_say_in_the_text(city: City) -> None:
    case = city.open(city.bulletins, ORG, a_bulletin(city.verified().id))
    city.take(city.bulletins, case, "submit", ORG)
    assert refused(city, case, "approve_organisation", ORG).code == "AVOIDANCE"
    city.take(city.bulletins, case, "approve_media", MEDIA)
    assert refused(city, case, "approve_media", officer("media-2", "MEDIA")).code == "DUPLICATE"
    both = officer("media-1", "MEDIA", "DISC")
    assert refused(city, case, "approve_discipline", both).code == "AVOIDANCE"
    assert refused(city, case, "revise", MEDIA).code == "FORBIDDEN"
    city.take(city.bulletins, case, "send_back", DISC, {"reason": "事实须核对"})
    assert city.again(case).approvals == []
    city.take(city.bulletins, case, "revise", ORG, a_bulletin(case.findings[0], text="样例局甲某推进较慢。"))
    assert city.take(city.bulletins, case, "submit", ORG)[0].state == "REVIEWING"


def test_only_what_was_verified_is_submitted(city: City) -> None:
    case = city.open(city.bulletins, ORG, a_bulletin(city.notified().id))
    assert refused(city, case, "submit").code == "FINDING_NOT_VERIFIED"
    with pytest.raises(Refusal) as caught:
        city.open(city.bulletins, ORG, a_bulletin(new_id()))
    assert caught.value.code == "UNKNOWN_FINDING"


def test_without_news_of_incentive_nothing_is_made_public(city: City) -> None:
    case = city.approved_bulletin(city.verified())
    beats = tables.projection_heartbeats
    with city.acting(RECORDER) as uow:
        uow.session.execute(beats.delete().where(beats.c.source == "incentive"))
        uow.commit()
    refusal = refused(city, case, "schedule")
    assert (refusal.code, refusal.status) == ("DEPENDENCY_STALE", 503)
    with city.acting(RECORDER) as uow:
        note_heartbeat(uow.session, "incentive", datetime.now(UTC))
        uow.commit()


def test_an_application_filed_after_it_was_scheduled_holds_it_back(city: City) -> None:
    finding = city.verified()
    case = city.scheduled_bulletin(finding)
    tolerance = new_id()
    city.receive(INCENTIVE, city.tolerance(finding, tolerance, "filed"))
    case = city.again(case)
    assert (case.state, case.held_for) == ("APPROVED", "TOLERANCE_PENDING")
    city.fire()
    assert city.again(case).state == "APPROVED"
    assert refused(city, case, "schedule").code == "TOLERANCE_PENDING"
    city.receive(INCENTIVE, city.tolerance(finding, tolerance, "withdrawn"))
    assert city.take(city.bulletins, case, "schedule", ORG)[0].held_for is None


def test_what_has_come_between_when_it_is_due_holds_it_back(city: City) -> None:
    finding = city.verified()
    case = city.scheduled_bulletin(finding)
    with city.acting(RECORDER) as uow:
        uow.session.add(ToleranceRow(id=new_id(), finding_id=finding.id, state="VERIFYING", decision=None))
        uow.commit()
    city.fire()
    assert (city.again(case).state, city.again(case).held_for) == ("APPROVED", "TOLERANCE_PENDING")


@pytest.mark.parametrize(
    ("decision", "factor", "named", "state"),
    [
        ("EXEMPT", "0.0", True, "WITHDRAWING"),
        ("EXEMPT", "0.0", False, "WITHDRAWING"),
        ("MITIGATE", "0.5", True, "WITHDRAWING"),
        ("MITIGATE", "0.5", False, "PUBLISHING"),
        ("DENY", "1.0", True, "PUBLISHING"),
    ],
)
def test_an_effective_tolerance_takes_back_what_is_out(
    city: City, decision: str, factor: str, named: bool, state: str
) -> None:
    finding = city.verified()
    case = publishing(city, finding, named=named)
    event = city.tolerance(finding, new_id(), "effective", decision=decision, factor=factor)
    published = city.receive(INCENTIVE, event)
    case = city.again(case)
    assert case.state == state
    if state == "WITHDRAWING":
        (told,) = [each for each in published if each.type == "supervision.bulletin.withdrawing.v1"]
        assert told.data["reason_code"] == f"TOLERANCE_{decision}"
        title = case.unnamed_title if named else case.title
        assert told.data["correction_text"].startswith(f"《{title}》")
        assert told.correlationid == event.correlationid


def test_what_is_not_out_yet_is_rejected(city: City) -> None:
    finding = city.verified()
    scheduled, draft = city.scheduled_bulletin(finding), city.open(city.bulletins, ORG, a_bulletin(finding.id))
    event = city.tolerance(finding, new_id(), "effective", decision="EXEMPT", factor="0.0")
    city.receive(INCENTIVE, event)
    assert (city.again(scheduled).state, city.again(draft).state) == ("REJECTED", "REJECTED")
    case = city.open(city.bulletins, ORG, a_bulletin(finding.id))
    assert refused(city, case, "submit").code == "TOLERANCE_GRANTED"


@pytest.mark.parametrize("actor", [ORG, DISC])
def test_organisation_or_discipline_may_always_withdraw(city: City, actor: Any) -> None:
    case = publishing(city, city.verified())
    assert refused(city, case, "withdraw", MEDIA, reason_code="OTHER", reason="误发").code == "FORBIDDEN"
    case, (event,) = city.take(
        city.bulletins, case, "withdraw", actor, {"reason_code": "FACTUAL_ERROR", "reason": "数字有误"}
    )
    assert (case.state, event.data["reason_code"]) == ("WITHDRAWING", "FACTUAL_ERROR")
    (armed,) = city.rows(
        tables.deadlines, tables.deadlines.c.ref == f"bulletin/{case.id}", tables.deadlines.c.state == "ARMED"
    )
    # Withdrawn on Thursday the 14th: the end of Friday.
    assert (armed.kind, armed.due_at.date()) == ("bulletin.withdrawal", date(2024, 3, 16))


def test_after_twelve_months_the_names_are_gone(city: City) -> None:
    case = publishing(city, city.verified())
    city.clock.advance(timedelta(days=366))
    city.fire()
    case = city.again(case)
    assert (case.state, case.named, case.text) == ("EXPIRED", False, case.unnamed_text)
    told = city.outbox(f"bulletin/{case.id}")[-1]
    assert (told.type, told.data["named"]) == ("supervision.bulletin.expired.v1", False)
    assert "甲某" not in told.data["text"]


def test_those_concerned_learn_of_it_when_it_is_public(city: City) -> None:
    finding = city.verified()
    case = city.scheduled_bulletin(finding)
    head = officer("head", "UNITHEAD", unit=BUREAU, units=frozenset({BUREAU}))
    insider = officer("officer-inside", "SUPO", unit=BUREAU)

    def sees(actor: Any) -> bool:
        with city.acting(actor) as uow:
            listed = any(row.id == case.id for row in uow.session.scalars(city.bulletins.listing(actor)))
            try:
                city.bulletins.read(uow, case.id, actor)
            except Refusal as refusal:
                return listed or refusal.code != "DATA_SCOPE"
            assert listed
            return True

    assert [sees(each) for each in (cadre(LEAD), head, insider, ORG_SECOND, MEDIA)] == [False, False, False, True, True]
    city.fire()
    assert [sees(each) for each in (cadre(LEAD), head, insider)] == [True, True, True]
    assert not sees(cadre("cadre-elsewhere"))
