"""The data of the events that notification publishes; their contracts are in contracts/schemas."""

from typing import Any

from citybus.clock import ZONE
from notification.domain.deadline import Watched
from notification.domain.delivery import Delivery
from notification.domain.publication import Publication
from notification.domain.subscription import Subscription


def delivery_state(case: Delivery) -> dict[str, Any]:
    """Return the state of a delivery: to whom, and the day of service, never a word of the document."""
    return {
        "delivery": case.id,
        "document": case.document,
        "ref": case.ref,
        "recipient": {"kind": case.recipient_kind, "id": case.recipient_id},
        "state": case.state,
        "served_on": case.served_on and case.served_on.isoformat(),
    }


def subscription_state(case: Subscription) -> dict[str, Any]:
    """Return the state of a subscription."""
    return {
        "subscription": case.id,
        "department": case.department,
        "event_types": list(case.event_types),
        "fields": {name: list(names) for name, names in case.fields.items()},
        "max_class": case.max_class,
        "purpose": case.purpose,
        "agreement_no": case.agreement_no,
        "valid_to": case.valid_to.isoformat(),
        "state": case.state,
    }


def publication_state(case: Publication) -> dict[str, Any]:
    """Return the state of a bulletin on one channel: of its text nothing, of a proof its sum."""
    return {
        "publication": case.id,
        "bulletin": case.bulletin,
        "channel": case.channel,
        "task": case.task,
        "state": case.state,
        "external_id": case.external_id,
        "url": case.url,
        "proof_sha256": case.proof_sha256,
        "failure": case.failure,
    }


def deadline_state(case: Watched) -> dict[str, Any]:
    """Return how late a deadline is and who is told: of people nothing."""
    return {
        "deadline": case.id,
        "service": case.service,
        "kind": case.kind,
        "ref": case.ref,
        "due_at": case.due_at.astimezone(ZONE).isoformat(),
        "units": list(case.units),
        "state": case.state,
        "level": case.level,
        "light": case.light,
    }
