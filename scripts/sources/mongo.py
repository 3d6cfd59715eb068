"""Incidents from the AI Incident Database's own MongoDB, by plain queries that only read."""

import reprlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import ConfigurationError, PyMongoError

from scripts.sources.incident import LARGEST_NUMBER
from scripts.sources.staging import ISSUE_REPORT, NewReport, StagedIncidents

DATABASE: Final = "aiidprod"
DEFAULT_VARIABLE: Final = "MONGODB_CONNECTION_STRING"
SKIPPED: Final = "skipped, in"
"""The beginning of a note on an invalid document."""
FINGERPRINT_FIELD: Final = "encoder_fingerprint"
"""Of a report's `embedding`, beside `vector` and `from_text_hash`: which encoder made the vector."""


@contextmanager
def open_mongo(place: str, environment: Mapping[str, str]) -> Iterator[StagedIncidents]:
    """Take in the database at a URI, or at the URI that the environment variable of that name holds.

    Raises:
        OSError: the database cannot be reached or read.
        ValueError: there is no usable URI.
    """
    with connect(place, environment) as database, take_in(database) as staged:
        yield staged


@contextmanager
def connect(place: str, environment: Mapping[str, str]) -> Iterator[Database[dict[str, Any]]]:
    """Connect to the database at a URI, or at the URI that the environment variable of that name holds.

    Raises:
        ValueError: there is no usable URI.
    """
    uri = place if "://" in place else environment.get(place or DEFAULT_VARIABLE)
    if not uri:  # a place that is not a variable's name may be a misspelled URI with a password
        name = place if place.isidentifier() else DEFAULT_VARIABLE
        raise ValueError(f"expected a MongoDB URI in the variable {name}, which is not set, or after `mongodb:`")
    try:
        client = MongoClient[dict[str, Any]](uri)
    except (ConfigurationError, ValueError) as error:  # its message can quote the URI
        raise ValueError(
            f"expected a MongoDB URI, got one that is refused, or whose name is not found: {type(error).__name__}"
        ) from None
    with client:
        # A text with a damaged character can still be used, and so can a document with a date after the year 9999.
        options: CodecOptions[dict[str, Any]] = CodecOptions(
            unicode_decode_error_handler="replace", datetime_conversion=DatetimeConversion.DATETIME_AUTO
        )
        yield client.get_database(DATABASE, options)


@contextmanager
def take_in(database: Database[dict[str, Any]]) -> Iterator[StagedIncidents]:
    """Take in a database; invalid documents are skipped and listed in the notes.

    Raises:
        OSError: the database cannot be reached or read.
    """
    with StagedIncidents(f"mongodb:{DATABASE}") as staged:

        def take_incident(incident: dict[str, Any]) -> None:
            incident_id, title = whole(incident.get("incident_id"), "incident_id"), _text(incident.get("title"))
            numbers = [whole(number, "a report number of an incident") for number in incident.get("reports") or []]
            staged.add_incident(incident_id, title, numbers, date=_optional(incident.get("date")))

        def take_report(report: dict[str, Any]) -> None:
            number, text = whole(report.get("report_number"), "report_number"), _text(report.get("text"))
            title, url, date = (_optional(report.get(field)) for field in ("title", "url", "date_published"))
            excluded = ISSUE_REPORT if report.get("is_incident_report") is False else ""
            stored = _stored_vector(report.get("embedding"))
            staged.add_report(NewReport(number, text, title, url, date, excluded=excluded, stored=stored))

        def take_duplicate(pair: dict[str, Any]) -> None:
            duplicate = whole(pair.get("duplicate_incident_number"), "duplicate_incident_number")
            staged.add_duplicate(duplicate, whole(pair.get("true_incident_number"), "true_incident_number"))

        def each(collection: str, take: Callable[[dict[str, Any]], None], *fields: str) -> None:
            for document in database[collection].find({}, {"_id": False} | dict.fromkeys(fields, True)):
                try:
                    take(document)
                except (ValueError, TypeError, AttributeError) as error:
                    which = reprlib.repr(document.get(fields[0]))
                    staged.notes.append(f"{SKIPPED} {collection}, {fields[0]} {which}: {error}")

        try:
            each("incidents", take_incident, "incident_id", "title", "reports", "date")
            fields = ("report_number", "text", "is_incident_report", "embedding", "title", "url", "date_published")
            each("reports", take_report, *fields)
            each("duplicates", take_duplicate, "duplicate_incident_number", "true_incident_number")
        except (PyMongoError, BSONError) as error:
            raise OSError(f"the database could not be read: {type(error).__name__}: {error}") from error
        staged.fold()
        yield staged


def _stored_vector(embedding: Any) -> tuple[list[float], str, str] | None:
    """(vector, text hash, fingerprint) of a report's embedding; None if it lacks one of them, as the website's do."""
    if not isinstance(embedding, dict):
        return None
    vector, text_hash, fingerprint = (embedding.get(field) for field in ("vector", "from_text_hash", FINGERPRINT_FIELD))
    if not isinstance(vector, list) or not vector or not all(isinstance(number, float) for number in vector):
        return None
    if not isinstance(text_hash, str) or not isinstance(fingerprint, str):
        return None
    return vector, text_hash, fingerprint


def _text(value: Any) -> str:
    if not isinstance(value, str | None):
        raise TypeError(f"expected a text, got {type(value).__name__}")
    return value or ""


def _optional(value: Any) -> str:
    """A text or a date that nothing depends on; another type gives "", as no text is lost for a field beside it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str) else ""


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
