"""What operators ask an API process: is it alive, is it ready, what has it counted."""

import math
import threading
import time

from flask import Blueprint, Response

from citybus.telemetry import metrics
from citybus.telemetry.health import METRICS_TYPE, REFRESH_SECONDS, Answer, Health


def operations(health: Health) -> Blueprint:
    """Return /health/live, /health/ready (503 while one of the checks fails) and /metrics. They are public."""
    blueprint = Blueprint("operations", __name__)
    refreshed = -math.inf
    lock = threading.Lock()

    @blueprint.get("/health/live")
    def live() -> Response:
        """Answer that this process handles requests: this very one is its progress."""
        health.beat()
        return _respond(health.live())

    @blueprint.get("/health/ready")
    def ready() -> Response:
        """Answer whether requests may be sent here. However often strangers ask, the checks run each 2 s at most."""
        nonlocal refreshed
        with lock:
            if time.monotonic() - refreshed >= REFRESH_SECONDS:
                health.refresh()
                refreshed = time.monotonic()
        return _respond(health.ready())

    @blueprint.get("/metrics", endpoint="metrics")
    def count() -> Response:
        """Answer this process's counters in Prometheus' text format."""
        return Response(metrics.render(), content_type=METRICS_TYPE)

    return blueprint


def _respond(answer: Answer) -> Response:
    return Response(answer.body, status=answer.status, content_type=answer.content_type)
