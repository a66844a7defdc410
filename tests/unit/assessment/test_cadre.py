"""The rules of changes in the roster and of exports, each with what it lets pass and what it refuses."""

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from assessment.domain import cadre, roster_export
from assessment.domain.cadre import CADRE, CadreFacts
from assessment.domain.roster_export import ROSTER_EXPORT, ExportFacts
from citybus.cases import Actor, CaseType
from citybus.errors import Refusal
from tests.support.duty import ORG_UNIT, OWN, a_cadre, step

LEADS_ON = {
    "cadre": {
        ("ACTIVE", "change_post", "ACTIVE"),
        ("ACTIVE", "suspend", "SUSPENDED"),
        ("ACTIVE", "leave", "LEFT"),
        ("SUSPENDED", "change_post", "SUSPENDED"),
        ("SUSPENDED", "reinstate", "ACTIVE"),
        ("SUSPENDED", "leave", "LEFT"),
    },
    "roster-export": {
        ("REQUESTED", "approve", "APPROVED"),
        ("REQUESTED", "refuse", "REFUSED"),
        ("REQUESTED", "expire", "EXPIRED"),
        ("APPROVED", "expire", "EXPIRED"),
    },
}
POST = {
    "unit": ORG_UNIT,
    "post": "局长",
    "post_since": date(2024, 3, 1),
    "rank": "COUNTY_CHIEF",
    "manage_level": "CITY",
}
KEEPER = Actor("keeper", frozenset({"ORG.cadre"}), units=None)


@pytest.mark.parametrize("case_type", [CADRE, ROSTER_EXPORT], ids=lambda case_type: case_type.kind)
def test_the_machine_has_these_transitions_and_no_other(case_type: CaseType) -> None:
    assert set(case_type.transitions) == LEADS_ON[case_type.kind]


@pytest.mark.parametrize(
    ("changes", "facts", "actor", "code"),
    [
        ({}, CadreFacts(unit_known=True), KEEPER, None),
        ({}, CadreFacts(), KEEPER, "UNKNOWN_UNIT"),
        ({}, CadreFacts(unit_known=True), Actor("partial", units=frozenset({OWN})), "DATA_SCOPE"),
        ({"rank": "EMPEROR"}, CadreFacts(unit_known=True), KEEPER, "UNKNOWN_VALUE"),
        ({"categories": ["FRIEND"]}, CadreFacts(unit_known=True), KEEPER, "UNKNOWN_VALUE"),
        ({"post_since": date(1998, 3, 14)}, CadreFacts(unit_known=True), KEEPER, "POST_BEFORE_ADULT"),
        ({"post_since": date(2019, 4, 30)}, CadreFacts(unit_known=True), KEEPER, "DATE_RANGE"),
        ({"post_since": date(2024, 3, 5)}, CadreFacts(unit_known=True), KEEPER, "DATE_IN_FUTURE"),
        ({"post": "机密处处长"}, CadreFacts(unit_known=True), KEEPER, "SECRECY_LEVEL"),
    ],
)
def test_a_post_changes_within_catalogue_scope_and_time(
    changes: Any, facts: Any, actor: Actor, code: str | None
) -> None:
    case = a_cadre()
    attempt = step(case, POST | changes, facts=facts, actor=actor)
    if code is None:
        cadre.change_post(attempt)
        assert (case.unit, case.rank, case.post_since, case.effective_on) == (
            ORG_UNIT,
            "COUNTY_CHIEF",
            date(2024, 3, 1),
            date(2024, 3, 1),
        )
        assert case.categories == ["CIVIL_SERVANT"]
    else:
        with pytest.raises(Refusal) as caught:
            cadre.change_post(attempt)
        assert caught.value.code == code


def test_a_change_changes_something() -> None:
    case = a_cadre()
    same = {name: getattr(case, name) for name in ("unit", "post", "rank", "manage_level", "categories")}
    attempt = step(case, same | {"post_since": date(2024, 3, 1)}, facts=CadreFacts(unit_known=True), actor=KEEPER)
    with pytest.raises(Refusal) as caught:
        cadre.change_post(attempt)
    assert caught.value.code == "NOTHING_CHANGED"


def test_how_somebody_leaves_is_in_the_catalogue() -> None:
    case = a_cadre()
    with pytest.raises(Refusal) as caught:
        cadre.leave(step(case, {"how": "VANISHED"}))
    assert caught.value.code == "UNKNOWN_VALUE"
    cadre.leave(step(case, {"how": "RETIRED", "effective_on": date(2024, 2, 29)}))
    assert case.effective_on == date(2024, 2, 29)


@pytest.mark.parametrize(
    ("state", "asked", "now", "who", "code"),
    [
        ("REQUESTED", 100, 100, "keeper", None),
        ("REQUESTED", 101, 101, "keeper", "EXPORT_NOT_APPROVED"),
        ("REQUESTED", 100, 101, "keeper", "EXPORT_NOT_APPROVED"),
        ("APPROVED", 101, 101, "keeper", None),
        ("APPROVED", 101, 101, "other", "FORBIDDEN"),
        ("EXPIRED", 50, 50, "keeper", "EXPORT_NOT_APPROVED"),
        ("REFUSED", 500, 500, "keeper", "EXPORT_NOT_APPROVED"),
    ],
)
def test_more_than_a_hundred_persons_take_two(state: str, asked: int, now: int, who: str, code: str | None) -> None:
    case = SimpleNamespace(id="e1", state=state)
    form = {"purpose": "年度统计", "id_numbers": False}
    roster_export.request(step(case, form, facts=ExportFacts(count=asked), actor=KEEPER))
    assert case.needs_approval == (asked > 100)
    if code is None:
        roster_export.may_be_fetched(case, who, now, 100)
    else:
        with pytest.raises(Refusal) as caught:
            roster_export.may_be_fetched(case, who, now, 100)
        assert caught.value.code == code
