"""What another department may be told of an event: fields of a whitelist, up to a data class, and never class L4.

Source: 个人信息保护法 articles 6, 23 and 25 (what is provided is the least that the purpose needs), 34 (state organs within
their duty); the network data regulations, article 12 (an agreement, and a record of each delivery).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

SHAREABLE = "subscription.shareable"
"""The rule that names the kinds of subjects that may be shared, and the fields that are in the subject of each."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What is left of an event for one department: `data` of class `dataclass` at most."""

    data: Mapping[str, Any]
    dataclass: str


def kind_of(event_type: str) -> str:
    """Return `<service>.<subject>` of an event type."""
    return ".".join(event_type.split(".", 2)[:2])


def subject_classes(
    event_type: str, classes: Mapping[str, str], shareable: Mapping[str, Collection[str]]
) -> dict[str, str]:
    """Return the fields that the subject of an event shows, each with its class; one that has none counts as L4."""
    return {name: classes.get(name, "L4") for name in shareable[kind_of(event_type)]}


def above(classes: Mapping[str, str], names: Collection[str], limit: str) -> dict[str, str]:
    """Return those of `names` whose class is above `limit`, with their class."""
    return {name: classes[name] for name in sorted(names) if classes[name] > limit}


def cut(
    event_type: str,
    schema: Mapping[str, Any],
    data: Mapping[str, Any],
    whitelist: Collection[str],
    limit: str,
    shareable: Mapping[str, Collection[str]],
) -> Cut | None:
    """Return what may be told of an event, or None where nothing may.

    `schema` is the contract's: what it does not list, at any depth, is left out, and so is what is above `limit`. The
    subject is told as it is: where it shows what is above the limit, nothing is.
    """
    if kind_of(event_type) not in shareable:
        return None
    properties = schema["properties"]
    classes = {name: str(field["x-dataclass"]) for name, field in properties.items()}
    subject = subject_classes(event_type, classes, shareable)
    if above(subject, subject, limit):
        return None
    kept = [name for name in sorted(whitelist) if name in data and classes.get(name, "L4") <= limit]
    if not kept:
        return None
    return Cut(
        data={name: _listed(data[name], properties[name]) for name in kept},
        dataclass=max([*subject.values(), *(classes[name] for name in kept)]),
    )


def _listed(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return `value` without what `schema` does not list."""
    if isinstance(value, Mapping):
        inner, others = schema.get("properties", {}), schema.get("additionalProperties")
        return {
            name: _listed(each, inner.get(name, others))
            for name, each in value.items()
            if name in inner or others is not None
        }
    if isinstance(value, list):
        return [_listed(each, schema.get("items", {})) for each in value]
    return value
