"""Signals (S1), as far as a refused finding makes one: what the discipline commission must hear of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TRANSFERRED: Final = "TRANSFERRED"
TO_DISCIPLINE: Final = "DISC"
EVENT: Final = "supervision.signal.transferred.v1"


@dataclass(frozen=True, slots=True)
class Signal:
    """A clue that was handed over: where it comes from and what kind of matter it is. It holds no text."""

    id: str
    finding: str
    unit: str
    source: str
    type: str
    reason_codes: Sequence[str]
    severity: int
    state: str = TRANSFERRED
    to: str = TO_DISCIPLINE
