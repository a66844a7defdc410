"""Effect periods: tables of cases, and ten thousand random histories against a slow reckoning of its own."""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from supervision.domain.effect_period import Period, Term, periods
from supervision.domain.eligibility import ALL_PURPOSES, Bar, reasons_on

HISTORIES = 10_000


def term(key: str, effective: str, months: int | None, **more: Any) -> Term:
    day = date.fromisoformat(effective)
    return Term(id=key, decided_on=more.pop("decided", day), effective_on=day, months=months, **more)


def ends(*terms: Term) -> dict[str, str | None]:
    return {key: period.end and period.end.isoformat() for key, period in periods(terms).items()}


@pytest.mark.parametrize(
    ("effective", "months", "end"),
    [
        ("2024-01-15", 12, "2025-01-15"),
        ("2024-01-15", 6, "2024-07-15"),
        ("2024-08-31", 6, "2025-02-28"),
        ("2023-08-31", 6, "2024-02-29"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2024-12-31", 18, "2026-06-30"),
    ],
)
def test_a_period_ends_so_many_months_later_or_at_the_months_end(effective: str, months: int, end: str) -> None:
    assert ends(term("a", effective, months)) == {"a": end}


def test_a_party_sanction_within_another_lasts_for_the_rest_and_its_own_months() -> None:
    first = term("a", "2023-03-01", 24)
    second = term("b", "2024-06-10", 18)
    assert ends(second, first) == {"a": "2025-03-01", "b": "2026-09-01"}
    third = term("c", "2026-08-31", 24)
    assert ends(first, second, third)["c"] == "2028-09-01"
    assert periods([first, second, third])["c"].after == "b"


def test_one_that_takes_effect_on_the_day_the_other_ends_is_not_within_it() -> None:
    assert ends(term("a", "2023-01-10", 12), term("b", "2024-01-10", 12))["b"] == "2025-01-10"
    assert ends(term("a", "2023-01-10", 12), term("b", "2024-01-09", 12))["b"] == "2025-01-10"
    assert ends(term("a", "2023-01-10", 12), term("b", "2024-01-08", 12))["b"] == "2025-01-10"
    assert ends(term("a", "2023-01-10", 12), term("b", "2023-12-10", 12))["b"] == "2025-01-10"


def test_sanctions_in_public_office_last_forty_eight_months_together_at_most() -> None:
    first = term("a", "2022-01-01", 24, cap=48)
    second = term("b", "2022-03-01", 24, cap=48)
    third = term("c", "2022-04-01", 18, cap=48)
    assert ends(first, second, third) == {"a": "2024-01-01", "b": "2026-01-01", "c": "2026-04-01"}


def test_a_watch_has_no_end_until_rights_are_restored() -> None:
    watched = term("a", "2022-05-31", 24, watch=12)
    assert periods([watched])["a"] == Period(date(2022, 5, 31), None, date(2023, 5, 31))
    restored = term("a", "2022-05-31", 24, watch=12, restored_on=date(2023, 6, 8))
    assert ends(restored) == {"a": "2025-06-08"}


def test_what_comes_within_a_watch_has_no_end_either() -> None:
    watched = term("a", "2022-05-31", 24, watch=12)
    later = term("b", "2022-09-01", 12)
    assert ends(watched, later) == {"a": None, "b": None}
    restored = term("a", "2022-05-31", 24, watch=12, restored_on=date(2023, 6, 8))
    assert ends(restored, later) == {"a": "2025-06-08", "b": "2026-06-08"}


def test_a_watch_within_a_period_adds_what_remains_after_rights_are_restored() -> None:
    first = term("a", "2022-01-01", 12)
    watched = term("b", "2022-12-22", 24, watch=12, restored_on=date(2023, 12, 22))
    assert periods([first, watched])["b"] == Period(date(2022, 12, 22), date(2026, 1, 1), date(2023, 12, 22), "a")


def test_what_does_not_add_up_is_reckoned_by_itself() -> None:
    assert ends(term("a", "2022-01-01", 60, adds_up=False), term("b", "2022-02-01", 12)) == {
        "a": "2027-01-01",
        "b": "2023-02-01",
    }
    assert ends(term("a", "2022-01-01", None, adds_up=False)) == {"a": None}


# ---- a reckoning of its own, slow and plain


def months_after(day: date, months: int) -> date:
    """Return the day `months` later, going back from the same number until such a day exists."""
    year, month, number = day.year + (day.month + months - 1) // 12, (day.month + months - 1) % 12 + 1, day.day
    while True:
        try:
            return date(year, month, number)
        except ValueError:
            number -= 1


def reference(history: Sequence[Term]) -> dict[str, date | None]:
    """Reckon each end from the words of the rule: one after another, asking all earlier ones each time."""
    done: list[tuple[Term, date | None]] = []
    for one in sorted(history, key=lambda one: (one.effective_on.toordinal(), one.decided_on.toordinal(), one.id)):
        own_start = one.effective_on
        remaining: int | None = 0
        if one.adds_up:
            for other, end in done:
                if not other.adds_up or remaining is None:
                    continue
                if end is None:
                    remaining = None
                elif end > own_start:
                    remaining = max(remaining, (end - own_start).days)
        runs_from = one.restored_on if one.watch is not None else own_start
        if one.months is None or remaining is None or runs_from is None:
            done.append((one, None))
            continue
        end = months_after(date.fromordinal(runs_from.toordinal() + remaining), one.months)
        if one.cap is not None:
            limit = months_after(own_start, one.cap)
            end = limit if (end - limit).days > 0 else end
        done.append((one, end))
    return {one.id: end for one, end in done}


def random_history(source: random.Random) -> list[Term]:
    regime = source.choice(("PARTY", "GOV", "ORG"))
    history = []
    for number in range(source.randint(1, 6)):
        effective = date(2016, 1, 1) + timedelta(days=source.randrange(3000))
        decided = effective - timedelta(days=source.randrange(3))
        key = f"{source.randrange(1000):03}-{number}"
        if regime == "GOV":
            history.append(Term(key, decided, effective, source.choice((6, 12, 18, 24, 36, 48)), cap=48))
        elif regime == "ORG":
            history.append(Term(key, decided, effective, source.choice((6, 12, 24)), adds_up=False))
        else:
            kind = source.randrange(10)
            if kind == 0:
                history.append(Term(key, decided, effective, 60, adds_up=False))
            elif kind <= 2:
                watch = source.choice((12, 24))
                back = None
                if source.random() < 0.7:
                    back = months_after(effective, watch) + timedelta(days=source.randrange(60))
                history.append(Term(key, decided, effective, 24, watch=watch, restored_on=back))
            else:
                history.append(Term(key, decided, effective, source.choice((12, 18, 24))))
    return history


def test_ten_thousand_random_histories_end_as_a_slow_reckoning_says() -> None:
    source = random.Random(20240115)
    for _ in range(HISTORIES):
        history = random_history(source)
        found = periods(history)
        expected = reference(history)
        assert {key: period.end for key, period in found.items()} == expected, history
        bars = [Bar("X", ALL_PURPOSES, period.start, period.end) for period in found.values()]
        for _ in range(2):
            day = date(2016, 1, 1) + timedelta(days=source.randrange(5000))
            running = [expected[one.id] for one in history if one.effective_on <= day]
            barred = any(end is None or day < end for end in running)
            assert bool(reasons_on(bars, "PROMOTE", day)) == barred, (history, day)


def test_a_new_sanction_never_lets_the_bar_end_earlier() -> None:
    source = random.Random(20200701)
    for _ in range(500):
        history = random_history(source)
        without = history[:-1]
        last = max((end or date.max for end in reference(without).values()), default=date.min)
        assert max(period.end or date.max for period in periods(history).values()) >= last
