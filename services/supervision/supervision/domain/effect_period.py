"""Effect periods (S10, 1.4): from when until when sanctions of one regime last, one beginning within another.

A period is `[start, end)`. It ends `months` after it begins, clipped to the end of the month. A sanction that takes
effect within the period of an earlier one of its regime that adds up lasts for what remains of the earlier one and
then for its own months, at most `cap` months from its own beginning. Regimes are reckoned apart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from citybus.calendar import add_months


@dataclass(frozen=True, slots=True)
class Term:
    """One sanction as the reckoning sees it.

    `months` None: it has no end. `adds_up`: it lengthens by, and lengthens, others of its regime. `watch`: months under
    watch, after which `months` run from the day on which rights were restored; until then there is no end.
    """

    id: str
    decided_on: date
    effective_on: date
    months: int | None
    adds_up: bool = True
    cap: int | None = None
    watch: int | None = None
    restored_on: date | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """`[start, end)`, the first day after the watch, and the earlier sanction whose remainder it contains."""

    start: date
    end: date | None
    watch_until: date | None = None
    after: str | None = None


def periods(terms: Iterable[Term]) -> Mapping[str, Period]:
    """Return the period of each of `terms`, which are all those of one cadre in one regime that stand."""
    found: dict[str, Period] = {}
    adding_up: list[tuple[str, Period]] = []
    for term in sorted(terms, key=lambda term: (term.effective_on, term.decided_on, term.id)):
        within = _longest_running(adding_up, term.effective_on) if term.adds_up else None
        found[term.id] = _period(term, within)
        if term.adds_up:
            adding_up.append((term.id, found[term.id]))
    return found


def _longest_running(earlier: Iterable[tuple[str, Period]], day: date) -> tuple[str, Period] | None:
    running = [(key, period) for key, period in earlier if period.end is None or day < period.end]
    return max(running, key=lambda entry: entry[1].end or date.max, default=None)


def _period(term: Term, within: tuple[str, Period] | None) -> Period:
    start = term.effective_on
    watch_until = None if term.watch is None else add_months(start, term.watch)
    after = None if within is None else within[0]
    begins = start if term.watch is None else term.restored_on
    ends = start if within is None else within[1].end
    if term.months is None or begins is None or ends is None:
        return Period(start, None, watch_until, after)
    end = add_months(begins + (ends - start), term.months)
    if term.cap is not None:
        end = min(end, add_months(start, term.cap))
    return Period(start, end, watch_until, after)
