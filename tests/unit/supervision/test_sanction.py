"""Sanctions: how long each kind lasts under which pack, what an entry must hold, and what it bars."""

from datetime import date, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from citybus.cases import Actor
from citybus.clock import ZONE
from citybus.errors import Refusal
from supervision.application.sanctions import lengths
from supervision.domain import sanction
from supervision.domain.sanction import SanctionFacts, possible_months
from tests.support.supervision import BUREAU, DISC, LEAD, ORG, RECORDER, rulebook, step

NOON = datetime(2024, 3, 4, 12, tzinfo=ZONE)


def entry(**changes: Any) -> dict[str, Any]:
    made = {
        "cadre": LEAD,
        "regime": "GOV",
        "kind": "DEMERIT",
        "organ": "DISC",
        "decision_no": "黄纪〔2024〕1号",
        "legal_basis": "《公职人员政务处分法》第八条",
        "conduct_on": date(2023, 6, 1),
        "decided_on": date(2024, 3, 1),
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def entered(at: datetime = NOON, actor: Actor = DISC, others: Any = (), **changes: Any) -> Any:
    """Return a sanction as it is entered by the form."""
    form = entry(**changes)
    facts = SanctionFacts(unit=BUREAU, others=others, **lengths(rulebook(), form))
    case = SimpleNamespace(id="s1", state="ENTERED")
    sanction.enter(step(case, form=form, facts=facts, at=at, actor=actor))
    return case


def refused(**changes: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        entered(**changes)
    return caught.value


@pytest.mark.parametrize(
    ("regime", "kind", "conduct", "decided", "months"),
    [
        ("PARTY", "WARNING", "2015-06-01", "2016-03-01", 12),
        ("PARTY", "WARNING", "2023-06-01", "2024-03-01", 12),
        ("PARTY", "SERIOUS_WARNING", "2015-12-31", "2016-03-01", 12),
        ("PARTY", "SERIOUS_WARNING", "2015-12-31", "2024-03-01", 12),
        ("PARTY", "SERIOUS_WARNING", "2016-01-01", "2016-03-01", 18),
        ("PARTY", "SERIOUS_WARNING", "2018-11-01", "2019-03-01", 18),
        ("PARTY", "SERIOUS_WARNING", "2024-01-01", "2024-03-01", 18),
        ("PARTY", "REMOVAL_FROM_PARTY_POST", "2023-06-01", "2024-03-01", 24),
        ("PARTY", "EXPULSION", "2023-06-01", "2024-03-01", 60),
        ("GOV", "WARNING", "2019-06-01", "2020-03-01", 6),
        ("GOV", "WARNING", "2023-06-01", "2024-03-01", 6),
        ("GOV", "DEMERIT", "2023-06-01", "2024-03-01", 12),
        ("GOV", "SERIOUS_DEMERIT", "2023-06-01", "2024-03-01", 18),
        ("GOV", "DOWNGRADE", "2023-06-01", "2024-03-01", 24),
        ("GOV", "REMOVAL", "2023-06-01", "2024-03-01", 24),
    ],
)
def test_how_long_a_punishment_lasts_is_by_the_rules_at_the_conduct(
    regime: str, kind: str, conduct: str, decided: str, months: int
) -> None:
    days = {"conduct_on": date.fromisoformat(conduct), "decided_on": date.fromisoformat(decided)}
    case = entered(regime=regime, kind=kind, **days)
    assert case.months == months
    assert refused(regime=regime, kind=kind, months=months + 1, **days).code == "MONTHS_MISMATCH"


@pytest.mark.parametrize(
    ("basis", "kind", "decided", "months", "post_until", "end"),
    [
        ("UNFIT", "TRANSFER", "2024-03-01", None, None, "2025-03-01"),
        ("UNFIT", "RANK_CHANGE", "2024-03-01", None, None, "2025-03-01"),
        ("UNFIT", "REMOVE", "2024-03-01", None, None, "2025-03-01"),
        ("UNFIT", "DEMOTE", "2024-03-01", None, None, "2026-03-01"),
        ("UNFIT", "DEMOTE", "2020-03-02", None, None, "2022-03-02"),
        ("HANDLING", "TRANSFER", "2024-03-01", None, None, "2025-03-01"),
        ("HANDLING", "REMOVE", "2024-03-01", None, "2025-03-01", "2026-03-01"),
        ("HANDLING", "REMOVE", "2020-03-02", None, "2021-03-02", "2022-03-02"),
        ("HANDLING", "RESIGN_ORDERED", "2024-03-01", None, "2025-03-01", "2026-03-01"),
        ("HANDLING", "DEMOTE", "2024-03-01", None, None, "2026-03-01"),
        ("HANDLING", "SUSPEND_CHECK", "2024-03-01", 6, None, "2024-09-01"),
        ("HANDLING", "SUSPEND_CHECK", "2024-03-01", 1, None, "2024-04-01"),
    ],
)
def test_how_long_a_measure_lasts_is_by_its_basis(
    basis: str, kind: str, decided: str, months: int | None, post_until: str | None, end: str
) -> None:
    case = entered(
        regime="ORG", kind=kind, basis=basis, decided_on=date.fromisoformat(decided), conduct_on=None, months=months
    )
    assert (case.post_until and case.post_until.isoformat(), case.end_on.isoformat()) == (post_until, end)


def test_an_admonition_lasts_six_months() -> None:
    case = entered(regime="ADMONITION", kind="ADMONITION", conduct_on=None)
    assert (case.months, case.end_on) == (6, date(2024, 9, 1))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"regime": "PARTY", "kind": "PROBATION"}, "MONTHS_MISMATCH"),
        ({"regime": "PARTY", "kind": "PROBATION", "months": 18}, "MONTHS_MISMATCH"),
        ({"kind": "DISMISSAL", "months": 24}, "MONTHS_MISMATCH"),
        ({"kind": "EXPULSION"}, "UNKNOWN_SANCTION_KIND"),
        ({"regime": "ORG", "kind": "TRANSFER"}, "BASIS_WRONG"),
        ({"regime": "ORG", "kind": "RANK_CHANGE", "basis": "HANDLING"}, "BASIS_WRONG"),
        ({"basis": "UNFIT"}, "BASIS_WRONG"),
        (
            {"regime": "ORG", "kind": "SUSPEND_CHECK", "basis": "HANDLING", "conduct_on": None, "months": 7},
            "MONTHS_MISMATCH",
        ),
        ({"conduct_on": None}, "DATE_RANGE"),
        ({"conduct_on": date(2024, 3, 2)}, "DATE_RANGE"),
        ({"decided_on": date(2024, 3, 5)}, "DATE_RANGE"),
        ({"effective_on": date(2024, 2, 29)}, "DATE_RANGE"),
        ({"conduct_on": date(2003, 6, 1), "regime": "PARTY", "kind": "WARNING"}, "NO_RULE_AT_CONDUCT"),
        ({"legal_basis": "机密:第八条"}, "SECRECY_LEVEL"),
        ({"actor": ORG, "regime": "PARTY", "kind": "WARNING"}, "ORGAN_NOT_ENTITLED"),
        ({"actor": RECORDER}, "ORGAN_NOT_ENTITLED"),
    ],
)
def test_what_an_entry_is_refused_for(changes: dict[str, Any], code: str) -> None:
    assert refused(**changes).code == code


