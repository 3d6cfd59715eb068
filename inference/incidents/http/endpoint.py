"""The HTTP form of an answer: the envelope, the status of each error, and the line that each request leaves behind."""

import json
import re
import sys
from collections.abc import Callable
from functools import wraps
from itertools import count
from typing import Any, Final
from uuid import uuid4

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from incidents import SERVICE
from incidents.errors import InputTooLargeError, InvalidIndexError, InvalidInputError, InvalidModelError
from incidents.http.request import Request
from incidents.measurements import Measurements, measuring, note, noted, timed

STATUSES: Final[dict[type[Exception], int]] = {
    InvalidInputError: 400,
    InputTooLargeError: 413,
    InvalidModelError: 503,
    InvalidIndexError: 503,
}
"""Every error that is none of these is unforeseen and answered with 500."""

RETRY_AFTER_SECONDS: Final = 30

SUCCESS: Final = "Success"
"""The message of an answer that has nothing to say in words; callers of /embed look for it on top of the envelope."""

METRICS_NAMESPACE: Final = "SimilarIncidents"
METRICS: Final = {
    "duration_ms": ("Duration", MetricUnit.Milliseconds),
    "encode_ms": ("EncodeDuration", MetricUnit.Milliseconds),
    "tokens": ("Tokens", MetricUnit.Count),
    "index_age_seconds": ("IndexAgeSeconds", MetricUnit.Seconds),
}
"""What is measured of a request and worth a metric, besides the counts of requests and of errors."""

# The level is set here, as a LOG_LEVEL that was meant for another program would stop the import.
logger = Logger(service=SERVICE, level="INFO", stream=sys.stderr)

_first_request = count()
"""Gives 0 for the first request that this process answers."""

Handler = Callable[[Any, Any], dict[str, Any]]


def endpoint(answer: Callable[[Request], dict[str, Any]]) -> Handler:
    """Make a Lambda handler of a function that gives a request's answer.

    The handler takes any event, and returns what an HTTP API's proxy integration expects, whatever the function
    raises. Its body is the envelope as JSON text, with the status again and, in its own `body`, the answer and the
    warnings.
    """

    @wraps(answer)
    def handler(event: Any, _: Any) -> dict[str, Any]:
        status, body = _answer(answer, event, str(noted("request_id")))
        return _proxy_answer(status, body)

    return observed(handler)


def observed(handler: Handler) -> Handler:
    """Let a Lambda handler leave one line in the log, and metrics in CloudWatch's embedded format."""

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


def _answer(answer: Callable[[Request], dict[str, Any]], event: Any, request: str) -> tuple[int, dict[str, Any]]:
    warnings: list[str] = []
    try:
        return 200, {"warnings": warnings} | answer(Request(event, warnings))
    except Exception as error:
        status = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)
        message = str(error)
        if status == 503:
            path, cause = str(getattr(error, "path", "")), repr(error.__cause__)
            logger.warning(message, request_id=request, path=path, cause=cause)
        elif status == 500:
            logger.exception("unforeseen error", request_id=request)
            message = f"Unforeseen error; please report it with the request id {request}."
        return status, {"warnings": warnings, "msg": message}


def _proxy_answer(status: int, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    answer = {"isBase64Encoded": False, "statusCode": status, "headers": headers}
    envelope = answer | {"multiValueHeaders": {}, "body": body}
    if body["msg"] == SUCCESS:
        envelope["msg"] = SUCCESS
    return answer | {"body": json.dumps(envelope, allow_nan=False)}


def _route(event: Any) -> str:
    """The route by which an HTTP API was asked; nothing else of an event is fit for a log."""
    route = event.get("routeKey") if isinstance(event, dict) else None
    return route if isinstance(route, str) and re.fullmatch(r"[A-Z]{3,7} /[a-z-]{0,40}", route) else "direct"


def _emit_metrics(status: int, measurements: Measurements) -> None:
    """Count the request, and its error if it is one."""
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
