"""GET and POST /similar: the known incidents most similar to a text or an embedding."""

from dataclasses import asdict
from typing import Any

from incidents import startup  # noqa: F401 (before anything that imports torch)
from incidents.errors import InvalidInputError
from incidents.http.endpoint import endpoint
from incidents.http.request import Request
from incidents.store.current import current

CITE_URL = "https://incidentdatabase.ai/cite/{}"


@endpoint
def handler(request: Request) -> dict[str, Any]:
    """Rank the known incidents by the cosine similarity of their vectors and the request's."""
    text, num = request.text(), request.num()
    if text is not None:
        if request.has("embed"):
            request.warnings.append("Both `text` and `embed` were given; `embed` was not used.")
        current().start_refresh()
        encoder = current().encoder()
        embedding = encoder.encode(text)
        request.warnings += embedding.warnings
        index, vector = current().index(built_with=encoder), embedding.vector
    elif (embed := request.embed()) is not None:
        index = current().index()
        vector = index.query(embed)
    else:
        raise InvalidInputError("expected a `text` or an `embed`, in the body or the query string, got neither")

    matches = [asdict(match) | {"url": CITE_URL.format(match.incident_id)} for match in index.rank(vector, num)]
    answer = {
        "msg": str([(match["similarity"], match["incident_id"]) for match in matches]),
        "similar": matches,
        "index": index.summary(),
    }
    return answer | ({"best_url": matches[0]["url"]} if matches else {})
