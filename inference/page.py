"""GET / and /page: the page for people, which asks /similar."""

from pathlib import Path
from typing import Any, Final

PAGE: Final = Path(__file__).with_suffix(".html")


def handler(event: Any, context: Any) -> dict[str, Any]:  # noqa: ARG001 (as Lambda calls it)
    """Give the page, whatever is asked; it loads nothing from elsewhere, and its headers say so."""
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return {
        "isBase64Encoded": False,
        "statusCode": 200,
        "headers": headers,
        "body": PAGE.read_text(encoding="utf-8"),
    }
