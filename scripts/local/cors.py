"""Which pages of other origins may read the local server's answers, and API Gateway's headers that say so."""

import re
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from incidents.http.routes import CORS_HEADERS, METHODS

DEFAULT_ORIGINS: Final = "http://localhost:3000,https://incidentdatabase.ai"


def read_origins(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The origins in CORS_ALLOW_ORIGINS, separated by commas.

    Raises:
        ValueError: an entry is not an origin in lower case. `*` is refused: browsers ignore it with credentials.
    """
    origins = tuple(origin.strip() for origin in (environment.get("CORS_ALLOW_ORIGINS") or DEFAULT_ORIGINS).split(","))
    for origin in origins:
        if not re.fullmatch(r"https?://[a-z0-9.-]+(:\d{1,5})?", origin, re.ASCII):
            raise ValueError(f"expected CORS_ALLOW_ORIGINS to hold origins such as https://example.org, got {origin!r}")
    return origins


class GatewayCors(CORSMiddleware):
    """Starlette's CORS with the status codes and headers of API Gateway."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer 204 to every preflight; the lack of headers tells the browser that the origin is unknown."""
        response = Response(status_code=204)
        if self.is_allowed_origin(request_headers["origin"]):
            response.headers.update(self.simple_headers)
            self.allow_explicit_origin(response.headers, request_headers["origin"])
            response.headers["access-control-allow-methods"] = ",".join(METHODS)
            response.headers["access-control-allow-headers"] = ",".join(CORS_HEADERS).lower()
        return response

    async def simple_response(self, scope: Scope, receive: Receive, send: Send, request_headers: Headers) -> None:
        """Add headers for known origins only; Starlette allows credentials to unknown ones too."""
        if self.is_allowed_origin(request_headers.get("origin", "")):
            await super().simple_response(scope, receive, send, request_headers)
        else:
            await self.app(scope, receive, send)
