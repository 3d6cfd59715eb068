"""Incidents from the AI Incident Database's own MongoDB, by plain queries that only read."""

import reprlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import torch
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import ConfigurationError, PyMongoError

from incidents.model.encoder import Encoder
from incidents.model.text import text_hash
from scripts.sources.incident import LARGEST_NUMBER
from scripts.sources.plain_text import strip_markdown
from scripts.sources.staging import StagedIncidents

DATABASE: Final = "aiidprod"
DEFAULT_VARIABLE: Final = "MONGODB_CONNECTION_STRING"
LEFT_OUT: Final = "left out, in"
"""How a note on a document that could not be used begins."""
FINGERPRINT_FIELD: Final = "encoder_fingerprint"
"""Of a report's `embedding`, beside `vector` and `from_text_hash`: which encoder made the vector."""


@contextmanager
def open_mongo(place: str, encoder: Encoder, environment: Mapping[str, str]) -> Iterator[StagedIncidents]:
    """Take in the database at a URI, or at the URI that the environment variable of that name holds.

    Raises:
        OSError: the database cannot be reached or read.
        ValueError: there is no usable URI.
    """
    with connect(place, environment) as database, take_in(database, encoder) as staged:
        yield staged


@contextmanager
def connect(place: str, environment: Mapping[str, str]) -> Iterator[Database[dict[str, Any]]]:
    """Connect to the database at a URI, or at the URI that the environment variable of that name holds.

    Raises:
        ValueError: there is no usable URI.
    """
    uri = place if "://" in place else environment.get(place or DEFAULT_VARIABLE)
    if not uri:  # a place that is no variable's name may be a misspelt URI, with a password in it
        name = place if place.isidentifier() else DEFAULT_VARIABLE
        raise ValueError(f"expected a MongoDB URI in the variable {name}, which is not set, or after `mongodb:`")
    try:
        client = MongoClient[dict[str, Any]](uri)
    except (ConfigurationError, ValueError) as error:  # its message can quote the URI
        raise ValueError(
            f"expected a MongoDB URI, got one that is refused, or whose name is not found: {type(error).__name__}"
        ) from None
    with client:
        # A text that was stored with a damaged character is still a text.
        yield client.get_database(DATABASE, CodecOptions(unicode_decode_error_handler="replace"))


@contextmanager
def take_in(database: Database[dict[str, Any]], encoder: Encoder) -> Iterator[StagedIncidents]:
    """Take in a database; documents that are not what it should have are left out, and are among the notes.

    A report's stored vector is taken over where this very encoder made it of the text as it is now.

    Raises:
        OSError: the database cannot be reached or read.
    """
    with StagedIncidents(f"mongodb:{DATABASE}") as staged:

        def take_incident(incident: dict[str, Any]) -> None:
            numbers = [whole(number, "a report number of an incident") for number in incident.get("reports") or []]
            staged.add_incident(
                whole(incident.get("incident_id"), "incident_id"), _text(incident.get("title")), numbers
            )

        def take_report(report: dict[str, Any]) -> None:
            number, text = whole(report.get("report_number"), "report_number"), _text(report.get("text"))
            is_incident_report = report.get("is_incident_report") is not False
            vector = _stored_vector(report.get("embedding"), text, encoder)
            staged.add_report(number, text, is_incident_report=is_incident_report, vector=vector)

        def take_duplicate(pair: dict[str, Any]) -> None:
            duplicate = whole(pair.get("duplicate_incident_number"), "duplicate_incident_number")
            staged.add_duplicate(duplicate, whole(pair.get("true_incident_number"), "true_incident_number"))

        def each(collection: str, take: Callable[[dict[str, Any]], None], *fields: str) -> None:
            for document in database[collection].find({}, {"_id": False} | dict.fromkeys(fields, True)):
                try:
                    take(document)
                except (ValueError, TypeError, AttributeError) as error:
                    which = reprlib.repr(document.get(fields[0]))
                    staged.notes.append(f"{LEFT_OUT} {collection}, {fields[0]} {which}: {error}")

        try:
            each("incidents", take_incident, "incident_id", "title", "reports")
            each("reports", take_report, "report_number", "text", "is_incident_report", "embedding")
            each("duplicates", take_duplicate, "duplicate_incident_number", "true_incident_number")
        except (PyMongoError, BSONError) as error:
            raise OSError(f"the database could not be read: {type(error).__name__}: {error}") from error
        staged.fold()
        yield staged


def _stored_vector(embedding: Any, text: str, encoder: Encoder) -> list[float] | None:
    if not isinstance(embedding, dict) or embedding.get(FINGERPRINT_FIELD) != encoder.fingerprint:
        return None
    if embedding.get("from_text_hash") != text_hash(strip_markdown(text)):
        return None
    vector = embedding.get("vector")
    if not isinstance(vector, list) or len(vector) != encoder.width or not all(isinstance(x, float) for x in vector):
        return None
    as_kept = torch.tensor(vector, dtype=torch.float32)  # in which 1e300 is infinite
    return vector if as_kept.isfinite().all() and as_kept.any() else None


def _text(value: Any) -> str:
    if not isinstance(value, str | None):
        raise TypeError(f"expected a text, got {type(value).__name__}")
    return value or ""


def whole(value: Any, name: str) -> int:
    """An incident's or a report's number; JavaScript has no integers, so it may have been stored as a float.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= LARGEST_NUMBER:
        raise ValueError(f"expected {name} to be a whole number from 1 to 2^63 - 1, got {reprlib.repr(value)}")
    return value
