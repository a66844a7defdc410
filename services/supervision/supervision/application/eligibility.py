"""Eligibility (S16): keep the bars of each source, tell when a cadre's state changed, and answer as of a day.

Others decide from the event, which carries the whole state, and never by a call; `check_many` is for people.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import delete, func, insert, or_, select

from citybus.cases import Actor
from citybus.errors import Refusal
from citybus.freshness import stale
from citybus.ids import new_id
from citybus.outbox import Draft
from citybus.unit_of_work import UnitOfWork
from supervision.domain.eligibility import EVENT, Bar, Check, Reason, check, eligibility_state, reasons_on
from supervision.persistence.models import BarRow, CadreRow

__all__ = ["Bar", "Reason", "check_many", "reasons", "set_bars"]

NEEDED = ("assessment",)
"""The services without whose facts nobody passes: the roster, and who it is that is asked about."""


def set_bars(uow: UnitOfWork, source: str, cadre: str, bars: Sequence[Bar]) -> None:
    """Replace all bars of `source` (a subject such as `recall/<id>`) on `cadre`; none lifts them.

    Publishes `supervision.eligibility.changed` with the whole state of the cadre where it is another than before.
    """
    session = uow.session
    # Two sources of one cadre take turns, so that the event of the later holds the bars of both.
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"eligibility/{cadre}", 0))))
    before = _bars(uow, [cadre]).get(cadre, [])
    session.execute(delete(BarRow).where(BarRow.source == source, BarRow.cadre == cadre))
    kept = [bar for bar in dict.fromkeys(bars) if bar.until is None or bar.start < bar.until]
    if kept:
        session.execute(
            insert(BarRow),
            [
                {
                    "id": new_id(),
                    "source": source,
                    "cadre": cadre,
                    "code": bar.code,
                    "purposes": sorted(bar.purposes),
                    "start_on": bar.start,
                    "until": bar.until,
                }
                for bar in kept
            ],
        )
    state = eligibility_state(cadre, _bars(uow, [cadre]).get(cadre, []))
    if state != eligibility_state(cadre, before):
        uow.publish(Draft(type=EVENT, subject=f"eligibility/{cadre}", data=state, dataclass="L3"))


def reasons(uow: UnitOfWork, cadre: str, purpose: str, as_of: date) -> list[Reason]:
    """Return why `cadre` is barred from `purpose` on the day `as_of`, by what is known here."""
    return reasons_on(_bars(uow, [cadre], as_of).get(cadre, []), purpose, as_of)


def check_many(uow: UnitOfWork, actor: Actor, cadres: Sequence[str], purpose: str, as_of: date) -> list[Check]:
    """Return the verdict on each of `cadres`, in that order, and record that it was asked for.

    Raises Refusal 403 `DATA_SCOPE`: one of them is outside the data scope of `actor`, or `actor` in person, who must
    not learn here of a pending case.
    """
    on_roster = select(CadreRow.id, CadreRow.unit).where(CadreRow.id == func.any(list(cadres)))
    unit_of: dict[str, str] = dict(uow.session.execute(on_roster).all())
    outside = [
        cadre
        for cadre in cadres
        if cadre == actor.person or (actor.units is not None and unit_of.get(cadre) not in actor.units)
    ]
    if outside:
        raise Refusal(
            "DATA_SCOPE",
            zh="所查询的干部不在您的数据权限范围内。",
            en="A cadre that was asked about is outside your data scope.",
            status=403,
            cadres=outside[:100],
        )
    old = bool(stale(uow.session, *NEEDED))
    known = _bars(uow, cadres, as_of)
    answers = [
        check(cadre, known.get(cadre, []), purpose, as_of, stale=old or cadre not in unit_of) for cadre in cadres
    ]
    uow.audit(
        "eligibility.check",
        f"eligibility/{cadres[0]}" if len(cadres) == 1 else "eligibility",
        read=["verdict", "reasons"],
        written={"purpose": purpose, "as_of": as_of.isoformat(), "cadres": list(cadres)},
    )
    return answers


def _bars(uow: UnitOfWork, cadres: Sequence[str], as_of: date | None = None) -> Mapping[str, list[Bar]]:
    """Return the bars of `cadres`; with `as_of`, without those that were over before."""
    row = BarRow
    columns = (row.cadre, row.code, row.purposes, row.start_on, row.until)
    wanted = select(*columns).where(row.cadre == func.any(list(cadres)))
    if as_of is not None:
        wanted = wanted.where(or_(row.until.is_(None), row.until > as_of))
    found: dict[str, list[Bar]] = defaultdict(list)
    for cadre, code, purposes, start, until in uow.session.execute(wanted):
        found[cadre].append(Bar(code, frozenset(purposes), start, until))
    return found
