"""What is counted of requests. One process serves each API (see `server`), so one registry holds its truth."""

from typing import Final

from citybus.telemetry.metrics import counter, histogram

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})

REQUESTS = counter("city_http_requests_total", "Requests answered.", ("method", "route", "status"))
SECONDS = histogram("city_http_request_seconds", "Time from a request's arrival to its response.", ("method", "route"))
DENIED = counter("city_http_denied_total", "Requests that were denied access.", ("code",))
REPLAYED = counter("city_http_replayed_total", "Commands answered with the response that was kept under their key.")


def count(method: str, route: str | None, status: int, seconds: float) -> None:
    """Count one request. What a stranger may choose freely (path, odd method) makes no new series."""
    method = method if method in METHODS else "OTHER"
    route = route or "none"
    REQUESTS.labels(method, route, status).inc()
    SECONDS.labels(method, route).observe(seconds)
