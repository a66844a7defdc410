"""The rules of the six batches (3.6) as tables of cases."""

from datetime import date, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from citybus.clock import ZONE
from citybus.errors import Refusal
from incentive.domain.batch import age_structure, plan
from incentive.domain.candidate import AboutBatch, CandidateFacts, age_on, criteria, slots_left
from incentive.domain.gate import Annual, Standing
from tests.support.incentive import MONDAY, SELECTOR, a_plan, step

DAY = date(2024, 3, 4)


def unmet(
    kind: str,
    *,
    born: str = "1980-01-01",
    grades: dict[int, Any] | None = None,
    since: str = "2010-01-01",
    at: datetime = MONDAY,
    **position: Any,
) -> list[str]:
    """Return which criteria of a batch of `kind` in 2024 somebody does not meet, on 4 March 2024 unless said otherwise."""
    specialty, external = position.pop("specialty", None), position.pop("external", None)
    annuals = {year: Annual(year, grade, settled=True) for year, grade in (grades or {}).items()}
    known = Standing({}, annuals, "U", date.fromisoformat(since))
    case: Any = SimpleNamespace(
        position="P1", born_on=date.fromisoformat(born), specialty=specialty, external=external, kind=kind
    )
    made = {"level": None, "members_born": [], "public_institution": False}
    batch = AboutBatch("SELECTING", kind, 2024, {"P1": made | position})
    return criteria(case, batch, known, step(case, actor=SELECTOR, at=at))


MAY_2025, MAY_2026 = (datetime(year, 5, 6, 9, tzinfo=ZONE) for year in (2025, 2026))
GOOD = {2023: "EXCELLENT", 2022: "COMPETENT"}
AGED = ["1968-01-01", "1970-01-01"]


@pytest.mark.parametrize(
    ("kind", "about", "expected"),
    [
        ("a", {"born": "1978-03-05", "grades": GOOD, "level": "CHIEF"}, []),
        ("a", {"born": "1978-03-04", "grades": GOOD, "level": "CHIEF"}, ["AGE_LIMIT"]),
        ("a", {"born": "1983-03-05", "grades": GOOD, "level": "DEPUTY"}, []),
        ("a", {"born": "1983-03-04", "grades": GOOD, "level": "DEPUTY"}, ["AGE_LIMIT"]),
        ("a", {"grades": {2023: "COMPETENT", 2022: "COMPETENT"}, "level": "CHIEF"}, ["ANNUAL_RESULTS"]),
        # The platform holds results from 2024 on: it asks for no earlier one but last year's.
        ("a", {"grades": {2023: "EXCELLENT"}, "level": "CHIEF"}, []),
        ("a", {"grades": {}, "level": "CHIEF"}, ["ANNUAL_RESULTS"]),
        ("a", {"grades": {2024: "EXCELLENT"}, "level": "CHIEF", "at": MAY_2025}, []),
        ("a", {"grades": {2024: "COMPETENT"}, "level": "CHIEF", "at": MAY_2025}, ["ANNUAL_RESULTS"]),
        ("a", {"born": "1985-01-01", "grades": {2025: "EXCELLENT"}, "level": "CHIEF", "at": MAY_2026}, ["ANNUAL_RESULTS"]),
        ("a", {"grades": {2022: "EXCELLENT", 2021: "COMPETENT"}, "level": "CHIEF"}, []),
        ("a", {"grades": {2023: "EXCELLENT", 2022: "INCOMPETENT"}, "level": "CHIEF"}, ["ANNUAL_RESULTS"]),
        ("b", {"external": {"degree": "MASTER"}, "public_institution": True}, []),
        ("b", {"external": {"degree": "BACHELOR"}, "public_institution": True}, ["DEGREE"]),
        ("b", {"external": {"degree": "DOCTOR"}}, ["PUBLIC_INSTITUTION"]),
        ("c", {"born": "1985-01-01", "specialty": "规划", "members_born": AGED}, []),
        ("c", {"born": "1985-01-01", "members_born": AGED}, ["SPECIALTY"]),
        ("c", {"born": "1965-01-01", "specialty": "规划", "members_born": AGED}, ["YOUNGER"]),
        ("d", {"since": "2014-12-31"}, []),
        ("d", {"since": "2015-01-01"}, ["TEN_YEARS"]),
        ("e", {"born": "1984-01-01", "grades": GOOD}, []),
        ("e", {"born": "1983-01-01", "grades": {}}, ["AGE_LIMIT", "ANNUAL_RESULTS"]),
        ("f", {"born": "1989-01-01", "grades": {2023: "COMPETENT"}}, []),
        ("f", {"born": "1988-01-01", "grades": {2023: "COMPETENT"}}, ["AGE_LIMIT"]),
    ],
)  # fmt: skip
def test_who_is_eligible(kind: str, about: dict[str, Any], expected: list[str]) -> None:
    assert unmet(kind, **about) == expected


