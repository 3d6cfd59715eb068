"""Run the HTTP API on this machine: the same Lambda handlers, behind what does API Gateway's part.

It answers from one index, as it was when it was first asked; it does not look for a published one.
"""

import argparse
import importlib
import logging
import os
import signal
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from incidents.http.routes import routes
from infrastructure.settings import Settings as StackSettings
from scripts.cli.paths import OPENAPI
from scripts.local import service as local_service
from scripts.local.gateway import Gateway

DOCS: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Similar incidents: try the API</title>
<link rel="stylesheet" href="swagger-ui/swagger-ui.css">
<div id="docs"></div>
<script src="swagger-ui/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({ url: "openapi.json", dom_id: "#docs", validatorUrl: null })</script>
</html>
"""


def main() -> int:
    """Run the command line; the exit status is 0 when it is stopped, 2 for wrong arguments, 3 when it cannot start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s, this machine alone")
    parser.add_argument("--port", type=_port, default=3000, help="0: any that is free (default: %(default)s)")
    local_service.add_arguments(parser)
    arguments = parser.parse_args()
    local_service.configure(parser, arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn stops first, and then sends the signal again
    try:
        origins = StackSettings.from_mapping(os.environ).cors_origins
    except ValueError as error:
        parser.error(str(error))
    logging.getLogger("uvicorn.access").addFilter(_WithoutQuery())
    with suppress(KeyboardInterrupt):
        uvicorn.run(application(origins), host=arguments.host, port=arguments.port, server_header=False)
    return 0


def application(origins: tuple[str, ...]) -> Starlette:
    """The service, for pages of these origins too, and its own pages for developers, /openapi.json and /docs."""
    handlers = {path: importlib.import_module(script).handler for path, script in routes().items()}
    return Starlette(
        routes=[
            Route("/openapi.json", _openapi),
            Route("/docs", _docs),
            Mount("/swagger-ui", StaticFiles(directory=_swagger_ui())),
            Mount("/", Gateway(handlers, origins)),
        ]
    )


async def _openapi(_: Request) -> Response:
    return FileResponse(OPENAPI, media_type="application/json")


async def _docs(_: Request) -> Response:
    return HTMLResponse(DOCS)


class _WithoutQuery(logging.Filter):
    """Keeps query strings, and so texts, out of the access log."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the third part of an access log line of uvicorn's, the path."""
        if isinstance(record.args, tuple) and len(record.args) > 2:
            client, method, path, *rest = record.args
            record.args = (client, method, str(path).partition("?")[0], *rest)
        return True


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"expected a port, 0 to 65535, got {text!r}")
    return int(text)


def _swagger_ui() -> Path:
    """Where a package for another framework carries Swagger UI's own files; it is not imported."""
    spec = find_spec("flask_swagger_ui")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("flask_swagger_ui is not installed; `make serve` installs it")
    return Path(spec.origin).parent / "dist"


if __name__ == "__main__":
    sys.exit(main())
