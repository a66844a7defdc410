"""What verified findings deduct from a cadre's assessment of a year (3.5).

    deduction(cadre, year) = min(cap, Σ effective_weight(f) × role_share(f))

over the findings verified in the year. Supervision alone applies tolerance to a finding: its effective weight holds it
already. Sums are exact; nothing is rounded.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Protocol

CAP: Final = "deduction.cap"
NOT_COUNTED: Final = frozenset({"REJECTED", "REVOKED"})
"""States in which a finding that has been verified before would not count."""


class Role(StrEnum):
    """How a cadre is held responsible: as lead, in direct charge, as a subordinate lead."""

    LEAD = "LEAD"
    DIRECT = "DIRECT"
    SUBORDINATE = "SUBORDINATE"

    @property
    def share(self) -> str:
        """The key of the rule that says which part of a finding's weight the role bears."""
        return f"deduction.role_share.{self.value.lower()}"


class Rules(Protocol):
    """The rules of a day."""

    def __getitem__(self, key: str) -> Any: ...

    def cite(self, key: str) -> str:
        """Return the pack of a rule, `CODE@version`."""
        ...


@dataclass(frozen=True, slots=True)
class Responsibility:
    """A finding as it concerns one cadre, in one role. Weights are points; `tolerance_factor` is in the effective one."""

    finding: str
    role: Role
    base_weight: Decimal
    effective_weight: Decimal
    verified_on: date
    tolerance_case: str | None = None
    tolerance_factor: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """What one finding contributes: `points` = `effective_weight` × `role_share`, by the pack `rule_pack`."""

    finding: str
    role: Role
    base_weight: Decimal
    tolerance_case: str | None
    tolerance_factor: Decimal | None
    effective_weight: Decimal
    role_share: Decimal
    points: Decimal
    verified_on: date
    rule_pack: str


@dataclass(frozen=True, slots=True)
class Deduction:
    """The deduction of a year: `points` is the sum of the items, `deduction` at most `cap`."""

    deduction: Decimal
    points: Decimal
    cap: Decimal
    cap_pack: str
    items: tuple[Item, ...]


def counts(state: str, verified_on: date | None) -> bool:
    """Say whether a finding counts: it has been verified, and nothing has taken that back.

    Rectification and its recheck go on after verification and change the weight, not whether the finding counts.
    """
    return verified_on is not None and state not in NOT_COUNTED


def deduct(year: int, responsibilities: Iterable[Responsibility], rules_on: Callable[[date], Rules]) -> Deduction:
    """Return the deduction that `responsibilities` of one cadre make in `year`.

    The outcome does not depend on their order. Shares are by the rules of the day of verification; the cap is the
    lightest of those days. A finding counts once for a person, in the role that bears most. Without any, the cap is that
    of the year's last day.
    """
    items: dict[str, Item] = {}
    for one in responsibilities:
        item = _item(one, rules_on(one.verified_on))
        held = items.get(one.finding)
        if held is None or (held.role_share, held.role) < (item.role_share, item.role):
            items[one.finding] = item
    days = sorted({item.verified_on for item in items.values()}) or [date(year, 12, 31)]
    cap, cap_day = min((Decimal(rules_on(day)[CAP]), day) for day in days)
    total = sum((item.points for item in items.values()), Decimal(0))
    return Deduction(
        deduction=min(cap, total),
        points=total,
        cap=cap,
        cap_pack=rules_on(cap_day).cite(CAP),
        items=tuple(sorted(items.values(), key=lambda item: (item.verified_on, item.finding))),
    )


def _item(one: Responsibility, rules: Rules) -> Item:
    share = Decimal(rules[one.role.share])
    return Item(
        finding=one.finding,
        role=one.role,
        base_weight=one.base_weight,
        tolerance_case=one.tolerance_case,
        tolerance_factor=one.tolerance_factor,
        effective_weight=one.effective_weight,
        role_share=share,
        points=one.effective_weight * share,
        verified_on=one.verified_on,
        rule_pack=rules.cite(one.role.share),
    )


def decimal_text(value: Decimal, places: int = 0) -> str:
    """Return `value` exactly, without an exponent, with at least `places` digits behind the point: `1.6`, `2.0`, `20`."""
    whole, _, behind = f"{value.normalize():f}".partition(".")
    return f"{whole}.{behind.ljust(places, '0')}" if behind or places else whole


def explain(shares: Sequence[tuple[str, str]], cap: str, deduction: str) -> tuple[str, str]:
    """Return how a deduction came about, in Chinese and English. `shares` are the items' weights and role shares."""
    terms = " + ".join(f"{weight}×{share}" for weight, share in shares) or "0"
    return (
        f"扣分 = min(上限 {cap}, {terms}) = {deduction}；每项为有效分值×责任系数。",
        f"deduction = min(cap {cap}, {terms}) = {deduction}; each term is effective weight × share of the role.",
    )
