"""The envelope of every event: CloudEvents 1.0 in structured JSON, with this city's extension attributes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from citybus.errors import Invalid

CONTENT_TYPE: Final = "application/cloudevents+json"
DATA_CLASSES: Final = ("L1", "L2", "L3", "L4")
_TEXT = ("id", "type", "source", "subject", "time", "dataschema", "correlationid", "actor", "dataclass")


@dataclass(frozen=True, slots=True)
class Event:
    """A fact that a service published.

    `subject` is `<kind>/<id>` and `sequence` counts per subject from 1. `dataclass` is the data class L1 (public) to
    L4 (sensitive) of `data`. `rulepack` names the packs (`CODE@version`, separated by spaces) under which
    the fact was decided, if any.
    """

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    dataschema: str
    data: dict[str, Any]
    sequence: int
    correlationid: str
    actor: str
    dataclass: str
    causationid: str | None = None
    rulepack: str | None = None
    traceparent: str | None = None

    def to_json(self) -> bytes:
        """Return the event as CloudEvents structured JSON; absent optional attributes are left out."""
        head, tail = self.around_sequence()
        return b"%b%d%b" % (head, self.sequence, tail)

    def around_sequence(self) -> tuple[bytes, bytes]:
        """Return the event's JSON before and after the digits of its sequence, which the outbox fills in last."""
        attributes: dict[str, Any] = {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time.isoformat(),
            "datacontenttype": "application/json",
            "dataschema": self.dataschema,
            "correlationid": self.correlationid,
            "actor": self.actor,
            "dataclass": self.dataclass,
        }
        for name in ("causationid", "rulepack", "traceparent"):
            value = getattr(self, name)
            if value is not None:
                attributes[name] = value
        return orjson.dumps(attributes)[:-1] + b',"sequence":', b',"data":' + orjson.dumps(self.data) + b"}"

    @classmethod
    def from_json(cls, body: bytes) -> "Event":
        """Read an event from structured JSON. Unknown attributes are ignored.

        Raises Invalid: `UNDECODABLE` (not JSON), `NOT_CLOUDEVENT` (an attribute is missing or of the wrong form).
        """
        try:
            read = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Invalid("UNDECODABLE", str(error)) from None
        if not isinstance(read, dict) or read.get("specversion") != "1.0":
            raise Invalid("NOT_CLOUDEVENT", "specversion 1.0 is wanted")
        for name in _TEXT:
            if not isinstance(read.get(name), str) or not read[name]:
                raise Invalid("NOT_CLOUDEVENT", f"attribute {name} is wanted as text")
        sequence = read.get("sequence")
        if not isinstance(sequence, int) or isinstance(sequence, bool) or sequence < 1:
            raise Invalid("NOT_CLOUDEVENT", "attribute sequence is wanted as a whole number from 1")
        if not isinstance(read.get("data"), dict):
            raise Invalid("NOT_CLOUDEVENT", "data is wanted as an object")
        if read["dataclass"] not in DATA_CLASSES:
            raise Invalid("NOT_CLOUDEVENT", "attribute dataclass is one of L1 to L4")
        for name in ("causationid", "rulepack", "traceparent"):
            if read.get(name) is not None and not isinstance(read[name], str):
                raise Invalid("NOT_CLOUDEVENT", f"attribute {name} is wanted as text")
        try:
            time = datetime.fromisoformat(read["time"])
        except ValueError:
            raise Invalid("NOT_CLOUDEVENT", "attribute time is wanted in ISO 8601") from None
        if time.tzinfo is None:
            raise Invalid("NOT_CLOUDEVENT", "attribute time is wanted with its offset")
        return cls(
            id=read["id"],
            type=read["type"],
            source=read["source"],
            subject=read["subject"],
            time=time,
            dataschema=read["dataschema"],
            data=read["data"],
            sequence=sequence,
            correlationid=read["correlationid"],
            actor=read["actor"],
            dataclass=read["dataclass"],
            causationid=read.get("causationid"),
            rulepack=read.get("rulepack"),
            traceparent=read.get("traceparent"),
        )
