"""The events that assessment publishes; their contracts are in contracts/schemas."""

from typing import Any, Final

from assessment.domain.annual import Annual
from assessment.domain.appeal import Appeal
from assessment.domain.cadre import Registered
from assessment.domain.constraint import Held
from assessment.domain.deduction import Deduction, decimal_text
from assessment.domain.duty_list import DutyList
from assessment.domain.indicator import Indicator
from assessment.domain.joint_review import JointReview
from assessment.domain.quota import Quota
from assessment.domain.roster import Cadre, Unit
from assessment.domain.scheme import Scheme
from citybus.outbox import Draft

UNIT_REGISTERED: Final = "assessment.unit.registered.v1"


CADRE_REGISTERED: Final = "assessment.cadre.registered.v1"


DEDUCTION_CHANGED: Final = "assessment.deduction.changed.v1"


RESULT_SERVED: Final = "assessment.result.served.v1"


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


def duty_list_state(case: DutyList) -> dict[str, Any]:
    """Return the state of a duty list: whose, which and how far; never what it says."""
    return {
        "duty_list": case.id,
        "owner_kind": case.owner_kind,
        "owner": case.owner,
        "unit": case.unit,
        "year": case.year,
        "kind": case.kind,
        "state": case.state,
        "version": case.list_version,
        "round": case.round,
        "late": case.late,
    }


def joint_review_state(case: JointReview) -> dict[str, Any]:
    """Return the state of a joint review: neither its members nor what they think."""
    return {
        "joint_review": case.id,
        "duty_list": case.duty_list_id,
        "unit": case.unit,
        "round": case.round,
        "amendment": case.amendment,
        "due_on": case.due_on.isoformat(),
        "state": case.state,
        "conclusion": case.conclusion,
    }


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


def scheme_state(case: Scheme) -> dict[str, Any]:
    """Return what is told of a scheme: that the year has one."""
    return {"scheme": case.id, "year": case.year, "target_kind": case.target_kind, "state": case.state}


def quota_state(case: Quota) -> dict[str, Any]:
    """Return the state of a quota."""
    return {
        "quota": case.id,
        "year": case.year,
        "category": case.category,
        "unit": case.unit,
        "ratio": decimal_text(case.ratio),
        "rounding": case.rounding,
        "counts_no_grade": case.counts_no_grade,
        "base": case.base,
        "limit": case.most,
        "state": case.state,
    }


def annual_state(case: Annual) -> dict[str, Any]:
    """Return the state of an annual assessment: a grade once it is decided, never a proposal or a text."""
    return {
        "annual": case.id,
        "subject_kind": case.subject_kind,
        "cadre": case.cadre,
        "unit": case.unit,
        "year": case.year,
        "state": case.state,
        "grade": case.grade,
        "grade_status": case.grade_status,
        "revision": case.revision,
        "cause": case.cause,
    }


def result_served(case: Annual) -> Draft:
    """Return the event that a result was served, and until when it may be appealed."""
    data = {
        "annual": case.id,
        "subject_kind": case.subject_kind,
        "cadre": case.cadre,
        "unit": case.unit,
        "year": case.year,
        "revision": case.revision,
        "served_on": case.served_on and case.served_on.isoformat(),
        "appeal_until": case.appeal_until and case.appeal_until.isoformat(),
    }
    return Draft(RESULT_SERVED, f"result/{case.id}", data, "L3", mandatory=False)


def indicator_state(case: Indicator) -> dict[str, Any]:
    """Return the state of an indicator, whole."""
    return {
        "indicator": case.id,
        "year": case.year,
        "code": case.code,
        "title": case.title,
        "level": case.level,
        "unit_of_measure": case.unit_of_measure,
        "target": decimal_text(case.target),
        "baseline": None if case.baseline is None else decimal_text(case.baseline),
        "lead_unit": case.lead_unit,
        "co_units": list(case.co_units),
        "state": case.state,
    }


def cadre_state(case: Registered) -> dict[str, Any]:
    """Return the state of a cadre in the roster: neither identity number nor birth date nor reason is told."""
    return {
        "cadre": case.id,
        "name": case.name,
        "unit": case.unit,
        "post": case.post,
        "post_since": case.post_since.isoformat(),
        "rank": case.rank,
        "manage_level": case.manage_level,
        "categories": list(case.categories),
        "state": case.state,
        "effective_on": case.effective_on.isoformat(),
    }


def appeal_state(case: Appeal) -> dict[str, Any]:
    """Return the state of an appeal: what it is about and how it stands, never what it says."""
    return {
        "appeal": case.id,
        "type": case.type,
        "subject_ref": case.subject_ref,
        "cadre": case.cadre,
        "state": case.state,
        "filed_on": case.filed_on.isoformat(),
        "due_on": case.due_on and case.due_on.isoformat(),
        "decision": case.decision,
        "amended_to": case.amended_to,
        "decided_on": case.decided_on and case.decided_on.isoformat(),
        "executed_on": case.executed_on and case.executed_on.isoformat(),
    }
