"""GET and POST /similar: the known incidents most similar to a text or an embedding."""

from typing import Any

from incidents import startup  # noqa: F401 (before anything that imports torch)
from incidents.errors import InvalidInputError
from incidents.findings.answer import make_answer
from incidents.findings.reading import look_up, read, read_passages
from incidents.findings.verdict import warnings
from incidents.http.endpoint import endpoint
from incidents.http.request import HYBRID, Request
from incidents.store.current import current


@endpoint
def handler(request: Request) -> dict[str, Any]:
    """Rank the known incidents by how close their reports are to the request's text or embedding."""
    text, num, hybrid, url = request.text(), request.num(), request.rank() == HYBRID, request.url()
    if text is not None:
        if request.has("embed"):
            request.warnings.append("Both `text` and `embed` were given; `embed` was not used.")
        current().start_refresh()
        encoder = current().encoder()
        embedding = encoder.encode(text)
        request.warnings += embedding.warnings
        index = current().index(built_with=encoder)
        whole = look_up(index, read(index, text, embedding.vector, num=num), url)
        passages = read_passages(index, encoder, whole)
    elif (embed := request.embed()) is not None:
        index = current().index()
        whole, passages = look_up(index, read(index, "", index.query(embed), num=num), url), []
    else:
        raise InvalidInputError("expected a `text` or an `embed`, in the body or the query string, got neither")
    request.warnings += warnings(index, whole.verdict, hybrid=hybrid)
    return make_answer(index, whole, passages, num, hybrid=hybrid)
