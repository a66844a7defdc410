"""Metrics with one way of naming: `city_<thing>_<unit>`, for Prometheus."""

import re
from collections.abc import Sequence
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_NAME: Final = re.compile(r"city_[a-z0-9]+(_[a-z0-9]+)*_(total|seconds|bytes|rows|messages|events|state|info)")
# From a millisecond to a minute: an effect in the next service is wanted within 50 ms.
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


def counter(
    name: str, documentation: str, labels: Sequence[str] = (), *, registry: CollectorRegistry = REGISTRY
) -> Counter:
    """Return a new counter. Its name ends in `_total`."""
    if not name.endswith("_total"):
        raise ValueError(f"the name of counter {name} ends in _total")
    return Counter(_checked(name), documentation, labels, registry=registry)


def gauge(
    name: str, documentation: str, labels: Sequence[str] = (), *, registry: CollectorRegistry = REGISTRY
) -> Gauge:
    """Return a new gauge."""
    return Gauge(_checked(name), documentation, labels, registry=registry)


def histogram(
    name: str,
    documentation: str,
    labels: Sequence[str] = (),
    *,
    buckets: Sequence[float] = SECONDS,
    registry: CollectorRegistry = REGISTRY,
) -> Histogram:
    """Return a new histogram, in seconds unless its name says otherwise."""
    return Histogram(_checked(name), documentation, labels, buckets=buckets, registry=registry)


def render(registry: CollectorRegistry = REGISTRY) -> bytes:
    """Return all metrics in Prometheus' text format."""
    return generate_latest(registry)


def _checked(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{name} is not of the form city_<thing>_<unit>")
    return name
