"""What an effective tolerance must lead to elsewhere (I5), what a revoked one must put back, and when that has happened."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from incentive.domain.gate import Standing

FINDING_WEIGHT: Final = "FINDING_WEIGHT"
DEDUCTION: Final = "DEDUCTION"
BULLETIN: Final = "BULLETIN"
RECALL: Final = "RECALL"
ADJUSTMENT: Final = "ADJUSTMENT"
MEASURE: Final = "MEASURE"
MEASURE_EASED: Final = "MEASURE_EASED"
CONSTRAINT: Final = "CONSTRAINT"
GATE: Final = "GATE"
RESTORED: Final = "RESTORED"
COUNTS: Final = frozenset({"VERIFIED", "RECTIFYING", "RECTIFIED", "REOPENED", "CLOSED"})
"""States in which a finding weighs on the annual records of those responsible (3.5)."""
_PUBLIC: Final = frozenset({"PUBLISHING", "PUBLISHED", "CORRECTED", "WITHDRAWING"})
_RECALL_OVER: Final = frozenset({"RESTORED", "ADJUSTED", "REMOVED", "DEMOTED", "CANCELLED", "TRANSFERRED"})
IN_EFFECT: Final = "IN_EFFECT"
"""The state that an admonition is kept in while its effect runs in full; one that was eased is EASED."""
_ADJUSTMENT_OVER: Final = frozenset({"DISMISSED", "WITHDRAWN", "REVERSED"})
SETTLED: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        BULLETIN: frozenset({"WITHDRAWN"}),
        RECALL: frozenset({"CANCELLED"}),
        ADJUSTMENT: frozenset({"WITHDRAWN", "REVERSED"}),
        MEASURE: frozenset({"WITHDRAWN", "REVOKED"}),
        MEASURE_EASED: frozenset({"EASED", "FOLLOW_UP", "CLOSED", "WITHDRAWN", "REVOKED"}),
        CONSTRAINT: frozenset({"LIFTED"}),
    }
)
"""By kind of step: the states of its subject in which it is done. A bulletin that is WITHDRAWN is so on all channels."""


@dataclass(frozen=True, slots=True)
class Link:
    """Something that names findings as its ground, as its service told it last.

    A bulletin, a recall, an adjustment, a measure or a constraint.

    `named` says whether a bulletin names people; `source` on what a constraint rests (such as `recall/<id>`).
    """

    subject: str
    kind: str
    state: str
    findings: Collection[str]
    cadre: str | None = None
    named: bool = False
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """One consequence: the finding, or the year's deduction of `cadre`, must weigh `at_most` (or again `at_least`) so many
    points; or what `subject` names must be settled; or (`GATE`) the gate must be open for `cadre` as far as a recall shut it.
    """

    step: str
    cadre: str | None = None
    at_most: Decimal | None = None
    at_least: Decimal | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """What was decided about which finding: in `exempted` and `tolerated` are all findings that are excused so by now."""

    finding: str
    decision: str
    factor: Decimal
    exempted: Collection[str] = ()
    tolerated: Collection[str] = ()


def expected(
    state: str, responsible: Iterable[str], base_weight: Decimal, granted: Granted, links: Sequence[Link] = ()
) -> list[Expected]:
    """Return what a tolerance must lead to, for a finding in `state` of which `links` rest on it.

    A finding that does not count yet is in no annual record: if it is verified later, its weight is eased already.
    """
    at_most = base_weight * granted.factor
    steps = [Expected(FINDING_WEIGHT, at_most=at_most)]
    if state in COUNTS:
        steps += [Expected(f"{DEDUCTION}:{cadre}", cadre, at_most) for cadre in sorted(responsible)]
    ordered = sorted(links, key=lambda link: link.subject)
    gone = [link for link in ordered if _falls(link, granted)]
    sources = {link.subject for link in gone if link.kind in (RECALL, MEASURE)}
    gone += [
        link
        for link in ordered
        if link.kind == CONSTRAINT and link.state == "ACTIVE" and link.source in sources and link not in gone
    ]
    steps += [_of_link(link.kind, link) for link in gone]
    steps += [_of_link(MEASURE_EASED, link) for link in ordered if link not in gone and _is_eased(link, granted)]
    barred = {link.cadre for link in gone if link.kind == RECALL and link.cadre is not None}
    return steps + [Expected(f"{GATE}:{cadre}", cadre) for cadre in sorted(barred)]


def _of_link(step: str, link: Link) -> Expected:
    return Expected(f"{step}:{link.subject.partition('/')[2]}", link.cadre, subject=link.subject)


def _falls(link: Link, granted: Granted) -> bool:
    """Say whether what rests on the finding has to go: a bulletin for its finding, the rest where no other ground is left."""
    match link.kind:
        case "BULLETIN":
            return link.state in _PUBLIC and (granted.decision == "EXEMPT" or link.named)
        case "RECALL":
            return link.state not in _RECALL_OVER and set(link.findings) <= {granted.finding, *granted.tolerated}
        case "ADJUSTMENT":
            rests = bool(link.findings) and set(link.findings) <= {granted.finding, *granted.tolerated}
            return link.state not in _ADJUSTMENT_OVER and rests
        case "MEASURE":
            return link.state not in SETTLED[MEASURE] and _is_excused(link, granted)
        case "CONSTRAINT":
            return link.state == "ACTIVE" and _is_excused(link, granted)
        case _:
            return False


def _is_excused(link: Link, granted: Granted) -> bool:
    """Say whether all grounds are excused altogether: what is eased only still bears a measure, and a constraint."""
    excused = {*granted.exempted, *({granted.finding} if granted.decision == "EXEMPT" else ())}
    return bool(link.findings) and set(link.findings) <= excused


def _is_eased(link: Link, granted: Granted) -> bool:
    """Say whether an admonition has to be eased: its effect runs in full, and all its grounds are eased or excused."""
    grounds = bool(link.findings) and set(link.findings) <= {granted.finding, *granted.tolerated}
    return link.kind == MEASURE and link.state == IN_EFFECT and grounds


def restored(state: str, responsible: Iterable[str], at_least: Decimal) -> list[Expected]:
    """Return what must be put back when a tolerance is revoked: what the finding weighs, and in whose record.

    What was withdrawn, cancelled or lifted is not put back by software: people decide about it anew.
    """
    steps = [Expected(f"{RESTORED}:{FINDING_WEIGHT}", at_least=at_least)]
    if state in COUNTS:
        steps += [
            Expected(f"{RESTORED}:{DEDUCTION}:{cadre}", cadre, at_least=at_least) for cadre in sorted(responsible)
        ]
    return steps


def weighs(step: Expected, weight: Decimal | None) -> bool:
    """Say whether `weight` is what the step wants; None: nothing is known of it."""
    if weight is None:
        return False
    return (step.at_most is None or weight <= step.at_most) and (step.at_least is None or weight >= step.at_least)


def recall_shuts_gate(known: Standing, recalls: Iterable[Link], today: date) -> bool:
    """Say whether a recall still bars a cadre from promotion that should not: none of theirs is open any more."""
    if any(link.state not in _RECALL_OVER for link in recalls):
        return False
    return any(
        bar.code == "RECALL_OPEN" and bar.start <= today and (bar.until is None or today < bar.until)
        for bar in known.bars.get("PROMOTE", ())
    )
