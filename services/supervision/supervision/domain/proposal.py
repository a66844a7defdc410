"""Proposing something against a cadre: who is on the roster, within reach, and proposed against by somebody apart from it."""

from collections.abc import Iterable

from citybus.actor import Actor
from citybus.errors import Refusal


def refuse_proposal(actor: Actor, cadre: str, unit: str | None, grounds: Iterable[str]) -> None:
    """Raise 422 `UNKNOWN_CADRE`, `AVOIDANCE`, 403 `DATA_SCOPE`. `unit` is the cadre's, `grounds` are the findings' units.

    It comes before everything else, so that nobody learns, or has handed over, what is not theirs to see.
    """
    if unit is None:
        raise Refusal("UNKNOWN_CADRE", zh="名册中没有该干部。", en="The roster has no such cadre.", cadres=[cadre])
    if actor.system:
        return
    units = {unit, *grounds}
    if actor.units is not None and not units <= actor.units:
        raise Refusal(
            "DATA_SCOPE", zh="该事项不在您的数据权限范围内。", en="The case is outside your data scope.", status=403
        )
    if actor.person == cadre or actor.unit in units:
        raise Refusal(
            "AVOIDANCE",
            zh="应当回避:您是本案当事人或属于涉及的单位,请由他人办理。",
            en="Avoidance: you are a party or belong to the unit concerned; somebody else must take this step.",
        )
