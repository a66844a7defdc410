"""The rules of inspections, each with what it lets pass and what it refuses."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from citybus.clock import ZONE
from citybus.errors import Refusal
from supervision.domain import inspection as rules
from supervision.schemas.published import inspection_state
from tests.support.supervision import BUREAU, DISTRICT, MONDAY, OFFICE, a_plan, an_inspection, inspection_facts, step

TODAY = MONDAY.date()


def refused(rule: Callable[[Any], Any], attempt: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        rule(attempt)
    return caught.value


def planned(**form: Any) -> Any:
    case = an_inspection()
    rules.plan(step(case, form=a_plan(**form), facts=inspection_facts()))
    return case


@pytest.mark.parametrize(
    ("kind", "announced"),
    [
        ("COVERT", False),
        ("KEY", True),
        ("THEMATIC", True),
        ("RESEARCH", False),
        ("SPECIAL_PUSH", False),
        ("KEY_SUPERVISE", False),
    ],
)
def test_the_kind_decides_whether_the_units_are_told_beforehand(kind: str, announced: bool) -> None:
    assert planned(kind=kind).notice_required is announced


@pytest.mark.parametrize("kind", ["RESEARCH", "SPECIAL_PUSH", "KEY_SUPERVISE"])
def test_other_kinds_may_be_announced(kind: str) -> None:
    assert planned(kind=kind, notice_required=True).notice_required is True


def test_a_plan_without_an_end_lasts_one_day() -> None:
    assert planned().end_date == planned().plan_date
    assert planned(end_date=date(2024, 3, 15)).end_date == date(2024, 3, 15)


@pytest.mark.parametrize(
    ("form", "facts", "code"),
    [
        ({"kind": "COVERT", "notice_required": True}, {}, "COVERT_NOTICE"),
        ({"kind": "KEY", "notice_required": False}, {}, "NOTICE_REQUIRED"),
        ({"kind": "THEMATIC", "notice_required": False}, {}, "NOTICE_REQUIRED"),
        ({"theme": "NO_SUCH"}, {}, "UNKNOWN_THEME"),
        ({"plan_date": date(2024, 3, 3)}, {}, "PLAN_DATE_PAST"),
        ({"team": ["member-1"]}, {}, "TEAM_SIZE"),
        ({"units": [BUREAU, "nowhere"]}, {}, "UNKNOWN_UNIT"),
        ({"team": ["member-1", "nobody"]}, {}, "UNKNOWN_CADRE"),
        ({"units": [BUREAU, DISTRICT]}, {}, "AVOIDANCE"),
        ({}, {"unit_of": {"member-1": OFFICE, "member-2": BUREAU}}, "AVOIDANCE"),
    ],
)
def test_a_wrong_plan_is_refused(form: Any, facts: Any, code: str) -> None:
    attempt = step(an_inspection(), form=a_plan(**form), facts=inspection_facts(**facts))
    refusal = refused(rules.plan, attempt)
    assert (refusal.code, refusal.status) == (code, 422)


@pytest.mark.parametrize(
    ("case", "at", "in_time"),
    [
        # To be approved: Monday's notice is in time for Thursday, the third working day after it.
        (an_inspection(notice_required=True, plan_date=date(2024, 3, 7)), MONDAY, True),
        (an_inspection(notice_required=True, plan_date=date(2024, 3, 6)), MONDAY, False),
        (an_inspection(notice_required=True, plan_date=date(2024, 3, 12)), MONDAY + timedelta(days=4), False),
        (an_inspection(notice_required=True, plan_date=date(2024, 3, 13)), MONDAY + timedelta(days=4), True),
        # To be started: what counts is when the units were told.
        (an_inspection(notice_required=True, approved_on=TODAY), MONDAY + timedelta(days=2), False),
        (an_inspection(notice_required=True, approved_on=TODAY), MONDAY + timedelta(days=3), True),
        # Not announced: at once.
        (an_inspection(plan_date=TODAY), MONDAY, True),
    ],
)
def test_announced_units_are_told_three_working_days_beforehand(case: Any, at: datetime, in_time: bool) -> None:
    attempt = step(case, at=at)
    if in_time:
        rules.notice_in_time(attempt)
    else:
        assert refused(rules.notice_in_time, attempt).code == "NOTICE_TOO_LATE"


def test_a_plan_whose_day_is_over_is_not_approved() -> None:
    case = an_inspection(plan_date=TODAY)
    assert refused(rules.approve, step(case, at=MONDAY + timedelta(days=1))).code == "PLAN_DATE_PAST"
    rules.approve(step(case))
    assert case.approved_on == TODAY


@pytest.mark.parametrize(
    ("today", "runs_from"), [(date(2024, 3, 11), date(2024, 3, 12)), (date(2024, 3, 14), date(2024, 3, 14))]
)
def test_the_time_to_report_runs_from_the_end_as_planned_or_a_later_beginning(today: date, runs_from: date) -> None:
    at = datetime.combine(today, MONDAY.time(), ZONE)
    assert rules.end_of_work(step(an_inspection(), at=at)).date() == runs_from


@pytest.mark.parametrize(
    ("ended", "today", "late"),
    [
        (date(2024, 3, 12), date(2024, 3, 26), False),
        (date(2024, 3, 12), date(2024, 3, 27), True),
        (None, date(2024, 3, 27), False),
    ],
)
def test_a_report_later_than_ten_working_days_is_taken_and_marked(ended: date | None, today: date, late: bool) -> None:
    case = an_inspection(started_on=date(2024, 3, 11))
    at = datetime.combine(today, MONDAY.time(), ZONE)
    form = {"summary": "检查情况"} | ({"ended_on": ended} if ended else {})
    rules.report(step(case, form=form, at=at))
    assert (case.ended_on, case.reported_on, case.report_late) == (ended or today, today, late)


@pytest.mark.parametrize("ended", [date(2024, 3, 3), date(2024, 3, 6)])
def test_an_inspection_ends_between_its_beginning_and_today(ended: date) -> None:
    case = an_inspection(started_on=TODAY)
    attempt = step(case, form={"summary": "s", "ended_on": ended}, at=MONDAY + timedelta(days=1))
    assert refused(rules.report, attempt).code == "DATE_RANGE"


def test_a_report_must_not_bear_a_mark_of_secrets() -> None:
    attempt = step(an_inspection(started_on=TODAY), form={"summary": "秘密★一年"})
    assert refused(rules.report, attempt).status == 451


def test_an_inspection_is_closed_when_none_of_its_findings_is_a_draft() -> None:
    rules.findings_settled(step(an_inspection(), facts=inspection_facts()))
    refusal = refused(rules.findings_settled, step(an_inspection(), facts=inspection_facts(drafts=2)))
    assert (refusal.code, refusal.figures) == ("FINDINGS_IN_DRAFT", {"drafts": 2})


@pytest.mark.parametrize(
    ("case", "disclosed"),
    [
        (an_inspection(), False),
        (an_inspection(approved_on=TODAY), False),
        (an_inspection(approved_on=TODAY, started_on=TODAY), True),
        (an_inspection(notice_required=True), False),
        (an_inspection(notice_required=True, approved_on=TODAY), True),
    ],
    ids=["planned", "unannounced, approved", "unannounced, begun", "planned, to be announced", "announced"],
)
def test_units_learn_of_an_inspection_when_it_is_announced_or_has_begun(case: Any, disclosed: bool) -> None:
    assert rules.scope(case).disclosed is disclosed


def test_no_event_names_the_units_of_an_unannounced_inspection_before_it_has_begun() -> None:
    assert inspection_state(an_inspection(state="APPROVED", approved_on=TODAY))["units"] == []
    assert inspection_state(an_inspection(state="CANCELLED", approved_on=TODAY))["units"] == []
    assert inspection_state(an_inspection(state="IN_PROGRESS", started_on=TODAY))["units"] == [BUREAU]
    assert inspection_state(an_inspection(kind="THEMATIC", notice_required=True))["units"] == [BUREAU]
