"""Metrics have one way of naming."""

import pytest
from prometheus_client import CollectorRegistry

from citybus.telemetry import metrics


def test_metrics_are_rendered() -> None:
    registry = CollectorRegistry()
    metrics.counter("city_things_total", "Things", ("kind",), registry=registry).labels("a").inc()
    metrics.gauge("city_things_waiting_rows", "Waiting", registry=registry).set(3)
    metrics.histogram("city_thing_seconds", "How long", registry=registry).observe(0.2)
    text = metrics.render(registry).decode()
    assert 'city_things_total{kind="a"} 1.0' in text
    assert "city_things_waiting_rows 3.0" in text
    assert 'city_thing_seconds_bucket{le="0.25"} 1.0' in text


@pytest.mark.parametrize("name", ["things_rows", "city_rows", "city_Things_rows", "city_things", "city_things_total_x"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="city_<thing>_<unit>"):
        metrics.gauge(name, "x", registry=CollectorRegistry())


def test_counter_is_a_total() -> None:
    with pytest.raises(ValueError, match="_total"):
        metrics.counter("city_things_rows", "x", registry=CollectorRegistry())
