"""The events that assessment publishes; their contracts are in contracts/schemas."""

from typing import Any, Final

from assessment.domain.constraint import Held
from assessment.domain.deduction import Deduction, decimal_text
from assessment.domain.roster import Cadre, Unit
from citybus.outbox import Draft

UNIT_REGISTERED: Final = "assessment.unit.registered.v1"
CADRE_REGISTERED: Final = "assessment.cadre.registered.v1"
DEDUCTION_CHANGED: Final = "assessment.deduction.changed.v1"


def unit_registered(unit: Unit, rule_pack: str | None) -> Draft:
    """Return the event that a unit is in the roster."""
    data = {"unit": unit.code, "name": unit.name, "kind": unit.kind, "sector": unit.sector}
    return Draft(UNIT_REGISTERED, f"unit/{unit.code}", data, "L2", rulepack=rule_pack)


def cadre_registered(cadre_id: str, cadre: Cadre, rule_pack: str | None) -> Draft:
    """Return the event that a cadre is in the roster: neither identity number nor birth date is told."""
    data = {
        "cadre": cadre_id,
        "name": cadre.name,
        "unit": cadre.unit,
        "post": cadre.post,
        "post_since": cadre.post_since.isoformat(),
        "rank": cadre.rank,
        "manage_level": cadre.manage_level,
        "categories": list(cadre.categories),
    }
    return Draft(CADRE_REGISTERED, f"cadre/{cadre_id}", data, "L3", rulepack=rule_pack)


def deduction_changed(cadre_id: str, year: int, found: Deduction) -> Draft:
    """Return the event that the deduction of a cadre's year is now as `found`."""
    data = {
        "cadre": cadre_id,
        "year": year,
        "deduction": decimal_text(found.deduction),
        "cap": decimal_text(found.cap),
        "items": [
            {
                "finding": item.finding,
                "role": item.role.value,
                "effective_weight": decimal_text(item.effective_weight, 1),
                "role_share": decimal_text(item.role_share, 1),
                "points": decimal_text(item.points, 2),
            }
            for item in found.items
        ],
    }
    return Draft(DEDUCTION_CHANGED, f"deduction/{cadre_id}-{year}", data, "L3", rulepack=found.cap_pack)


def constraint_state(case: Held) -> dict[str, Any]:
    """Return the state of a constraint on a grade: codes and references, never a text."""
    return {
        "constraint": case.id,
        "cadre": case.cadre,
        "year": case.year,
        "kind": case.kind,
        "grade": case.grade,
        "reason_code": case.reason_code,
        "source": case.source,
        "state": case.state,
        "findings": list(case.findings),
        "open_ended": case.open_ended,
    }
