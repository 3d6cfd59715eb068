"""Answers of Lambda functions as HTTP responses, in payload format 2.0."""

import base64
import json
import re
from typing import Any

from starlette.responses import Response


def to_response(answer: Any) -> Response:
    """The HTTP response for a Lambda function's answer; an answer without a statusCode is itself the body.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: the answer breaks the proxy format.
    """
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return Response(answer if isinstance(answer, str) else json.dumps(answer), media_type="application/json")
    status, body, cookies = answer["statusCode"], answer.get("body", ""), answer.get("cookies", [])
    if type(status) is not int or not 100 <= status <= 599:
        raise TypeError(f"expected statusCode to be an integer from 100 to 599, got {status!r}")
    if not isinstance(body, str) or not isinstance(cookies, list):
        raise TypeError("expected body to be a string and cookies to be a list")
    content = base64.b64decode(body, validate=True) if answer.get("isBase64Encoded") else body.encode()
    response = Response(content, status_code=status)
    response.headers["content-type"] = "text/plain;charset=UTF-8"
    response.headers.update(_read_headers(answer.get("headers") or {}))
    for cookie in cookies:
        response.headers.append("set-cookie", cookie)
    return response


def _read_headers(headers: dict[str, Any]) -> dict[str, str]:
    """The headers of an answer, without its content-length: the response counts its own bytes."""
    found = {name.lower(): str(value) for name, value in headers.items() if name.lower() != "content-length"}
    for name, value in found.items():
        if not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name) or not re.fullmatch(r"[^\r\n\0]*", value):
            raise ValueError(f"expected a header with a valid name and value, got {name!r}")
    return found
