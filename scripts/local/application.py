"""The local server: the service behind an emulation of API Gateway, and pages for developers."""

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from incidents.http.routes import routes
from scripts.local.gateway import gateway
from scripts.local.service import load_handler

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


def application(origins: tuple[str, ...], openapi: Path) -> Starlette:
    """The service, with `openapi` at /openapi.json and Swagger UI at /docs; pages of `origins` may call it."""

    async def describe(_: Request) -> Response:
        return FileResponse(openapi, media_type="application/json")

    async def show_docs(_: Request) -> Response:
        return HTMLResponse(DOCS)

    handlers = {path: load_handler(script) for path, script in routes().items()}
    return Starlette(
        routes=[
            Route("/openapi.json", describe),
            Route("/docs", show_docs),
            Mount("/swagger-ui", StaticFiles(directory=_find_swagger_ui())),
            Mount("/", gateway(handlers, origins)),
        ]
    )


def hide_queries() -> None:
    """Keep query strings, which hold texts, out of uvicorn's access log."""
    logging.getLogger("uvicorn.access").addFilter(_drop_query)


def _drop_query(record: logging.LogRecord) -> bool:
    """Shorten the third argument of an access log line, the path with its query string."""
    if isinstance(record.args, tuple) and len(record.args) > 2:
        client, method, path, *rest = record.args
        record.args = (client, method, str(path).partition("?")[0], *rest)
    return True


def _find_swagger_ui() -> Path:
    """The folder of Swagger UI's own files, in a package for another framework, which is not imported."""
    spec = find_spec("flask_swagger_ui")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("flask_swagger_ui is not installed; `make serve` installs it")
    return Path(spec.origin).parent / "dist"
