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
"""Every other error is unforeseen and answered with 500."""

RETRY_AFTER_SECONDS: Final = 30

logger = Logger(service="similar-incidents", stream=sys.stderr)


def endpoint(answer: Callable[[Request], dict[str, Any]]) -> Callable[[Any, Any], dict[str, Any]]:
    """Make a Lambda handler of a function that gives a request's answer.

    The handler takes any event, never raises, and returns what an HTTP API's proxy integration expects. Its body is
    the envelope as JSON text, with the status again and, in its own `body`, the answer and the warnings.
    """

    @wraps(answer)
    def handler(event: Any, context: Any) -> dict[str, Any]:
        warnings: list[str] = []
        status, headers = 200, {"Content-Type": "application/json"}
        try:
            body = answer(Request(event, warnings))
        except Exception as error:
            status = STATUSES.get(type(error), 500)
            body = {"msg": str(error)}
            if status == 503:
                logger.error(str(error), path=str(getattr(error, "path", "")))
                headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
            elif status == 500:
                request_id = getattr(context, "aws_request_id", None) or str(uuid4())
                logger.exception("unforeseen error", request_id=request_id)
                body = {"msg": f"Unforeseen error; please report it with the request id {request_id}."}
        envelope = {
            "isBase64Encoded": False,
            "statusCode": status,
            "headers": headers,
            "multiValueHeaders": {},
            "body": {"warnings": warnings} | body,
        }
        text = json.dumps(envelope, allow_nan=False)
        return {"isBase64Encoded": False, "statusCode": status, "headers": headers, "body": text}

    return handler
