"""An emulation of API Gateway's HTTP API in front of Lambda handlers.

Its limits are those on the developer guide's page on quotas. An unknown method on a known route gets 405, as the
service's contract says; API Gateway itself may answer 404.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from incidents.http.routes import METHODS
from scripts.local.answers import to_response
from scripts.local.cors import GatewayCors
from scripts.local.events import to_event

Handler = Callable[[dict[str, Any], Any], Any]

TIMEOUT_SECONDS: Final = 30
MAX_BODY_BYTES: Final = 10 * 2**20
MAX_EVENT_BYTES: Final = 6 * 2**20
"""Lambda's limit on the payload of an invocation."""
MAX_LINE_AND_HEADERS_BYTES: Final = 10_240

logger = logging.getLogger("uvicorn.error")


@dataclass(frozen=True)
class Context:
    """The part of a Lambda context that the handlers read."""

    aws_request_id: str


def gateway(
    handlers: dict[str, Handler], origins: tuple[str, ...], timeout_seconds: float = TIMEOUT_SECONDS
) -> Starlette:
    """An application that answers each path with its Lambda handler; pages of `origins` may read the answers."""
    # One request at a time, as in one Lambda container; the next waits even for a request that ran out of time.
    container = ThreadPoolExecutor(max_workers=1)
    app = Starlette(
        routes=[_route(path, _Function(handler, container, timeout_seconds)) for path, handler in handlers.items()],
        middleware=[Middleware(_RequestId), Middleware(GatewayCors, allow_origins=origins, allow_credentials=True)],
        exception_handlers={HTTPException: _refuse},
    )
    app.router.redirect_slashes = False  # /similar/ is another route to API Gateway, and unknown
    return app


@dataclass(frozen=True)
class _Function:
    """A Lambda function behind a route."""

    handler: Handler
    container: ThreadPoolExecutor
    timeout_seconds: float

    async def respond(self, request: Request) -> Response:
        """Invoke the function, within the gateway's limits."""
        if len(str(request.url)) + sum(len(value) for _, value in request.headers.raw) > MAX_LINE_AND_HEADERS_BYTES:
            raise HTTPException(431)
        request_id = request.state.request_id
        event = to_event(request, await _read(request), request_id)
        if len(json.dumps(event)) > MAX_EVENT_BYTES:
            raise HTTPException(413)
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self.container, self._invoke, event, Context(request_id))
        try:
            return await asyncio.wait_for(asyncio.shield(running), self.timeout_seconds)
        except TimeoutError:
            raise HTTPException(503) from None

    def _invoke(self, event: dict[str, Any], context: Context) -> Response:
        try:
            return to_response(json.loads(json.dumps(self.handler(event, context))))
        except Exception as error:
            logger.exception("%s gave no usable answer", event["routeKey"])
            raise HTTPException(500) from error


class _RequestId:
    """Gives each request an id and returns it in the header that API Gateway uses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = str(uuid4())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["apigw-requestid"] = request_id
            await send(message)

        scope.setdefault("state", {})["request_id"] = request_id
        await self._app(scope, receive, send_with_id)


def _route(path: str, function: _Function) -> Route:
    route = Route(path, function.respond, methods=METHODS)
    route.methods = set(METHODS)  # Starlette adds HEAD to GET, API Gateway does not
    return route


def _refuse(_: Request, refusal: Exception) -> Response:
    """The gateway's own answer in place of the function's."""
    status = HTTPStatus(refusal.status_code if isinstance(refusal, HTTPException) else 500)
    headers = {"allow": ", ".join(METHODS)} if status == HTTPStatus.METHOD_NOT_ALLOWED else None
    return JSONResponse({"message": status.phrase.title()}, status, headers)


async def _read(request: Request) -> bytes:
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise HTTPException(413)
    except ClientDisconnect as error:  # nobody reads the answer
        raise HTTPException(400) from error
    return body
