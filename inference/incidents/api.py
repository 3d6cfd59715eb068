"""The HTTP form of an answer: the envelope, and the status of each error."""

import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, Final
from uuid import uuid4

from aws_lambda_powertools import Logger

from incidents.errors import InvalidIndexError, InvalidInputError, InvalidModelError, TextTooLongError
from incidents.request import Request

STATUSES: Final[dict[type[Exception], int]] = {
    InvalidInputError: 400,
    TextTooLongError: 413,
    InvalidModelError: 503,
    InvalidIndexError: 503,
}
"""Every error that is none of these is unforeseen and answered with 500."""

RETRY_AFTER_SECONDS: Final = 30

# The level is set here, as a LOG_LEVEL that was meant for another program would stop the import.
logger = Logger(service="similar-incidents", level="INFO", stream=sys.stderr)


def endpoint(answer: Callable[[Request], dict[str, Any]]) -> Callable[[Any, Any], dict[str, Any]]:
    """Make a Lambda handler of a function that gives a request's answer.

    The handler takes any event, never raises, and returns what an HTTP API's proxy integration expects. Its body is
    the envelope as JSON text, with the status again and, in its own `body`, the answer and the warnings.
    """

    @wraps(answer)
    def handler(event: Any, context: Any) -> dict[str, Any]:
        warnings: list[str] = []
        try:
            body = answer(Request(event, warnings))
            return _proxy_answer(200, {"warnings": warnings} | body)
        except Exception as error:
            status = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)
            message = str(error)
            if status == 503:
                logger.warning(message, path=str(getattr(error, "path", "")), cause=repr(error.__cause__))
            elif status == 500:
                request_id = getattr(context, "aws_request_id", None) or str(uuid4())
                logger.exception("unforeseen error", request_id=request_id)
                message = f"Unforeseen error; please report it with the request id {request_id}."
            return _proxy_answer(status, {"warnings": warnings, "msg": message})

    return handler


def _proxy_answer(status: int, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    answer = {"isBase64Encoded": False, "statusCode": status, "headers": headers}
    envelope = answer | {"multiValueHeaders": {}, "body": body}
    return answer | {"body": json.dumps(envelope, allow_nan=False)}
