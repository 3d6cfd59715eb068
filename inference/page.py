"""GET / and /page: the web page, which calls /similar."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any, Final

from incidents.http.log import observed

PAGE: Final = Path(__file__).with_suffix(".html")


@observed
def handler(event: Any, context: Any) -> dict[str, Any]:  # noqa: ARG001 (as Lambda calls it)
    """Return the page for any event; it loads nothing from other origins, and its headers forbid that."""
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
    """The source expression that allows only the page's own element with this tag (CSP Level 3, section 2.3.1)."""
    (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
