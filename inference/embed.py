"""GET and POST /embed: the vector of a text, and a hash that detects later edits of the text."""

from typing import Any

from incidents import startup  # noqa: F401 (before anything that imports torch)
from incidents.errors import InvalidInputError
from incidents.http.endpoint import SUCCESS, endpoint
from incidents.http.request import Request
from incidents.model.text import text_hash
from incidents.store.current import current


@endpoint
def handler(request: Request) -> dict[str, Any]:
    """Embed the request's text."""
    text = request.text()
    if text is None:
        raise InvalidInputError("expected a `text`, in the body or the query string, got none")
    embedding = current().encoder().encode(text)
    request.warnings += embedding.warnings
    return {
        "msg": SUCCESS,
        "embedding": {"vector": embedding.vector.tolist(), "from_text_hash": text_hash(text)},
    }
