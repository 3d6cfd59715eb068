"""GET / and /page: the page for people, which asks /similar."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any, Final

from incidents.http.log import observed

PAGE: Final = Path(__file__).with_suffix(".html")


@observed
def handler(event: Any, context: Any) -> dict[str, Any]:  # noqa: ARG001 (as Lambda calls it)
    """Give the page, whatever is asked; it loads nothing from elsewhere, and its headers say so."""
    page = PAGE.read_text(encoding="utf-8")
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": f"default-src 'none'; script-src {_hash('script', page)}; "
        f"style-src {_hash('style', page)}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return {"isBase64Encoded": False, "statusCode": 200, "headers": headers, "body": page}


def _hash(tag: str, page: str) -> str:
    """The source expression that allows the page's one element of this tag, and no other (CSP level 3, 2.3.1)."""
    (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
