"""The exception tree.

CityError
├── Refusal      a rule says no: told to the caller as a problem, the case unchanged
├── Invalid      a message that can never be right: parked with its reason, not retried
└── Transient    a failure that may pass: retried later
"""

from typing import Any


class CityError(Exception):
    """Root of every error that this library raises on purpose."""


class Refusal(CityError):
    """A rule refuses a command.

    `code` is the domain's code such as `QUOTA_EXCEEDED`; `zh` and `en` say what to do; `figures` are the numbers
    behind the refusal and become members of the problem's `figures`. With `committed=True` the refusal has a duty:
    what was recorded so far (a signal, its audit entry and event) is committed together with the stored response.
    """

    def __init__(
        self, code: str, *, zh: str, en: str, status: int = 422, committed: bool = False, **figures: Any
    ) -> None:
        super().__init__(f"{code}: {en}")
        self.code = code
        self.zh = zh
        self.en = en
        self.status = status
        self.committed = committed
        self.figures = figures


class Invalid(CityError):
    """A message or event that no retry can mend. `reason` is a short code such as `UNDECODABLE`."""

    def __init__(self, reason: str, text: str = "") -> None:
        super().__init__(f"{reason}: {text}" if text else reason)
        self.reason = reason


class Transient(CityError):
    """A failure that may pass by itself: the message goes to the retry ladder."""
