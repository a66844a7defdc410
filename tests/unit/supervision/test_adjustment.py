"""Adjustments: which reasons and ways which rules have, and what is refused at each step."""

from datetime import date, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from citybus.clock import ZONE
from citybus.errors import Refusal
from supervision.domain import adjustment
from supervision.domain.adjustment import AdjustmentFacts, Ground
from tests.support.supervision import BUREAU, LEAD, ORG, STRANGER, rulebook, step

NOW = datetime(2024, 3, 4, 12, tzinfo=ZONE)
IN_2020 = datetime(2020, 3, 2, 12, tzinfo=ZONE)
IN_2021 = datetime(2021, 4, 1, 12, tzinfo=ZONE)


def a_ground(**changes: Any) -> Ground:
    made = {
        "id": "f1",
        "state": "VERIFIED",
        "unit": BUREAU,
        "cadres": frozenset({LEAD}),
        "type": "TASK_NOT_IMPLEMENTED",
        "reason_codes": ("WEAK_EXECUTION",),
        "tolerated": False,
    }
    return Ground(**made | changes)


def a_proposal(**changes: Any) -> dict[str, Any]:
    made = {
        "cadre": LEAD,
        "basis": "UNFIT",
        "way": "TRANSFER",
        "reason_codes": ["DUTY_WEAK"],
        "opinion": "长期打不开工作局面。",
        "findings": ["f1"],
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def the_facts(**changes: Any) -> AdjustmentFacts:
    return AdjustmentFacts(**{"unit": BUREAU, "grounds": [a_ground()]} | changes)


def proposed(at: datetime = NOW, facts: AdjustmentFacts | None = None, **changes: Any) -> Any:
    """Return an adjustment as people propose it, its guards asked first."""
    case = SimpleNamespace(id="a1", state="PROPOSED")
    taken = step(case, form=a_proposal(**changes), facts=facts or the_facts(), at=at, actor=ORG)
    for guard in adjustment.ADJUSTMENT.create.guards:
        guard(taken)
    adjustment.propose(taken)
    return case


def refused(**changes: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        proposed(**changes)
    return caught.value


def test_a_proposal_holds_what_the_form_says() -> None:
    case = proposed()
    assert (case.way, case.reason_codes, case.told_codes, case.unit) == (
        "TRANSFER",
        ["DUTY_WEAK"],
        ["DUTY_WEAK"],
        BUREAU,
    )


def test_the_rules_of_2015_have_ten_reasons_and_those_of_2022_fifteen() -> None:
    assert len(rulebook().on(IN_2020.date())["adjustment.reasons.unfit"]) == 10
    assert len(rulebook().on(NOW.date())["adjustment.reasons.unfit"]) == 15


@pytest.mark.parametrize(("at", "warned", "code"), [(IN_2020, False, "PRIOR_WARNING_REQUIRED"), (IN_2020, True, None)])
def test_under_the_rules_of_2015_a_warning_comes_first(at: datetime, warned: bool, code: str | None) -> None:
    facts = the_facts(warned=warned)
    if code is None:
        assert proposed(at=at, facts=facts).way == "TRANSFER"
    else:
        assert refused(at=at, facts=facts).code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"facts": the_facts(unit=None)}, "UNKNOWN_CADRE"),
        ({"facts": the_facts(unknown=["f9"])}, "UNKNOWN_FINDING"),
        ({"facts": the_facts(grounds=[a_ground(cadres=frozenset({STRANGER}))])}, "NOT_RESPONSIBLE"),
        ({"facts": the_facts(grounds=[a_ground(state="NOTIFIED")])}, "NO_VERIFIED_FINDING"),
        ({"facts": the_facts(grounds=[a_ground(type="DUTY_CRIME")])}, "DISCIPLINE_THRESHOLD"),
        ({"facts": the_facts(grounds=[a_ground(reason_codes=("TAKING_GIFTS",))])}, "DISCIPLINE_THRESHOLD"),
        ({"facts": the_facts(held=True)}, "CASE_PENDING"),
        ({"facts": the_facts(grounds=[a_ground(tolerated=True)])}, "TOLERANCE_GRANTED"),
        ({"facts": the_facts(duplicate=True)}, "DUPLICATE"),
        ({"way": "RESIGN_ORDERED"}, "WAY_NOT_ALLOWED"),
        ({"way": "RANK_CHANGE", "basis": "HANDLING"}, "WAY_NOT_ALLOWED"),
        ({"way": "TRANSFER", "basis": "HANDLING", "at": IN_2020}, "WAY_NOT_ALLOWED"),
        ({"reason_codes": ["WORK_BEHIND"]}, "UNKNOWN_REASON_CODE"),
        ({"opinion": "机密事项"}, "SECRECY_LEVEL"),
        ({"reason": "绝密"}, "SECRECY_LEVEL"),
        ({"months": 6}, "MONTHS_MISMATCH"),
        ({"way": "SUSPEND_CHECK", "basis": "HANDLING"}, "MONTHS_MISMATCH"),
        ({"way": "SUSPEND_CHECK", "basis": "HANDLING", "months": 7}, "MONTHS_MISMATCH"),
    ],
)
def test_what_a_proposal_is_refused_for(changes: dict[str, Any], code: str) -> None:
    assert refused(**changes).code == code