def test_a_dismissal_has_no_end_and_a_watch_none_yet() -> None:
    assert entered(kind="DISMISSAL").end_on is None
    watched = entered(regime="PARTY", kind="PROBATION", months=24)
    assert (watched.end_on, watched.watch_until) == (None, date(2026, 3, 1))


@pytest.mark.parametrize(
    ("months", "offences", "cap", "allowed"),
    [
        (12, 1, 48, [12]),
        (12, 3, 48, list(range(12, 37))),
        (24, 3, 48, list(range(24, 49))),
        (18, 2, None, [18]),
    ],
)
def test_several_offences_of_one_kind_last_between_one_period_and_the_sum_capped(
    months: int, offences: int, cap: int | None, allowed: list[int]
) -> None:
    assert possible_months(months, offences, cap) == allowed


@pytest.mark.parametrize(("decided", "late"), [("2024-02-26", False), ("2024-02-23", True), ("2024-03-01", False)])
def test_what_is_entered_later_than_five_working_days_is_marked(decided: str, late: bool) -> None:
    assert entered(decided_on=date.fromisoformat(decided)).recorded_late is late


def test_what_a_sanction_bars() -> None:
    rules = rulebook().on(NOON.date())
    case = entered()
    assert sanction.bars(case, rules) == []
    case.state = "RECORDED"
    [bar] = sanction.bars(case, rules)
    assert (bar.code, bar.start, bar.until) == ("EFFECT_PERIOD_ACTIVE", date(2024, 3, 1), date(2025, 3, 1))
    assert bar.purposes == {"PROMOTE", "TRANSFER", "AWARD", "EXCELLENT"}
    case.state, case.affects_use_from = "EXPIRED", date(2025, 4, 1)
    after = sanction.bars(case, rules)[1]
    assert (after.code, after.purposes) == ("AFFECTS_USE_AFTER_EXPIRY", {"PROMOTE", "TRANSFER"})
    case.state = "REVOKED"
    assert sanction.bars(case, rules) == []


