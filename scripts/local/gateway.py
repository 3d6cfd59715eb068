"""What API Gateway's HTTP API does around a Lambda function: events, answers, CORS, and refusals of its own.

The form of events and answers is payload format 2.0, as "Create AWS Lambda proxy integrations for HTTP APIs" in the
API Gateway developer guide describes it, and the limits are those of its page on quotas. An unknown method of a known
route is answered with 405, as the service's contract has it, where API Gateway itself may say 404.
"""

import asyncio
import base64
import json
import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from incidents.http.routes import CORS_HEADERS, METHODS

Handler = Callable[[dict[str, Any], Any], Any]

TIMEOUT_SECONDS: Final = 30
MAX_BODY_BYTES: Final = 10 * 2**20
MAX_EVENT_BYTES: Final = 6 * 2**20
"""Lambda's limit for what it is invoked with."""
MAX_LINE_AND_HEADERS_BYTES: Final = 10_240
TEXT_TYPES: Final = ("text/", "application/json", "application/javascript", "application/xml")
"""A body of another type comes in base64, as does one that is not UTF-8."""

logger = logging.getLogger("uvicorn.error")


@dataclass(frozen=True)
class Context:
    """What of a Lambda context the handlers look at."""

    aws_request_id: str


class Gateway:
    """An ASGI application that answers each route with a Lambda handler."""

    def __init__(self, handlers: dict[str, Handler], origins: tuple[str, ...]) -> None:
        self._handlers = handlers
        self._origins = origins
        # One request at a time, as in a Lambda function's container; one that takes too long is still finished first.
        self._container = ThreadPoolExecutor(max_workers=1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        request_id = str(uuid4())
        try:
            response = await self._respond(request, request_id)
        except HTTPException as refusal:
            response = JSONResponse(
                {"message": HTTPStatus(refusal.status_code).phrase.title()}, refusal.status_code, refusal.headers
            )
        except ClientDisconnect:
            return
        response.headers["apigw-requestid"] = request_id
        response.headers.update(self._cors_headers(request))
        await response(scope, receive, send)

    async def _respond(self, request: Request, request_id: str) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204)
        handler = self._handlers.get(request.scope["path"])
        if handler is None:
            raise HTTPException(404)
        if request.method not in METHODS:
            raise HTTPException(405, headers={"allow": ", ".join(METHODS)})
        if len(str(request.url)) + sum(len(value) for _, value in request.headers.raw) > MAX_LINE_AND_HEADERS_BYTES:
            raise HTTPException(431)
        event = to_event(request, await _read(request), request_id)
        if len(json.dumps(event)) > MAX_EVENT_BYTES:
            raise HTTPException(413)
        running = asyncio.get_running_loop().run_in_executor(
            self._container, _call, handler, event, Context(request_id)
        )
        try:
            return await asyncio.wait_for(asyncio.shield(running), TIMEOUT_SECONDS)
        except TimeoutError:
            raise HTTPException(503) from None

    def _cors_headers(self, request: Request) -> dict[str, str]:
        if (origin := request.headers.get("origin")) not in self._origins:
            return {}
        headers = {"access-control-allow-origin": str(origin), "access-control-allow-credentials": "true"}
        if request.method == "OPTIONS":
            headers["access-control-allow-methods"] = ",".join(METHODS)
            headers["access-control-allow-headers"] = ",".join(CORS_HEADERS).lower()
        return headers | {"vary": "origin"}


def to_event(request: Request, body: bytes, request_id: str) -> dict[str, Any]:
    """The event of a request: what comes several times is joined by commas, and cookies stand apart."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    cookies = headers.pop("cookie", None)
    query: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        query[name] = f"{query[name]},{value}" if name in query else value
    client, host = request.client.host if request.client else "", request.url.hostname or ""
    headers |= {"x-forwarded-for": client, "x-forwarded-proto": request.url.scheme}
    headers["x-forwarded-port"] = str(request.url.port or 80)
    now = datetime.now(UTC)
    route = f"{request.method} {request.url.path}"
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": request.url.path,
        "rawQueryString": request.url.query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "local",
            "domainName": host,
            "domainPrefix": host.split(".")[0],
            "http": {
                "method": request.method,
                "path": request.url.path,
                "protocol": f"HTTP/{request.scope['http_version']}",
                "sourceIp": client,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": route,
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies is not None:
        event["cookies"] = cookies.split("; ")
    if query:
        event["queryStringParameters"] = query
    if body:
        event |= _encode(body, headers.get("content-type", ""))
    return event


async def _read(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413)
    return body


def _encode(body: bytes, content_type: str) -> dict[str, Any]:
    if content_type.lower().startswith(TEXT_TYPES):
        with suppress(UnicodeDecodeError):
            return {"body": body.decode("utf-8"), "isBase64Encoded": False}
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def _call(handler: Handler, event: dict[str, Any], context: Context) -> Response:
    """Run a Lambda function; what API Gateway could not make an answer of is its internal error."""
    try:
        return to_response(json.loads(json.dumps(handler(event, context))))
    except Exception as error:
        logger.exception("%s gave no usable answer", event["routeKey"])
        raise HTTPException(500) from error


def to_response(answer: Any) -> Response:
    """The HTTP form of a Lambda function's answer; one without a statusCode is a body in itself.

    Raises:
        KeyError, TypeError, ValueError: it breaks the proxy format.
    """
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return Response(answer if isinstance(answer, str) else json.dumps(answer), media_type="application/json")
    status, body, cookies = answer["statusCode"], answer.get("body", ""), answer.get("cookies", [])
    if (
        type(status) is not int
        or not 100 <= status <= 599
        or not isinstance(body, str)
        or not isinstance(cookies, list)
    ):
        raise TypeError("expected statusCode to be a status, body a string and cookies a list")
    content = base64.b64decode(body, validate=True) if answer.get("isBase64Encoded") else body.encode()
    response = Response(content, status_code=status)
    for name, value in {"content-type": "text/plain;charset=UTF-8", **_headers(answer.get("headers") or {})}.items():
        response.headers[name] = value
    for cookie in cookies:
        response.headers.append("set-cookie", cookie)
    return response


def _headers(headers: dict[str, Any]) -> dict[str, str]:
    """The headers of an answer; its length is counted here."""
    found = {name.lower(): str(value) for name, value in headers.items() if name.lower() != "content-length"}
    for name, value in found.items():
        if not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name) or not re.fullmatch(r"[^\r\n\0]*", value):
            raise ValueError(f"expected a header, got one that is none: {name!r}")
    return found
