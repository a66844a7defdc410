"""Verifying a case (I4): who may, by which factors, and what the scores advise. A human decides."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from citybus.cases.declare import Step
from citybus.errors import Refusal
from incentive.domain.application import Facts, Tolerance, refuse_involved


class Decision(StrEnum):
    """What a case may end in."""

    EXEMPT = "EXEMPT"
    MITIGATE = "MITIGATE"
    DENY = "DENY"


DECISIONS: Final[Mapping[Decision, tuple[str, str]]] = MappingProxyType(
    {
        Decision.EXEMPT: ("免责", "exempt"),
        Decision.MITIGATE: ("减责", "mitigate"),
        Decision.DENY: ("不予容错", "deny"),
    }
)
FACTORS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "motive": ("动机态度", "motive and attitude"),
        "conditions": ("客观条件", "objective conditions"),
        "procedure": ("程序方法", "procedure and method"),
        "nature": ("性质程度", "nature and degree"),
        "consequence": ("后果影响", "consequence"),
        "recovery": ("挽回损失", "recovery of loss"),
    }
)
"""The six factors of judgement (1.8), each scored from 0 to 2."""
SCORES: Final = range(3)


def name_verifiers(step: Step) -> None:
    """Note who verifies, and from when. Raises as `check_people` does."""
    case: Tolerance = step.case
    check_people(step, step.form["verifiers"], "verify")
    case.verifiers = [dict(verifier) for verifier in step.form["verifiers"]]


def assign(step: Step) -> None:
    """Name the two verifiers; the time to verify runs from today."""
    case: Tolerance = step.case
    name_verifiers(step)
    case.assigned_on = step.at.date()
    case.verify_by = step.rule("tolerance.verify_period").last_day(case.assigned_on).day


def check_people(step: Step, people: Sequence[Mapping[str, str]], role: str) -> None:
    """Raise where one of `people` (`{subject, cadre}`) must not take part in the action `role` of the case.

    422 `NAMED_TWICE`, `UNKNOWN_CADRE` (not on the roster), `CADRE_LEFT`, and `AVOIDANCE` for who belongs to the unit, is
    concerned by the finding, or handled the finding or an earlier step of the case (X7; civil servants law, articles 76 and 77).
    """
    case: Tolerance = step.case
    facts: Facts = step.facts
    for part in ("subject", "cadre"):
        named = [person[part] for person in people]
        if len(set(named)) < len(named):
            raise Refusal("NAMED_TWICE", zh="同一人被重复列入。", en="Somebody is named twice.", part=part)
    unknown = sorted(person["cadre"] for person in people if person["cadre"] not in facts.unit_of)
    if unknown:
        raise Refusal("UNKNOWN_CADRE", zh="名册中没有该干部。", en="The roster has no such cadre.", cadres=unknown)
    left = sorted(person["cadre"] for person in people if person["cadre"] in facts.left)
    if left:
        raise Refusal("CADRE_LEFT", zh="所列人员已离任,请更换。", en="Somebody who is named has left.", cadres=left)
    responsible = facts.finding.responsible if facts.finding else frozenset()
    handlers = facts.finding.handlers if facts.finding else frozenset()
    earlier = handlers | {past.actor for past in step.history if past.action != role}
    concerned = responsible | set(case.persons)
    involved = {
        person["subject"]
        for person in people
        if person["subject"] in earlier or person["cadre"] in concerned or facts.unit_of[person["cadre"]] == case.unit
    }
    if involved:
        raise refuse_involved(involved)


def apart_from_case(step: Step) -> None:
    """Raise 422 `AVOIDANCE` where the actor handled the finding, verified the case, or sat on its panel (X7).

    Who verifies is held to the first alone: whoever took a step on the finding since the assignment must be replaced.
    """
    case: Tolerance = step.case
    facts: Facts = step.facts
    actor = step.actor
    subjects = set(facts.finding.handlers) if facts.finding else set()
    cadres: set[str] = set()
    if step.action != "verify":
        part = [*case.verifiers, *case.panel]
        subjects |= {person["subject"] for person in part}
        cadres = {person["cadre"] for person in part}
    if actor.subject in subjects or (actor.person is not None and actor.person in cadres):
        raise refuse_involved([actor.subject])


def by_assigned(step: Step) -> None:
    """Raise 403 `NOT_ASSIGNED` where the actor is none of the two verifiers."""
    case: Tolerance = step.case
    actor = step.actor
    if not any(
        verifier["subject"] == actor.subject and actor.person in (None, verifier["cadre"])
        for verifier in case.verifiers
    ):
        raise Refusal(
            "NOT_ASSIGNED",
            zh="只有指定的核实人员可以核实。",
            en="Only those who were assigned verify the case.",
            status=403,
        )


def may_extend(step: Step) -> None:
    """Raise 422 `EXTENDED_ALREADY`, or `OUT_OF_TIME` where the time to verify is over (M8: once)."""
    case: Tolerance = step.case
    if case.extended_until is not None:
        raise Refusal("EXTENDED_ALREADY", zh="核实期限只能延长一次。", en="The time to verify is extended once.")
    if case.verify_by is not None and step.at.date() > case.verify_by:
        raise Refusal(
            "OUT_OF_TIME",
            zh=f"核实期限已于 {case.verify_by} 届满，不得再延长。",
            en=f"The time to verify ended on {case.verify_by}; it cannot be extended any more.",
            until=case.verify_by.isoformat(),
        )


def extend(step: Step) -> None:
    """Note until when there is time to verify now: the extension runs from the end of the ordinary time."""
    case: Tolerance = step.case
    if case.verify_by is not None:
        case.extended_until = step.rule("tolerance.verify_extension").last_day(case.verify_by).day


def accept(step: Step) -> None:
    """Note the exclusions that the officer names, from which the proposal to deny follows; the verifiers confirm them or not.

    Raises 422 `REASON_MISSING` where they are named without a reason: who asked must be able to answer.
    """
    case: Tolerance = step.case
    case.exclusions = sorted(step.form.get("exclusions") or ())
    if case.exclusions and not step.form.get("reason"):
        raise Refusal(
            "REASON_MISSING", zh="列明排除情形须说明理由。", en="What is held against it at once needs a reason."
        )


def proposal(case: Tolerance) -> Mapping[str, Any] | None:
    """Return what is proposed of a case of which nothing is verified yet; None where nothing is, or where it was verified."""
    if case.factors is not None or not case.exclusions:
        return None
    return {"decision": Decision.DENY.value, "codes": [f"EXCLUDED_{name}" for name in case.exclusions]}


def known_exclusions(step: Step) -> None:
    """Raise 422 `UNKNOWN_EXCLUSION` where the form names one that the catalogue in force does not have."""
    unknown = sorted(set(step.form.get("exclusions") or ()) - set(step.rule("tolerance.exclusions")))
    if unknown:
        raise Refusal(
            "UNKNOWN_EXCLUSION",
            zh="排除情形不在现行目录内。",
            en="The catalogue has no such exclusion.",
            exclusions=unknown,
        )


def verify(step: Step) -> None:
    """Note scores and exclusions, on which both verifiers agree, and what they advise, with its grounds."""
    case: Tolerance = step.case
    case.factors = dict(step.form["factors"])
    case.exclusions = sorted(step.form["exclusions"])
    exempt_from, mitigate_from = step.rule("tolerance.advice.exempt_from"), step.rule("tolerance.advice.mitigate_from")
    case.advice = advise(case.factors.values(), case.exclusions, exempt_from, mitigate_from).value
    case.advice_grounds = {
        "total": sum(case.factors.values()),
        "zeros": sorted(name for name, score in case.factors.items() if score == 0),
        "exclusions": case.exclusions,
        "exempt_from": exempt_from,
        "mitigate_from": mitigate_from,
        "rule_packs": sorted(step.cited),
    }


def advise(scores: Iterable[int], exclusions: Collection[str], exempt_from: int, mitigate_from: int) -> Decision:
    """Return what the scores advise (I4): an exclusion denies; a high total without any 0 exempts; a fair one mitigates."""
    each = list(scores)
    if exclusions:
        return Decision.DENY
    if sum(each) >= exempt_from and 0 not in each:
        return Decision.EXEMPT
    return Decision.MITIGATE if sum(each) >= mitigate_from else Decision.DENY


def explain(grounds: Mapping[str, Any], advice: str) -> tuple[str, str]:
    """Return in Chinese and English how the advice came about; it binds nobody (PIPL article 24)."""
    zh, en = DECISIONS[Decision(advice)]
    if grounds["exclusions"]:
        named = "、".join(grounds["exclusions"])
        return (
            f"存在排除情形（{named}），建议{zh}。仅供参考，由审议组决定。",
            f"There are exclusions ({named}): advice {en}. The panel decides.",
        )
    zeros = "、".join(FACTORS[name][0] for name in grounds["zeros"]) or "无"
    scored = (
        f"六项合计 {grounds['total']} 分，0 分项：{zeros}；{grounds['exempt_from']} 分以上且无 0 分项建议免责，"
        f"{grounds['mitigate_from']} 分以上建议减责。建议{zh}。仅供参考，由审议组决定。"
    )
    told = (
        f"Total {grounds['total']} of six factors, scored 0: {', '.join(grounds['zeros']) or 'none'}; exempt from "
        f"{grounds['exempt_from']} with no 0, mitigate from {grounds['mitigate_from']}: advice {en}. The panel decides."
    )
    return scored, told