@pytest.mark.parametrize(
    ("kind", "changes", "code"),
    [
        ("a", {"level": "CHIEF"}, None),
        ("a", {}, "POSITION_INCOMPLETE"),
        ("b", {"public_institution": True}, None),
        ("b", {}, "POSITION_INCOMPLETE"),
        ("c", {}, "POSITION_INCOMPLETE"),
        # A mean of 52, and a lower one with nobody below 45.
        ("c", {"members_born": [date(1960, 1, 1), date(1984, 1, 1)]}, None),
        ("c", {"members_born": [date(1978, 1, 1), date(1979, 1, 1)]}, None),
        ("c", {"members_born": [date(1978, 1, 1), date(1984, 1, 1)]}, "GROUP_NOT_AGED"),
        # A mean of 51.95 is not 52, though it is shown as that.
        ("c", {"members_born": [date(1984, 1, 1), *[date(1971, 6, 1)] * 18, date(1961, 1, 1)]}, "GROUP_NOT_AGED"),
        ("d", {}, None),
        ("e", {"place": "PETITION", "months": 24}, None),
        ("e", {"place": "ABROAD", "months": 24}, "POSITION_INCOMPLETE"),
        ("e", {"place": "PETITION"}, "POSITION_INCOMPLETE"),
        ("e", {"place": "PETITION", "months": 25}, "SECONDMENT_RANGE"),
        ("f", {}, None),
        ("z", {}, "UNKNOWN_KIND"),
        ("d", {"post": "机密岗位"}, "SECRECY_LEVEL"),
    ],
)
def test_what_a_plan_must_say(kind: str, changes: dict[str, Any], code: str | None) -> None:
    case: Any = SimpleNamespace()
    attempt = step(case, form=a_plan(kind, **changes), actor=SELECTOR)
    if code is None:
        plan(attempt)
        assert (case.kind, case.positions[0]["key"]) == (kind, "P1")
        return
    with pytest.raises(Refusal) as caught:
        plan(attempt)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("kind", "qualified", "selected", "code"),
    [
        ("a", 3, 0, None),
        ("a", 2, 0, "TOO_FEW_QUALIFIED"),
        ("d", 1, 0, None),
        ("d", 1, 1, "SLOTS_FULL"),
    ],
)
def test_how_many_there_must_be_to_choose_from(kind: str, qualified: int, selected: int, code: str | None) -> None:
    case: Any = SimpleNamespace(kind=kind, position="P1")
    batch = AboutBatch("SELECTING", kind, 2024, {"P1": {"slots": 1}})
    looked_up: Any = CandidateFacts(batch, qualified=qualified, selected=selected)
    attempt = step(case, looked_up=looked_up, actor=SELECTOR)
    if code is None:
        slots_left(attempt)
        return
    with pytest.raises(Refusal) as caught:
        slots_left(attempt)
    assert caught.value.code == code


def test_the_age_structure_is_shown_before_and_after() -> None:
    case: Any = SimpleNamespace(positions=[{"key": "P1", "unit": "U", "members_born": ["1970-03-04", "1968-03-05"]}])
    (found,) = age_structure(case, {"P1": [date(1988, 1, 1)]}, DAY)
    assert (found["before"]["ages"], str(found["before"]["mean"])) == ([54, 55], "54.5")
    assert (found["after"]["ages"], str(found["after"]["mean"]), found["after"]["youngest"]) == (
        [36, 54, 55],
        "48.3",
        36,
    )


@pytest.mark.parametrize(("born", "age"), [(date(2000, 3, 4), 24), (date(2000, 3, 5), 23), (date(2000, 2, 29), 24)])
def test_age_is_in_full_years(born: date, age: int) -> None:
    assert age_on(born, DAY) == age
