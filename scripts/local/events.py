"""HTTP requests as events in payload format 2.0, as in "Create AWS Lambda proxy integrations for HTTP APIs"."""

import base64
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request

TEXT_TYPES: Final = ("text/", "application/json", "application/javascript", "application/xml")
"""Bodies of other types come in base64, as do bodies that are not UTF-8."""


def to_event(request: Request, body: bytes, request_id: str) -> dict[str, Any]:
    """The event of a request: repeated names are joined by commas, and cookies are listed apart."""
    headers = _join(request.headers.items())
    cookies = headers.pop("cookie", None)
    query = _join(request.query_params.multi_items())
    headers["x-forwarded-for"] = request.client.host if request.client else ""
    headers["x-forwarded-proto"] = request.url.scheme
    headers["x-forwarded-port"] = str(request.url.port or 80)
    context = _describe(request, headers, request_id)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": context["routeKey"],
        "rawPath": request.url.path,
        "rawQueryString": request.url.query,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if cookies is not None:
        event["cookies"] = cookies.split("; ")
    if query:
        event["queryStringParameters"] = query
    if body:
        event |= _encode(body, headers.get("content-type", ""))
    return event


def _join(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in items:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _describe(request: Request, headers: dict[str, str], request_id: str) -> dict[str, Any]:
    """The event's requestContext."""
    host, now = request.url.hostname or "", datetime.now(UTC)
    return {
        "accountId": "anonymous",
        "apiId": "local",
        "domainName": host,
        "domainPrefix": host.split(".")[0],
        "http": {
            "method": request.method,
            "path": request.url.path,
            "protocol": f"HTTP/{request.scope['http_version']}",
            "sourceIp": headers["x-forwarded-for"],
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": request_id,
        "routeKey": f"{request.method} {request.url.path}",
        "stage": "$default",
        "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now.timestamp() * 1000),
    }


def _encode(body: bytes, content_type: str) -> dict[str, Any]:
    if content_type.lower().startswith(TEXT_TYPES):
        with suppress(UnicodeDecodeError):
            return {"body": body.decode("utf-8"), "isBase64Encoded": False}
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
