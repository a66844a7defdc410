"""The rules of signals: when duplicates merge, how long triage may take, to what they are linked, who dismisses."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.rulepack import Rules
from supervision.domain import informant_access as access
from supervision.domain import signal as rules
from supervision.domain.finding import Source
from supervision.domain.signal import SIGNAL, Earlier, Linkable, SignalFacts
from supervision.schemas.published import signal_state
from tests.support.signals import AUDITORS, a_clue
from tests.support.supervision import BUREAU, CUSTODIAN, DISTRICT, LEAD, MONDAY, STRANGER, officer, rulebook, step

TODAY = MONDAY.date()


def refused(rule: Callable[[Any], Any], attempt: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        rule(attempt)
    return caught.value


def facts(**changes: Any) -> SignalFacts:
    return SignalFacts(**{"unit_known": True, "cadre_unit": BUREAU} | changes)


def received(at: datetime = MONDAY, looked_up: SignalFacts | None = None, **changes: Any) -> Any:
    case = SimpleNamespace(id="s1", state="RECEIVED")
    rules.receive(step(case, form=a_clue(**changes), facts=looked_up or facts(), at=at, actor=AUDITORS))
    return case


# ---- what is posted


def test_a_posted_clue_concerns_its_unit_and_the_cadre_wherever_they_are_and_is_told_to_neither() -> None:
    case = received(looked_up=facts(cadre_unit=DISTRICT))
    found = rules.scope(case)
    assert (found.units, found.persons, found.disclosed) == ({BUREAU, DISTRICT}, {LEAD}, False)
    nobody = rules.scope(received(cadre=None, looked_up=facts(cadre_unit=None)))
    assert (nobody.units, nobody.persons) == ({BUREAU}, frozenset())


@pytest.mark.parametrize(
    ("changes", "looked_up", "code", "status"),
    [
        ({}, {"unit_known": False}, "UNKNOWN_UNIT", 422),
        ({}, {"cadre_unit": None}, "UNKNOWN_CADRE", 422),
        ({"type": "NO_SUCH"}, {}, "UNKNOWN_FINDING_TYPE", 422),
        ({"text": "机密:某项目"}, {}, "SECRECY_LEVEL", 451),
    ],
)
def test_a_clue_is_refused(changes: Any, looked_up: Any, code: str, status: int) -> None:
    with pytest.raises(Refusal) as caught:
        received(looked_up=facts(**looked_up), **changes)
    assert (caught.value.code, caught.value.status) == (code, status)


# ---- duplicates


@pytest.mark.parametrize(
    ("days", "merges"), [(0, True), (29, True), (30, True), (31, False)], ids=["same day", "29", "30", "31"]
)
def test_a_duplicate_merges_until_the_thirtieth_day_after_the_first(days: int, merges: bool) -> None:
    earlier = Earlier("first", TODAY - timedelta(days=days))
    assert received(looked_up=facts(earlier=earlier)).merged_into == ("first" if merges else None)


def test_without_an_earlier_one_nothing_merges() -> None:
    assert received().merged_into is None


def test_the_first_counts_its_duplicates_and_is_as_severe_as_the_most_severe() -> None:
    case = received(severity=2)
    for severity in (1, 4, 3):
        rules.absorb(step(case, form={"severity": severity}))
    assert (case.merged, case.severity) == (3, 4)


# ---- the time for triage


def armed(case: Any, at: datetime) -> dict[str, date]:
    """Return the last day of each deadline that receiving `case` arms, by the key of its rule."""
    attempt = step(case, facts=facts(), at=at)
    starts = {arm.rule: arm.start(attempt) for arm in SIGNAL.create.arms if arm.start is not None}
    return {key: attempt.rule(key).last_day(start).day for key, start in starts.items() if start is not None}


@pytest.mark.parametrize("source", [source for source in Source if source is not Source.PETITION])
def test_others_are_triaged_within_five_working_days(source: Source) -> None:
    at = datetime(2024, 3, 29, 16, tzinfo=ZONE)
    # A Friday before 清明节, for which people do not work on Thursday and Friday but do on Sunday the seventh.
    assert armed(received(at, source=source.value), at) == {f"signal.triage.{source.lower()}": date(2024, 4, 8)}


@pytest.mark.parametrize(
    ("posted", "last"),
    [
        (datetime(2024, 3, 4, 9, tzinfo=ZONE), date(2024, 3, 19)),
        # The fifteenth day is 1 October: the whole holiday is over first, and with it the legal period.
        (datetime(2024, 9, 16, 9, tzinfo=ZONE), date(2024, 10, 8)),
        # A Saturday that is a make-up workday is one on which a period ends.
        (datetime(2024, 9, 27, 9, tzinfo=ZONE), date(2024, 10, 12)),
    ],
)
def test_a_petition_is_triaged_within_fifteen_days_that_end_on_a_working_day(posted: datetime, last: date) -> None:
    assert armed(received(posted, source="PETITION"), posted) == {"signal.triage.petition": last}


def test_every_source_has_a_rule_of_its_own_with_a_warning() -> None:
    found: Rules = rulebook().on(TODAY)
    assert {arm.rule for arm in SIGNAL.create.arms} == {f"signal.triage.{source.lower()}" for source in Source}
    assert all(arm.rule in found and arm.warn in found and arm.then is None for arm in SIGNAL.create.arms)
    assert "信访" in found.rule("signal.triage.petition").source


def test_nobody_waits_for_what_is_merged_or_handed_over() -> None:
    merged = received(looked_up=facts(earlier=Earlier("first", TODAY)))
    handed = received()
    handed.finding_id = "f1"
    assert armed(merged, MONDAY) == armed(handed, MONDAY) == {}


@pytest.mark.parametrize(
    ("source", "at", "in_time"),
    [
        ("AUDIT", datetime(2024, 3, 11, 23, 59, tzinfo=ZONE), True),
        ("AUDIT", datetime(2024, 3, 12, 0, 0, tzinfo=ZONE), False),
        ("PETITION", datetime(2024, 3, 19, 23, 59, tzinfo=ZONE), True),
        ("PETITION", datetime(2024, 3, 20, 0, 0, tzinfo=ZONE), False),
    ],
)
def test_triage_notes_whether_it_was_in_time(source: str, at: datetime, in_time: bool) -> None:
    case = received(source=source)
    rules.triage(step(case, at=at))
    assert (case.triaged_on, case.in_time) == (at.date(), in_time)


def test_triage_may_correct_type_and_severity() -> None:
    case = received()
    rules.triage(step(case, form={"type": "DISCIPLINE_VIOLATION", "severity": 5}))
    assert (case.type, case.severity) == ("DISCIPLINE_VIOLATION", 5)
    assert refused(rules.triage, step(case, form={"type": "NO_SUCH"})).code == "UNKNOWN_FINDING_TYPE"


# ---- where it leads


def linkable(**changes: Any) -> SignalFacts:
    return facts(finding=Linkable(**{"state": "NOTIFIED", "unit": BUREAU, "cadres": frozenset({LEAD})} | changes))


@pytest.mark.parametrize("state", ["DRAFT", "NOTIFIED", "VERIFIED", "CLOSED"])
def test_a_signal_is_linked_to_a_finding_that_stands(state: str) -> None:
    case = received()
    rules.link(step(case, form={"finding": "f1"}, facts=linkable(state=state)))
    assert (case.linked_finding, case.settled_on) == ("f1", TODAY)


@pytest.mark.parametrize(
    ("looked_up", "code"),
    [
        (facts(), "UNKNOWN_FINDING"),
        (linkable(unit=DISTRICT), "UNIT_DIFFERS"),
        (linkable(state="REJECTED"), "FINDING_FALLEN"),
        (linkable(state="REVOKED"), "FINDING_FALLEN"),
        (linkable(cadres=frozenset({STRANGER})), "NOT_RESPONSIBLE"),
    ],
)
def test_a_link_is_refused(looked_up: SignalFacts, code: str) -> None:
    case = received()
    assert refused(rules.link, step(case, form={"finding": "f1"}, facts=looked_up)).code == code
    assert case.linked_finding is None


def test_a_signal_that_names_nobody_is_linked_whoever_is_responsible() -> None:
    case = received(cadre=None)
    rules.link(step(case, form={"finding": "f1"}, facts=linkable(cadres=frozenset({STRANGER}))))
    assert case.linked_finding == "f1"


@pytest.mark.parametrize("kind", ["DISCIPLINE_VIOLATION", "DUTY_CRIME"])
@pytest.mark.parametrize("action", ["link", "dismiss"])
def test_a_matter_of_discipline_goes_to_the_commission_alone(kind: str, action: str) -> None:
    case = received(type=kind)
    assert rules.no_matter_of_discipline in SIGNAL.actions[action].guards
    assert rules.no_matter_of_discipline not in SIGNAL.actions["transfer"].guards
    assert refused(rules.no_matter_of_discipline, step(case)).code == "DISCIPLINE_MATTER"
    rules.no_matter_of_discipline(step(received()))


def test_who_posted_a_duplicate_does_not_dismiss() -> None:
    case = received()
    mine = step(case, actor=AUDITORS, facts=facts(posters=frozenset({AUDITORS.subject})))
    assert refused(rules.not_by_a_poster, mine).code == "AVOIDANCE"
    rules.not_by_a_poster(step(case, facts=facts(posters=frozenset({AUDITORS.subject}))))


def test_events_tell_neither_what_it_says_nor_of_whom() -> None:
    case = received()
    assert set(signal_state(case)) == {"signal", "unit", "source", "state", "triaged_on", "in_time", "finding"}
    assert not {LEAD, case.text, AUDITORS.subject} & set(map(str, signal_state(case).values()))


# ---- access to an informant's identity


def an_access(**changes: Any) -> Any:
    made = {"id": "a1", "state": "GRANTED", "asked_by": "org-1", "granted_on": TODAY, "until": TODAY}
    return SimpleNamespace(**made | changes)


@pytest.mark.parametrize(
    ("changes", "subject", "today", "code"),
    [
        ({}, "org-2", TODAY, "FORBIDDEN"),
        ({"state": "REQUESTED", "until": None}, "org-1", TODAY, "ACCESS_NOT_GRANTED"),
        ({"state": "REFUSED", "until": None}, "org-1", TODAY, "ACCESS_NOT_GRANTED"),
        ({"state": "EXPIRED"}, "org-1", TODAY, "ACCESS_OVER"),
        # The timer may be late: the day decides.
        ({}, "org-1", TODAY + timedelta(days=1), "ACCESS_OVER"),
    ],
)
def test_an_identity_is_read_by_who_asked_while_it_is_granted(
    changes: Any, subject: str, today: date, code: str
) -> None:
    with pytest.raises(Refusal) as caught:
        access.may_read(an_access(**changes), subject, today)
    assert caught.value.code == code
    access.may_read(an_access(), "org-1", TODAY)


def test_an_access_is_granted_for_seven_days() -> None:
    case = an_access(state="REQUESTED", granted_on=None, until=None)
    access.grant(step(case))
    assert (case.granted_on, case.until) == (TODAY, TODAY + timedelta(days=7))


@pytest.mark.parametrize("role", ["ORG", "ORG.supervise", "DISC"])
def test_a_custodian_reads_no_signals(role: str) -> None:
    both = officer("both", "CUSTODIAN", role)
    assert refused(access.custodian_apart, step(an_access(), actor=both)).code == "CUSTODIAN_APART"
    access.custodian_apart(step(an_access(), actor=CUSTODIAN))
