"""What sending needs of a channel. The channels themselves are in `notification.channels`."""

from dataclasses import dataclass
from datetime import date
from typing import Protocol

from citybus.errors import CityError


class NotSent(CityError):
    """The channel did not take it, for certain; or could not be asked."""


class Rejected(NotSent):
    """The channel will not have it, or has it no longer."""


class OutcomeUnknown(CityError):
    """The channel may have taken it: no answer came. It is asked before anything is sent again."""


class CannotTell(CityError):
    """The channel may have taken it and cannot be asked: a person has to."""


class NotYet(CityError):
    """The channel is still at it; it is asked again later."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted: `client_id` is our own id of it, `day` the city's date."""

    client_id: str
    title: str
    text: str
    day: date


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a channel says of a posting: `proof` is the SHA-256 sum of what it shows, None while it shows nothing yet."""

    external_id: str
    url: str | None = None
    proof: str | None = None


class ChannelPort(Protocol):
    """A channel. Each call may raise NotSent, OutcomeUnknown, CannotTell or NotYet."""

    @property
    def asks_people(self) -> bool:
        """Whether a person has to confirm what came of it."""
        ...

    def find(self, client_id: str) -> Receipt | None:
        """Return what stands on the channel under our own id, None where nothing does. Anything else is an error."""
        ...

    def post(self, message: Message) -> Receipt:
        """Post it once."""
        ...

    def state(self, external_id: str) -> Receipt:
        """Return what became of what was posted; `proof` is given once it stands there."""
        ...

    def remove(self, receipt: Receipt) -> None:
        """Take it away; what is gone already is fine."""
        ...