def test_a_matter_of_discipline_leaves_a_duty_behind() -> None:
    assert refused(facts=the_facts(grounds=[a_ground(type="DUTY_CRIME")])).committed


def test_tolerance_on_one_ground_of_two_does_not_block() -> None:
    grounds = [a_ground(tolerated=True), a_ground(id="f2")]
    assert proposed(facts=the_facts(grounds=grounds)).way == "TRANSFER"


def test_handling_by_the_rules_of_2021_has_its_own_ways() -> None:
    case = proposed(at=IN_2021, way="SUSPEND_CHECK", basis="HANDLING", months=6)
    assert (case.way, case.months) == ("SUSPEND_CHECK", 6)


def test_reasons_about_health_and_family_are_not_told() -> None:
    case = proposed(reason_codes=["HEALTH", "FAMILY_ABROAD", "DUTY_WEAK"])
    assert (len(case.reason_codes), case.told_codes) == (3, ["DUTY_WEAK"])


def a_decision(**changes: Any) -> dict[str, Any]:
    return {"decision_no": "黄干〔2024〕1号", "members": 9, "present": 6, "in_favour": 5} | changes


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"members": 10, "present": 7, "in_favour": 6}, None),
        ({"members": 10, "present": 6, "in_favour": 6}, "ATTENDANCE"),
        ({"present": 5}, "ATTENDANCE"),
        ({"present": 10}, "ATTENDANCE"),
        ({"in_favour": 4}, "MAJORITY_MISSING"),
        ({"members": 8, "present": 8, "in_favour": 4}, "MAJORITY_MISSING"),
        ({"in_favour": 7}, "MAJORITY_MISSING"),
        ({"decided_on": date(2024, 3, 5)}, "DATE_RANGE"),
        ({"decision_no": "机密1号"}, "SECRECY_LEVEL"),
    ],
)
def test_a_decision_wants_two_thirds_present_and_more_than_half_in_favour(
    changes: dict[str, Any], code: str | None
) -> None:
    case = proposed()
    taken = step(case, form=a_decision(**changes), facts=the_facts(), at=NOW)
    if code is None:
        adjustment.decide(taken)
        assert case.decided_on == NOW.date()
        return
    with pytest.raises(Refusal) as caught:
        adjustment.decide(taken)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("changes", "figures"),
    [
        ({"members": 10, "present": 6}, {"members": 10, "present": 6, "least": 7}),
        ({"members": 9, "present": 5}, {"members": 9, "present": 5, "least": 6}),
        (
            {"members": 8, "present": 8, "in_favour": 4},
            {"members": 8, "present": 8, "in_favour": 4, "least": 5},
        ),
    ],
)
def test_a_refused_decision_says_how_many_are_wanted(changes: dict[str, Any], figures: dict[str, int]) -> None:
    with pytest.raises(Refusal) as caught:
        adjustment.decide(step(proposed(), form=a_decision(**changes), facts=the_facts(), at=NOW))
    assert caught.value.figures == figures


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"talkers": ["t1", "t2"]}, None),
        ({"talkers": ["t1"]}, "TWO_TALKERS"),
        ({"talkers": ["t1", LEAD]}, "AVOIDANCE"),
        ({"talkers": ["t1", "t9"]}, "UNKNOWN_CADRE"),
        ({"talkers": ["t1", "t2"], "talked_on": date(2024, 3, 3)}, "DATE_RANGE"),
        ({"talkers": ["t1", "t2"], "summary": "秘密"}, "SECRECY_LEVEL"),
    ],
)
def test_two_people_of_the_roster_talk_after_the_decision(form: dict[str, Any], code: str | None) -> None:
    case = proposed()
    case.decided_on = date(2024, 3, 4)
    taken = step(case, form=form, facts=the_facts(members=frozenset({"t1", "t2", LEAD})), at=NOW)
    if code is None:
        adjustment.talk(taken)
        assert (case.talkers, case.talked_on) == (["t1", "t2"], date(2024, 3, 4))
        return
    with pytest.raises(Refusal) as caught:
        adjustment.talk(taken)
    assert caught.value.code == code


@pytest.mark.parametrize(("executed", "late"), [("2024-03-18", False), ("2024-03-19", True)])
def test_what_is_carried_out_after_ten_working_days_is_marked(executed: str, late: bool) -> None:
    case = proposed()
    case.decided_on = date(2024, 3, 4)
    day = date.fromisoformat(executed)
    at = datetime.combine(day, NOW.timetz())
    adjustment.execute(step(case, form={"executed_on": day}, at=at))
    assert case.executed_late is late
