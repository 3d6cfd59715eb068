"""GET and POST /info: the version of the service, its encoder and its index, without loading the encoder."""

from dataclasses import asdict
from typing import Any

from incidents import startup  # noqa: F401 (before anything that imports torch)
from incidents.http.endpoint import SUCCESS, endpoint
from incidents.http.request import Request
from incidents.names import VERSION
from incidents.store.current import current


@endpoint
def handler(request: Request) -> dict[str, Any]:
    """Describe the service; the encoder is the one that built the index, because no other can be used with it."""
    index = current().index()
    if problem := current().refresh_problem:
        request.warnings.append(f"The index could not be brought up to date: {problem}")
    return {
        "msg": SUCCESS,
        "version": VERSION,
        "encoder": asdict(index.encoder),
        "index": {
            "incidents": len(index),
            "reports": int(index.report_counts.sum()),
            "built_at": index.built_at,
            "age_seconds": index.age_seconds,
            "source": index.source,
            "version": index.version,
        },
    } | ({"calibration": index.calibration.summary()} if index.calibration else {})
