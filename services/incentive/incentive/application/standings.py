"""What others told of cadres, part by part, and the gate's answer from it (I13). No other service is asked.

Each part is kept under the subject that told it, with the number of its event: an older one never takes the place of a
newer, as `domain.gate.keep` says.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from citybus.actor import Actor
from citybus.envelope import Event
from citybus.errors import Refusal
from citybus.freshness import stale
from citybus.ids import new_id
from citybus.outbox import Draft
from citybus.rulepack import Rules
from citybus.unit_of_work import UnitOfWork
from incentive.domain.candidate import told
from incentive.domain.gate import Evaluation, Part, Question, Standing, Told, evaluate, standing
from incentive.persistence.models import GateEvaluationRow, StandingPartRow
from incentive.schemas.published import gate_state

NEEDED = ("supervision", "assessment")
"""The services without whose facts the gate opens for nobody."""
EVENT = "incentive.gate.evaluated.v1"


def keep_part(uow: UnitOfWork, event: Event, part: Part, cadre: str, data: Mapping[str, Any]) -> None:
    """Keep what `event` tells of `cadre`, unless something newer of its subject is kept already."""
    row = StandingPartRow
    values = {"sequence": event.sequence, "cadre": cadre, "part": part.value, "data": dict(data)}
    statement = insert(row).values(subject=event.subject, **values)
    uow.session.execute(
        statement.on_conflict_do_update(
            index_elements=[row.subject], set_=values, where=row.sequence < statement.excluded.sequence
        )
    )


def know_eligibility(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Keep the bars of a cadre: the whole state, as supervision told it last (S16)."""
    intervals = {
        purpose: [
            {
                "code": interval["code"],
                "from": interval["start"].isoformat(),
                "until": None if interval["until"] is None else interval["until"].isoformat(),
            }
            for interval in each
        ]
        for purpose, each in data["purposes"].items()
    }
    keep_part(uow, event, Part.BARS, data["cadre"], {"purposes": intervals})


def know_annual(uow: UnitOfWork, event: Event, data: Mapping[str, Any]) -> None:
    """Keep the result of a cadre's year (A8). That of a group says nothing of one cadre."""
    if data["cadre"] is None:
        return
    settled = data["grade_status"] in ("GRADED", "NO_GRADE")
    result = {"year": data["year"], "grade": data["grade"] if settled else None, "settled": settled}
    keep_part(uow, event, Part.ANNUAL, data["cadre"], result)


def standings(uow: UnitOfWork, cadres: Sequence[str]) -> Mapping[str, Standing]:
    """Return what is known of each of `cadres`."""
    parts: dict[str, list[Told]] = defaultdict(list)
    rows = uow.session.scalars(select(StandingPartRow).where(StandingPartRow.cadre.in_(list(cadres))))
    for row in rows:
        parts[row.cadre].append(Told(row.subject, row.sequence, row.part, row.data))
    return {cadre: standing(parts[cadre]) for cadre in cadres}


def off_roster(uow: UnitOfWork, cadres: Sequence[str]) -> frozenset[str]:
    """Return those of `cadres` who have left."""
    row = StandingPartRow
    parts = uow.session.scalars(select(row).where(row.cadre.in_(list(cadres)), row.part == Part.ROSTER.value))
    return frozenset(part.cadre for part in parts if not part.data["on_roster"])


def ask_gate(
    uow: UnitOfWork, rules: Rules, cadres: Mapping[str, Sequence[str]], purpose: str, as_of: date
) -> Mapping[str, Evaluation]:
    """Return the gate's answer for each of `cadres` (cadre → who is kept from the post by relations)."""
    old = stale(uow.session, *NEEDED)
    known = standings(uow, list(cadres))
    return {
        cadre: evaluate(Question(cadre, purpose, as_of, avoid), known[cadre], rules, old)
        for cadre, avoid in cadres.items()
    }


def record_evaluation(uow: UnitOfWork, case: Any, evaluation: Evaluation, occasion: str) -> None:
    """Keep what the gate answered about a candidate, and when it was asked; tell it."""
    row = GateEvaluationRow(
        id=new_id(),
        candidate_id=case.id,
        batch_id=case.batch_id,
        cadre=case.cadre,
        purpose=evaluation.purpose,
        as_of=evaluation.as_of,
        verdict=evaluation.verdict.value,
        reasons=told(evaluation.reasons),
        occasion=occasion,
        at=uow.clock.now(),
    )
    uow.session.add(row)
    uow.publish(Draft(type=EVENT, subject=f"gate/{row.id}", data=gate_state(row), dataclass="L3", mandatory=False))


def question(uow: UnitOfWork, rules: Rules, actor: Actor, cadre: str, purpose: str, as_of: date) -> Evaluation:
    """Return the gate's answer about `cadre` for an officer who asks, and record that it was asked.

    Raises Refusal 403 `DATA_SCOPE`: the cadre's unit is outside the scope of `actor`, or the cadre is `actor` in person,
    who must not learn here of a pending case.
    """
    unit = standings(uow, [cadre])[cadre].unit
    if cadre == actor.person or (actor.units is not None and unit not in actor.units):
        raise Refusal(
            "DATA_SCOPE",
            zh="该干部不在您的数据权限范围内。",
            en="The cadre is outside your data scope.",
            status=403,
        )
    found = ask_gate(uow, rules, {cadre: ()}, purpose, as_of)[cadre]
    uow.audit(
        "gate.evaluate",
        f"gate/{cadre}",
        read=["verdict", "reasons"],
        written={"purpose": purpose, "as_of": as_of.isoformat(), "verdict": found.verdict.value},
    )
    return found
