"""Signals: posted, merged, triaged, linked, handed over, dismissed; who sees them; who told of them, sealed apart."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from citybus import tables
from citybus.cases import Actor
from citybus.cases.tables import case_steps
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.ids import new_id
from citybus.vault import SealBroken
from supervision.application import queries
from supervision.application.post_signal import post_signal, receipt, receipts
from supervision.persistence.models import CadreRow, InformantRow, SignalRow
from tests.support.signals import AUDITORS, ELSEWHERE, INFORMANT, PETITIONS, Signals, a_clue
from tests.support.supervision import (
    BUREAU,
    CUSTODIAN,
    DIRECT,
    DISC,
    DISTRICT,
    LEAD,
    ORG,
    ORG_SECOND,
    RECORDER,
    UNITHEAD,
    City,
    a_draft,
    cadre,
    officer,
    outbox_events,
)
from tests.support.waiting import eventually


@pytest.fixture
def signals(city: City) -> Signals:
    """Signals of a city in which nobody has posted anything yet."""
    with city.engine.begin() as connection:
        for table in ("informant_accesses", "signal_informants", "signals"):
            connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(text("DELETE FROM deadlines WHERE ref ~ '^(signal|informant-access)/'"))
    return Signals(city)


def refused(attempt: Any, *given: Any, **form: Any) -> tuple[int, str]:
    with pytest.raises(Refusal) as caught:
        attempt(*given, **form)
    return caught.value.status, caught.value.code


def told(city: City, case: Any) -> list[str]:
    return [event.type.removeprefix("supervision.signal.") for event in city.outbox(f"signal/{case.id}")]


def deadline(city: City, case: Any) -> Any:
    armed = tables.deadlines
    rows = city.rows(armed, armed.c.ref == f"signal/{case.id}")
    return rows[0] if rows else None


def last_day(found: Any) -> date:
    day: date = (found.due_at - timedelta.resolution).astimezone(ZONE).date()
    return day


def of_deadlines(city: City, case: Any) -> list[Any]:
    """Return what was told of the deadlines of a case."""
    return [
        event
        for event in outbox_events(city)
        if ".deadline." in event.type and event.data["ref"] == f"signal/{case.id}"
    ]


def texts(city: City, case: Any, who: Any = ORG) -> list[str | None]:
    with city.acting(who) as uow:
        found = [row.text for row in queries.signal_texts(city.cases.signals, uow, case.id, who)]
        uow.commit()
        return found


def listed(city: City, who: Any) -> set[str]:
    with city.acting(who) as uow:
        return {row.id for row in uow.session.scalars(city.cases.signals.listing(who))}


# ---- from posting to where it leads


def test_a_clue_is_posted_triaged_and_linked_and_events_tell_no_word_of_it(city: City, signals: Signals) -> None:
    finding = city.notified()
    case = signals.posted()
    assert (case.state, case.posted_by, case.posted_unit, case.version) == ("RECEIVED", "dept-audit", "420200-AUDIT", 1)
    assert told(city, case) == []
    case = signals.take(case, "triage", severity=3)
    assert (case.state, case.triaged_on, case.in_time, case.severity) == ("TRIAGED", date(2024, 3, 4), True, 3)
    case = signals.take(case, "link", finding=finding.id)
    assert (case.state, case.linked_finding) == ("LINKED", finding.id)
    assert told(city, case) == ["triaged.v1", "linked.v1"]
    linked = city.outbox(f"signal/{case.id}")[-1]
    assert linked.data == {
        "signal": case.id,
        "unit": BUREAU,
        "source": "AUDIT",
        "state": "LINKED",
        "triaged_on": "2024-03-04",
        "in_time": True,
        "finding": finding.id,
    }


def test_a_clue_is_handed_over_in_version_two_and_a_refused_finding_in_version_one(
    city: City, signals: Signals
) -> None:
    case = signals.take(signals.triaged(type="DISCIPLINE_VIOLATION"), "transfer", reason="涉嫌违纪")
    assert (case.state, case.transferred_to, case.transferred_at) == ("TRANSFERRED", "DISC", city.clock.now())
    assert told(city, case) == ["triaged.v1", "transferred.v2"]
    finding = city.open(city.findings, RECORDER, a_draft(reason_codes=["TAKING_GIFTS"]))
    with city.acting(RECORDER) as uow:
        with pytest.raises(Refusal):
            city.findings.take(uow, finding.id, "notify", RECORDER, {}, 1)
        uow.commit()
    (sent,) = city.rows(SignalRow, SignalRow.finding_id == finding.id)
    assert (sent.state, sent.version, sent.posted_by, sent.text) == ("TRANSFERRED", 2, None, None)
    assert told(city, sent) == ["transferred.v1"]
    assert city.outbox(f"signal/{sent.id}")[0].rulepack == "LOCAL-HS-2016@1"
    # Nobody has to triage what was handed over in the same step, and no posted clue is merged with it.
    assert deadline(city, sent) is None
    assert signals.posted(cadre=None, type="TASK_NOT_IMPLEMENTED").state == "RECEIVED"
    assert {case.id, sent.id} <= listed(city, DISC)


def test_a_clue_is_dismissed_with_a_reason_by_somebody_else_than_who_posted_it(city: City, signals: Signals) -> None:
    case = signals.triaged(ORG)
    assert refused(signals.take, case, "dismiss", ORG_SECOND) == (422, "REASON_MISSING")
    assert refused(signals.take, case, "dismiss", ORG, reason="不属实") == (422, "AVOIDANCE")
    assert refused(signals.take, case, "dismiss", ORG_SECOND, reason="机密") == (451, "SECRECY_LEVEL")
    signals.posted(ORG_SECOND)
    assert refused(signals.take, case, "dismiss", ORG_SECOND, reason="不属实") == (422, "AVOIDANCE")
    third = officer("org-3", "ORG.supervise", unit="420200-ORG")
    assert signals.take(case, "dismiss", third, reason="不属实").state == "DISMISSED"
    assert told(city, case) == ["triaged.v1", "dismissed.v1"]


def test_a_matter_of_discipline_is_neither_linked_nor_dismissed(city: City, signals: Signals) -> None:
    case = signals.triaged(type="DUTY_CRIME")
    finding = city.notified()
    for action, form in (("link", {"finding": finding.id}), ("dismiss", {"reason": "不属实"})):
        assert refused(signals.take, case, action, **form) == (422, "DISCIPLINE_MATTER")


def test_a_link_leads_to_a_standing_finding_about_the_same_unit_and_cadre(city: City, signals: Signals) -> None:
    case = signals.triaged()
    assert refused(signals.take, case, "link", finding=new_id()) == (422, "UNKNOWN_FINDING")
    elsewhere = city.open(
        city.findings, RECORDER, a_draft(unit=DISTRICT, responsible=[{"cadre": "member-2", "role": "LEAD"}])
    )
    assert refused(signals.take, case, "link", finding=elsewhere.id) == (422, "UNIT_DIFFERS")
    of_another = city.open(city.findings, RECORDER, a_draft(responsible=[{"cadre": DIRECT, "role": "LEAD"}]))
    assert refused(signals.take, case, "link", finding=of_another.id) == (422, "NOT_RESPONSIBLE")
    rejected = city.notified()
    city.take(city.findings, rejected, "reject", RECORDER, {"reason": "不属实"})
    assert refused(signals.take, case, "link", finding=rejected.id) == (422, "FINDING_FALLEN")
    revoked = city.verified()
    for actor in (ORG, DISC):
        form = {"basis": "CLARIFICATION", "reference": "clarification/1", "reason": "不实"}
        city.take(city.findings, revoked, "revoke", actor, form)
    assert refused(signals.take, case, "link", finding=revoked.id) == (422, "FINDING_FALLEN")
    assert city.again(case).state == "TRIAGED"


# ---- the time for triage


def test_triage_satisfies_its_deadline_which_names_the_office_and_nobody_else(city: City, signals: Signals) -> None:
    case = signals.posted()
    found = deadline(city, case)
    assert (found.kind, found.state, last_day(found)) == ("signal.triage", "ARMED", date(2024, 3, 11))
    (armed,) = of_deadlines(city, case)
    assert (armed.data["units"], armed.data["persons"], armed.data["disclosed"]) == ([BUREAU], [], False)
    assert armed.data["offices"] == ["ORG.supervise"]
    signals.take(case, "triage")
    assert deadline(city, case).state == "SATISFIED"
    assert [event.data["state"] for event in of_deadlines(city, case)] == ["ARMED", "SATISFIED"]


def test_a_petition_has_fifteen_days_and_a_late_triage_is_marked(city: City, signals: Signals) -> None:
    petition = signals.posted(PETITIONS, source="PETITION", cadre=None)
    assert last_day(deadline(city, petition)) == date(2024, 3, 19)
    city.clock.advance(timedelta(days=16))
    city.fire()
    assert deadline(city, petition).state == "FIRED"
    assert signals.take(petition, "triage").in_time is False
    assert of_deadlines(city, petition)[-1].data["state"] == "SATISFIED"


# ---- duplicates


def test_a_duplicate_is_kept_whole_and_read_with_the_first(city: City, signals: Signals) -> None:
    first = signals.posted()
    second = signals.posted(PETITIONS, source="PETITION", severity=4, text="群众反映同一项目停工。")
    assert (second.state, second.merged_into) == ("MERGED", first.id)
    first = city.again(first)
    assert (first.state, first.merged, first.severity, first.version) == ("RECEIVED", 1, 4, 2)
    assert texts(city, first) == ["项目进度滞后,资金闲置。", "群众反映同一项目停工。"]
    # Nobody waits for the triage of what was merged, and nothing is told of it.
    assert (deadline(city, second), told(city, second)) == (None, [])
    steps = city.rows(case_steps, case_steps.c.case_id == second.id)
    assert [(each.action, each.to_state, each.actor) for each in steps] == [
        ("create", "RECEIVED", "petition-1"),
        ("merge", "MERGED", "system:supervision"),
    ]


def test_who_decides_on_an_older_look_is_told_that_a_duplicate_came(city: City, signals: Signals) -> None:
    case = signals.triaged()
    signals.posted(PETITIONS)
    with city.acting(ORG) as uow, pytest.raises(Refusal) as caught:
        city.cases.signals.take(uow, case.id, "transfer", ORG, {}, case.version)
    assert caught.value.code == "STALE_VERSION"


@pytest.mark.parametrize(
    "other", [{"cadre": DIRECT}, {"cadre": None}, {"type": "SERVICE"}, {"unit": DISTRICT}], ids=str
)
def test_another_unit_subject_or_type_is_another_signal(signals: Signals, other: Any) -> None:
    signals.posted()
    assert signals.posted(PETITIONS, **other).state == "RECEIVED"


def test_two_that_name_nobody_are_about_the_same(signals: Signals) -> None:
    first = signals.posted(cadre=None)
    assert signals.posted(PETITIONS, cadre=None).merged_into == first.id


@pytest.mark.parametrize(("days", "state"), [(30, "MERGED"), (31, "RECEIVED")])
def test_the_window_runs_from_the_first_and_not_from_its_last_duplicate(
    city: City, signals: Signals, days: int, state: str
) -> None:
    first = signals.posted()
    city.clock.advance(timedelta(days=20))
    assert signals.posted(PETITIONS).merged_into == first.id
    city.clock.advance(timedelta(days=days - 20))
    assert signals.posted(PETITIONS).state == state


def test_who_posts_the_same_at_once_waits_for_the_first(city: City, signals: Signals) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")

    def blocked_or_done() -> bool:
        with city.engine.connect() as connection:
            return later.done() or connection.execute(waiting).scalar_one() > 0

    with ThreadPoolExecutor(1) as posting, city.acting(AUDITORS) as uow:
        first = post_signal(city.cases.signals, city.vault, uow, AUDITORS, a_clue())
        later = posting.submit(signals.posted, PETITIONS)
        eventually(blocked_or_done)
        uow.commit()
        assert later.result().merged_into == first.id
    assert city.again(first).merged == 1


def test_what_was_settled_takes_duplicates_in_but_not_what_was_dismissed(city: City, signals: Signals) -> None:
    dismissed = signals.take(signals.triaged(), "dismiss", reason="不属实")
    again = signals.posted(PETITIONS)
    assert (again.state, city.again(dismissed).merged) == ("RECEIVED", 0)
    handed = signals.take(signals.take(again, "triage"), "transfer")
    assert signals.posted().merged_into == handed.id
    assert (city.again(handed).state, city.again(handed).merged) == ("TRANSFERRED", 1)


# ---- who may post, and who sees it


@pytest.mark.parametrize(
    "role",
    [
        *("ORG", "ORG.assess", "SUPO", "SUPO.director", "DISC", "COMM", "MEDIA", "REVIEWER", "TRAINER"),
        *("UNITHEAD", "UNITHR", "SUBSYS"),
    ],
)
def test_officers_of_every_department_post(signals: Signals, role: str) -> None:
    who = officer(f"post-{role}", role, unit="420200-ANY", units=frozenset())
    assert signals.posted(who).posted_by == who.subject


@pytest.mark.parametrize("role", ["CADRE", "FAIRCOMM", "CUSTODIAN", "SYSADM", "SECADM", "AUDADM"])
def test_others_do_not(signals: Signals, role: str) -> None:
    assert refused(signals.posted, officer("other", role)) == (403, "FORBIDDEN")


def test_a_head_may_post_about_the_own_unit_and_sees_the_receipt_alone(city: City, signals: Signals) -> None:
    case = signals.posted(UNITHEAD)
    assert listed_receipts(city, UNITHEAD) == {case.id}
    with city.acting(UNITHEAD) as uow:
        assert receipt(uow, case.id, UNITHEAD).state == "RECEIVED"
        assert refused(city.cases.signals.read, uow, case.id, UNITHEAD) == (403, "FORBIDDEN")


def listed_receipts(city: City, who: Any) -> set[str]:
    with city.acting(who) as uow:
        return {row.id for row in uow.session.scalars(receipts(who))}


def test_a_receipt_is_the_posters_own(city: City, signals: Signals) -> None:
    mine, others = signals.posted(), signals.posted(PETITIONS)
    assert (listed_receipts(city, AUDITORS), listed_receipts(city, PETITIONS)) == ({mine.id}, {others.id})
    colleague = Actor("dept-audit-2", AUDITORS.roles, units=AUDITORS.units, unit=AUDITORS.unit)
    assert listed_receipts(city, colleague) == set()
    for who, case in ((AUDITORS, others), (colleague, mine)):
        with city.acting(who) as uow:
            assert refused(receipt, uow, case.id, who) == (404, "NOT_FOUND")


def test_those_concerned_and_officers_out_of_reach_never_see_it(city: City, signals: Signals) -> None:
    case = signals.posted()
    apart = officer("org-bureau", "ORG.supervise", unit=BUREAU)
    concerned = officer("org-lead", "ORG.supervise", unit="420200-ORG", person=LEAD)
    for who in (apart, concerned, ELSEWHERE):
        assert listed(city, who) == set()
        with city.acting(who) as uow:
            assert refused(city.cases.signals.read, uow, case.id, who) == (403, "DATA_SCOPE")
            assert refused(queries.signal_texts, city.cases.signals, uow, case.id, who) == (403, "DATA_SCOPE")
    for who in (cadre(LEAD), UNITHEAD, RECORDER, CUSTODIAN):
        with city.acting(who) as uow:
            assert refused(city.cases.signals.read, uow, case.id, who) == (403, "FORBIDDEN")
    assert refused(signals.take, case, "triage", apart) == (422, "AVOIDANCE")
    assert refused(signals.take, case, "triage", ELSEWHERE) == (403, "DATA_SCOPE")
    assert refused(signals.take, case, "triage", DISC) == (403, "FORBIDDEN")
    assert listed(city, ORG) == listed(city, DISC) == {case.id}


def test_a_cadre_who_has_moved_takes_the_secret_from_both_units(city: City, signals: Signals) -> None:
    with city.acting(ORG) as uow:
        uow.session.add(CadreRow(id="cadre-moved", unit=DISTRICT))
        uow.commit()
    case = signals.posted(cadre="cadre-moved")
    for unit in (BUREAU, DISTRICT):
        assert listed(city, officer("org-there", "ORG.supervise", unit=unit)) == set()
    for units in ({BUREAU}, {DISTRICT}):
        assert listed(city, officer("org-part", "ORG.supervise", units=frozenset(units))) == set()
    assert listed(city, officer("org-both", "ORG.supervise", units=frozenset({BUREAU, DISTRICT}))) == {case.id}


def test_each_look_at_a_text_is_recorded(city: City, signals: Signals) -> None:
    case = signals.posted()
    texts(city, case)
    audits = tables.audit_entries
    rows = city.rows(audits, audits.c.target == f"signal/{case.id}", audits.c.action == "signal.texts.read")
    assert [(row.actor, row.read_fields, row.purpose) for row in rows] == [("org-1", ["text"], "test")]


# ---- who told of it


def test_an_informant_is_sealed_apart_and_named_nowhere_else(city: City, signals: Signals) -> None:
    case = signals.posted(informant=INFORMANT)
    assert case.has_informant
    (row,) = city.rows(InformantRow.__table__)
    for word in INFORMANT.values():
        assert word.encode() not in bytes(row.identity)
    signals.identity(signals.granted(case))
    audits = tables.audit_entries
    (made,) = city.rows(audits, audits.c.target == f"signal/{case.id}", audits.c.action == "signal.create")
    assert made.written["fields"] == ["cadre", "severity", "source", "text", "type", "unit"]
    # Nor in any other table: cases, steps, audit, events, deadlines.
    for name, rows in city.picture().items():
        assert not any(word in each for word in INFORMANT.values() for each in rows), name
    stored = text("SELECT encode(identity, 'escape') FROM signal_informants")
    with city.engine.connect() as connection:
        assert "13900001234" not in connection.execute(stored).scalar_one()


def test_the_seal_holds_in_its_own_place_alone(city: City, signals: Signals) -> None:
    one, other = signals.posted(informant=INFORMANT), signals.posted(cadre=DIRECT, informant={"name": "另一人"})
    access = signals.granted(one)
    with city.engine.begin() as connection:
        swap = "UPDATE signal_informants SET identity = (SELECT identity FROM signal_informants WHERE signal_id = :b)"
        connection.execute(text(f"{swap} WHERE signal_id = :a"), {"a": one.id, "b": other.id})
    with pytest.raises(SealBroken, match="not what was sealed there"):
        signals.identity(access)


def test_an_identity_takes_a_reader_and_a_custodian(city: City, signals: Signals) -> None:
    case = signals.posted(informant=INFORMANT)
    access = signals.asked(case)
    assert refused(signals.identity, access) == (422, "ACCESS_NOT_GRANTED")
    accesses = city.cases.informant_accesses
    assert refused(city.take, accesses, access, "grant", ORG) == (403, "FORBIDDEN")
    both = officer("org-1", "CUSTODIAN", unit="420200-ARCHIVE")
    assert refused(city.take, accesses, access, "grant", both) == (422, "AVOIDANCE")
    apart = officer("both", "CUSTODIAN", "DISC", unit="420200-ARCHIVE")
    assert refused(city.take, accesses, access, "grant", apart) == (422, "CUSTODIAN_APART")
    own = officer("custodian-bureau", "CUSTODIAN", unit=BUREAU)
    assert refused(city.take, accesses, access, "grant", own) == (422, "AVOIDANCE")
    access, events = city.take(accesses, access, "grant", CUSTODIAN)
    assert (events, access.until) == ([], date(2024, 3, 11))
    assert signals.identity(access) == INFORMANT
    assert refused(signals.identity, access, ORG_SECOND) == (403, "FORBIDDEN")
    assert refused(signals.identity, access, CUSTODIAN) == (403, "FORBIDDEN")
    audits = tables.audit_entries
    rows = city.rows(audits, audits.c.action == "informant.read", audits.c.target == f"signal/{case.id}")
    assert [(row.actor, row.read_fields, row.written) for row in rows] == [
        ("org-1", ["contact", "name"], {"access": access.id})
    ]


def test_an_access_ends_after_its_days_and_may_be_asked_for_again(city: City, signals: Signals) -> None:
    case = signals.posted(informant={"name": "只有姓名"})
    access = signals.granted(case, DISC)
    assert refused(signals.asked, case, DISC) == (409, "DUPLICATE")
    city.clock.advance(timedelta(days=7))
    assert signals.identity(access, DISC) == {"name": "只有姓名", "contact": None}
    city.clock.advance(timedelta(days=1))
    assert refused(signals.identity, access, DISC) == (422, "ACCESS_OVER")
    city.fire()
    assert city.again(access).state == "EXPIRED"
    assert refused(signals.identity, access, DISC) == (422, "ACCESS_OVER")
    assert signals.asked(case, DISC).state == "REQUESTED"


def test_a_custodian_refuses_with_a_reason_and_never_sees_a_text(city: City, signals: Signals) -> None:
    case = signals.posted(informant=INFORMANT)
    access, accesses = signals.asked(case), city.cases.informant_accesses
    assert refused(city.take, accesses, access, "refuse", CUSTODIAN) == (422, "REASON_MISSING")
    city.take(accesses, access, "refuse", CUSTODIAN, {"reason": "用途不充分"})
    assert refused(signals.identity, access) == (422, "ACCESS_NOT_GRANTED")
    with city.acting(CUSTODIAN) as uow:
        view = city.cases.informant_accesses.view().dump(accesses.read(uow, access.id, CUSTODIAN))
        assert refused(queries.signal_texts, city.cases.signals, uow, case.id, CUSTODIAN) == (403, "FORBIDDEN")
    assert not {LEAD, "项目进度滞后,资金闲置。"} & set(map(str, view.values()))


def test_nothing_is_asked_about_what_is_not_there_or_out_of_reach(city: City, signals: Signals) -> None:
    case = signals.posted()
    assert refused(signals.asked, case) == (422, "NO_INFORMANT")
    case.id = new_id()
    assert refused(signals.asked, case) == (422, "UNKNOWN_SIGNAL")
    told_of = signals.posted(cadre=DIRECT, informant=INFORMANT)
    assert refused(signals.asked, told_of, ELSEWHERE) == (422, "UNKNOWN_SIGNAL")
    assert refused(signals.asked, told_of, officer("org-b", "ORG.supervise", unit=BUREAU)) == (422, "AVOIDANCE")


def test_a_mark_of_state_secrets_is_refused_wherever_it_stands(city: City, signals: Signals) -> None:
    before = len(city.rows(SignalRow.__table__))
    for changes in (
        {"text": "绝密"},
        {"informant": {"name": "机密"}},
        {"informant": {"name": "某", "contact": "秘密"}},
    ):
        assert refused(signals.posted, **changes) == (451, "SECRECY_LEVEL")
    assert len(city.rows(SignalRow.__table__)) == before
    case = signals.posted(informant=INFORMANT)
    form = {"signal": case.id, "purpose": "机密"}
    assert refused(city.open, signals.accesses, ORG, form) == (451, "SECRECY_LEVEL")
