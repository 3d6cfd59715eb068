"""Incidents from the AI Incident Database's own MongoDB, by plain queries that only read."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import ConfigurationError, PyMongoError

from incidents.encoder import Encoder
from incidents.text import text_hash
from plain_text import strip_markdown
from sources.staging import StagedIncidents

DATABASE: Final = "aiidprod"
DEFAULT_VARIABLE: Final = "MONGODB_CONNECTION_STRING"
FINGERPRINT_FIELD: Final = "encoder_fingerprint"
"""Of a report's `embedding`, beside `vector` and `from_text_hash`: which encoder made the vector."""


@contextmanager
def open_mongo(place: str, encoder: Encoder, environment: Mapping[str, str]) -> Iterator[StagedIncidents]:
    """Take in the database at a URI, or at the URI that the environment variable of that name holds.

    A report's stored vector is taken over where this very encoder made it of the text as it is now.

    Raises:
        OSError: the database cannot be reached or read.
        ValueError: there is no usable URI, or a document is not what the database has.
    """
    uri = place if "://" in place else environment.get(place or DEFAULT_VARIABLE)
    if not uri:  # a place that is no variable's name may be a misspelt URI, with a password in it
        name = place if place.isidentifier() else DEFAULT_VARIABLE
        raise ValueError(f"expected a MongoDB URI in the variable {name}, which is not set, or after `mongodb:`")
    try:
        client = MongoClient[dict[str, Any]](uri)
    except (ConfigurationError, ValueError) as error:  # its message can quote the URI
        raise ValueError(f"expected a MongoDB URI, got one that is refused: {type(error).__name__}") from None
    with client, StagedIncidents(f"mongodb:{DATABASE}") as staged:
        try:
            _take_in(client[DATABASE], encoder, staged)
        except PyMongoError as error:
            raise OSError(f"the database could not be read: {type(error).__name__}: {error}") from error
        yield staged


def _take_in(database: Database[dict[str, Any]], encoder: Encoder, staged: StagedIncidents) -> None:
    def find(collection: str, *fields: str) -> Iterator[dict[str, Any]]:
        yield from database[collection].find({}, {"_id": False} | dict.fromkeys(fields, True))

    for incident in find("incidents", "incident_id", "title", "reports"):
        numbers = [_whole(number, "a report number of an incident") for number in incident.get("reports") or []]
        staged.add_incident(_whole(incident.get("incident_id"), "incident_id"), incident.get("title") or "", numbers)
    for report in find("reports", "report_number", "text", "is_incident_report", "embedding"):
        number, text = _whole(report.get("report_number"), "report_number"), report.get("text") or ""
        is_incident_report = report.get("is_incident_report") is not False
        vector = _stored_vector(report.get("embedding") or {}, text, encoder)
        staged.add_report(number, text, is_incident_report=is_incident_report, vector=vector)
    duplicates = find("duplicates", "duplicate_incident_number", "true_incident_number")
    staged.fold(
        (
            _whole(pair.get("duplicate_incident_number"), "duplicate_incident_number"),
            _whole(pair.get("true_incident_number"), "true_incident_number"),
        )
        for pair in duplicates
    )


def _stored_vector(embedding: dict[str, Any], text: str, encoder: Encoder) -> list[float] | None:
    if embedding.get(FINGERPRINT_FIELD) != encoder.fingerprint:
        return None
    if embedding.get("from_text_hash") != text_hash(strip_markdown(text)):
        return None
    vector = embedding.get("vector") or []
    usable = len(vector) == encoder.width and all(isinstance(x, float) and math.isfinite(x) for x in vector)
    return vector if usable else None


def _whole(value: Any, name: str) -> int:
    """JavaScript has no integers: a whole number may have been stored as a float."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"expected {name} to be a whole number, got {value!r}")
    return value
