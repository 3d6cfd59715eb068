"""The page and /similar over real HTTP: each request becomes an HTTP API's event for the handler that answers it."""

import base64
import json
import os
import socket
import sys
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import page
import similar

HANDLERS = {"/": page.handler, "/page": page.handler, "/similar": similar.handler}


async def answer(request: Request) -> Response:
    """Answer as API Gateway does with the handler's proxy answer (payload format 2.0)."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{request.method} {request.url.path}",
        "rawPath": request.url.path,
        "rawQueryString": request.url.query,
        "headers": dict(request.headers),
        "queryStringParameters": dict(request.query_params),
        "requestContext": {"http": {"method": request.method, "path": request.url.path}, "stage": "$default"},
        "body": base64.b64encode(await request.body()).decode(),
        "isBase64Encoded": True,
    }
    proxy = await run_in_threadpool(HANDLERS[request.url.path], json.loads(json.dumps(event)), None)
    return Response(proxy["body"], proxy["statusCode"], proxy["headers"])


if __name__ == "__main__":
    os.environ |= {"MODEL_PATH": sys.argv[1], "INDEX_PATH": sys.argv[2]}
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    app = Starlette(routes=[Route(path, answer, methods=["GET", "POST"]) for path in HANDLERS])
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
