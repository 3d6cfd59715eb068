"""The HTTP form of an answer: its envelope, and the status of each error."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from incidents.errors import InputTooLargeError, InvalidIndexError, InvalidInputError, InvalidModelError
from incidents.http.log import Handler, logger, observed
from incidents.http.request import Request
from incidents.measurements import noted

STATUSES: Final[dict[type[Exception], int]] = {
    InvalidInputError: 400,
    InputTooLargeError: 413,
    InvalidModelError: 503,
    InvalidIndexError: 503,
}
"""Any other exception is unexpected and returns 500."""

RETRY_AFTER_SECONDS: Final = 30

SUCCESS: Final = "Success"
"""The `msg` of an answer that has no message of its own; callers of /embed read it at the top of the envelope."""


def endpoint(answer: Callable[[Request], dict[str, Any]]) -> Handler:
    """Make a Lambda handler from a function that answers a request.

    The handler accepts any event and never raises. It returns the form that an HTTP API's proxy integration expects.
    Its body is the envelope as JSON text: the envelope repeats the status, and the envelope's `body` holds the answer
    and the warnings.
    """

    @wraps(answer)
    def handler(event: Any, _: Any) -> dict[str, Any]:
        status, body = _answer(answer, event, str(noted("request_id")))
        return _proxy_answer(status, body)

    return observed(handler)


def _answer(answer: Callable[[Request], dict[str, Any]], event: Any, request_id: str) -> tuple[int, dict[str, Any]]:
    warnings: list[str] = []
    try:
        return 200, {"warnings": warnings} | answer(Request(event, warnings))
    except Exception as error:
        status = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)
        message = str(error)
        if status == 503:
            path, cause = str(getattr(error, "path", "")), repr(error.__cause__)
            logger.warning(message, request_id=request_id, path=path, cause=cause)
        elif status == 500:
            logger.exception("unexpected error", request_id=request_id)
            message = f"Unforeseen error; please report it with the request id {request_id}."
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
