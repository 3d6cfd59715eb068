"""GET and POST /info: which encoder and which index answer, without loading the encoder."""

from dataclasses import asdict
from typing import Any

from incidents import __version__, startup  # noqa: F401 (before torch)
from incidents.http.endpoint import SUCCESS, endpoint
from incidents.http.request import Request
from incidents.store import current as store


@endpoint
def handler(request: Request) -> dict[str, Any]:
    """Describe the service; the encoder is the one that the index was built with, and no other may be used with it."""
    index = store.index()
    if problem := store.refresh_problem():
        request.warnings.append(f"The index could not be brought up to date: {problem}")
    return {
        "msg": SUCCESS,
        "version": __version__,
        "encoder": asdict(index.encoder),
        "index": {
            "incidents": len(index),
            "reports": int(index.report_counts.sum()),
            "built_at": index.built_at,
            "age_seconds": index.age_seconds,
            "source": index.source,
            "version": index.version,
        },
    }