@pytest.mark.parametrize(
    ("changes", "promote", "excellent"),
    [
        ({"kind": "WARNING", "decided_on": date(2024, 2, 1)}, date(2024, 8, 1), date(2025, 1, 1)),
        ({"kind": "WARNING", "effective_on": date(2024, 9, 1)}, date(2025, 3, 1), date(2025, 3, 1)),
        ({"kind": "WARNING", "effective_on": date(2024, 7, 1)}, date(2025, 1, 1), date(2025, 1, 1)),
        ({"regime": "ADMONITION", "kind": "ADMONITION", "conduct_on": None}, date(2024, 9, 1), date(2025, 1, 1)),
    ],
)
def test_nobody_is_excellent_in_the_year_of_a_sanction_that_is_over_within_it(
    changes: dict[str, Any], promote: date, excellent: date
) -> None:
    """1.3; as an admonition of S9 has it."""
    case = entered(**changes)
    case.state = "IN_EFFECT"
    found = sanction.bars(case, rulebook().on(NOON.date()))

    def until(purpose: str) -> Any:
        return max(bar.until for bar in found if purpose in bar.purposes)

    assert (until("PROMOTE"), until("AWARD"), until("EXCELLENT")) == (promote, promote, excellent)
    assert {bar.code for bar in found} == {"EFFECT_PERIOD_ACTIVE"}


def test_a_suspension_bars_no_excellent_grade() -> None:
    case = entered(regime="ORG", kind="SUSPEND_CHECK", basis="HANDLING", conduct_on=None, months=3)
    case.state = "IN_EFFECT"
    found = sanction.bars(case, rulebook().on(NOON.date()))
    assert not any("EXCELLENT" in bar.purposes for bar in found)


def test_a_removal_bars_leading_posts_for_a_year_and_higher_ones_for_two() -> None:
    case = entered(regime="ORG", kind="REMOVE", basis="HANDLING", conduct_on=None)
    case.state = "IN_EFFECT"
    found = {purpose: bar.until for bar in sanction.bars(case, rulebook().on(NOON.date())) for purpose in bar.purposes}
    assert (found["TRANSFER"], found["PROMOTE"]) == (date(2025, 3, 1), date(2026, 3, 1))


def modified(was: dict[str, Any], cause: str, kind: str, months: int | None = None) -> Any:
    """Return a sanction in effect after a later decision has made another kind of it."""
    case = entered(**was)
    case.state = "IN_EFFECT"
    form: dict[str, Any] = {"cause": cause, "decision_no": "黄复〔2024〕1号", "kind": kind, "reason": "复审"}
    form |= {} if months is None else {"months": months}
    facts = SanctionFacts(unit=BUREAU, **lengths(rulebook(), entry(**was | {"kind": kind})))
    sanction.modify(step(case, form=form, facts=facts, at=NOON, actor=DISC))
    return case


@pytest.mark.parametrize(
    ("was", "kind", "months"),
    [
        ({"kind": "DOWNGRADE"}, "REMOVAL", None),
        ({"kind": "WARNING"}, "DEMERIT", None),
        ({"regime": "PARTY", "kind": "PROBATION", "months": 24}, "EXPULSION", None),
        ({"regime": "PARTY", "kind": "PROBATION", "months": 12}, "PROBATION", 24),
        ({"regime": "PARTY", "kind": "REMOVAL_FROM_PARTY_POST"}, "PROBATION", 12),
    ],
)
@pytest.mark.parametrize("cause", ["APPEAL", "REVIEW"])
def test_an_appeal_makes_no_heavier_kind_of_it_however_long_it_lasts(
    cause: str, was: dict[str, Any], kind: str, months: int | None
) -> None:
    with pytest.raises(Refusal) as caught:
        modified(was, cause, kind, months)
    assert caught.value.code == "NO_REFORMATIO_IN_PEIUS"
    assert {"kind", "was_kind", "end_on", "was"} <= set(caught.value.figures)
    assert modified(was, "CORRECTION", kind, months).kind == kind


@pytest.mark.parametrize(
    ("was", "kind", "months"),
    [
        ({"kind": "REMOVAL"}, "DOWNGRADE", None),
        ({"kind": "DISMISSAL"}, "REMOVAL", None),
        ({"regime": "PARTY", "kind": "EXPULSION"}, "PROBATION", 24),
        ({"regime": "PARTY", "kind": "PROBATION", "months": 24}, "PROBATION", 12),
        ({"regime": "PARTY", "kind": "PROBATION", "months": 12}, "SERIOUS_WARNING", None),
    ],
)
def test_an_appeal_may_make_a_lighter_kind_of_it(was: dict[str, Any], kind: str, months: int | None) -> None:
    assert modified(was, "APPEAL", kind, months).kind == kind
