"""Which pages of other origins may read the local server's answers, and API Gateway's headers that say so."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from incidents.http.routes import CORS_HEADERS, DEFAULT_ORIGINS, METHODS, parse_origins


def read_origins(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The origins in CORS_ALLOW_ORIGINS, or the default ones.

    Raises:
        ValueError: an entry is not an origin.
    """
    return parse_origins(environment.get("CORS_ALLOW_ORIGINS") or DEFAULT_ORIGINS)


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
