"""The traces of a request: one log line, and metrics in CloudWatch's embedded format."""

import re
import sys
from collections.abc import Callable
from functools import wraps
from itertools import count
from typing import Any, Final
from uuid import uuid4

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from incidents.measurements import Measurements, measuring, note, timed
from incidents.names import METRICS_NAMESPACE, SERVICE

METRICS: Final = {
    "duration_ms": ("Duration", MetricUnit.Milliseconds),
    "encode_ms": ("EncodeDuration", MetricUnit.Milliseconds),
    "tokens": ("Tokens", MetricUnit.Count),
    "index_age_seconds": ("IndexAgeSeconds", MetricUnit.Seconds),
}
"""Measurements that become metrics, in addition to the counts below."""

# An explicit level, because Powertools refuses to start with a LOG_LEVEL that is meant for another program.
logger = Logger(service=SERVICE, level="INFO", stream=sys.stderr)

_first_request = count()
"""Yields 0 for the first request of this process."""

Handler = Callable[[Any, Any], dict[str, Any]]


def observed(handler: Handler) -> Handler:
    """Make a Lambda handler log each request and emit its metrics."""

    @wraps(handler)
    def observed_handler(event: Any, context: Any) -> dict[str, Any]:
        with measuring() as measurements:
            note("request_id", str(getattr(context, "aws_request_id", None) or uuid4()))
            note("route", _route(event))
            note("cold_start", next(_first_request) == 0)
            with timed("duration_ms"):
                answer = handler(event, context)
            note("status", answer["statusCode"])
        logger.info("answered", extra=measurements)
        _emit_metrics(answer["statusCode"], measurements)
        return answer

    return observed_handler


def _route(event: Any) -> str:
    """The route of an HTTP API's event, or "direct". Nothing else of an event may be logged."""
    route = event.get("routeKey") if isinstance(event, dict) else None
    return route if isinstance(route, str) and re.fullmatch(r"[A-Z]{3,7} /[a-z-]{0,40}", route) else "direct"


def _emit_metrics(status: int, measurements: Measurements) -> None:
    metrics = EphemeralMetrics(namespace=METRICS_NAMESPACE, service=SERVICE)
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    metrics.add_metric("ClientErrors", MetricUnit.Count, 400 <= status < 500)
    metrics.add_metric("ServerErrors", MetricUnit.Count, status == 500)
    metrics.add_metric("Unavailable", MetricUnit.Count, status == 503)
    metrics.add_metric("ColdStarts", MetricUnit.Count, bool(measurements["cold_start"]))
    metrics.add_metric("RefreshFailures", MetricUnit.Count, float(measurements.get("refresh_failures", 0)))
    metrics.add_metric("RepeatedTexts", MetricUnit.Count, bool(measurements.get("repeated_text", False)))
    for measured, (name, unit) in METRICS.items():
        if measured in measurements:
            metrics.add_metric(name, unit, float(measurements[measured]))
    metrics.flush_metrics()
