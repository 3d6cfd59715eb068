"""The database itself: what a real client reads from a server that is mongomock behind a socket."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import DatetimeMS

from scripts.sources import mongo
from scripts.sources.incident import StoredVector
from scripts.sources.mongo import open_mongo
from support.servers.mongo_server import MongoServer, serving
from support.staged import Content, metadata
from support.staged import content as staged_content

SECRET = "hunter2"
Documents = dict[str, list[dict[str, Any]]]


@pytest.fixture
def documents() -> Documents:
    """As the database has them: JavaScript's numbers, fields that are missing or null, an issue report, a duplicate."""
    return {
        "incidents": [
            {"_id": 1, "incident_id": 2, "title": "Two", "reports": [20, 21, 22], "embedding": {"vector": [9.0]}},
            {"_id": 2, "incident_id": 1.0, "title": "One", "reports": [10.0, 20]},
            {"_id": 3, "incident_id": 3, "title": None, "reports": None},
            {"_id": 4, "incident_id": 4, "title": "Four", "reports": [40, 41]},
        ],
        "reports": [
            {"_id": 1, "report_number": 10, "text": "w10", "plain_text": "w11", "is_incident_report": True},
            {"_id": 2, "report_number": 20, "text": "*w20*", "plain_text": "w20"},
            {"_id": 3, "report_number": 21, "text": "w21", "is_incident_report": False},
            {"_id": 4, "report_number": 40, "text": None, "is_incident_report": None},
        ],
        "duplicates": [{"_id": 1, "duplicate_incident_number": 4, "true_incident_number": 2}],
    }


def server_of(documents: Documents, **options: Any) -> AbstractContextManager[MongoServer]:
    server = MongoServer(**options)
    for collection, content in documents.items():
        server.data[collection].insert_many(content)
    return serving(server)


def content(uri: str) -> Content:
    with open_mongo(uri, {}) as staged:
        return staged_content(staged)


MISSING, ISSUE = "it is listed, but not there", "it reports on an issue, not on an incident"
EXPECTED = {
    (1, "One"): [(10, "w10"), (20, "w20")],
    (2, "Two"): [(20, "w20"), (21, ISSUE), (22, MISSING), (40, ""), (41, MISSING)],
    (3, ""): [],
}


EMBEDDING = {"vector": [0.0, 0.5, 1e300], "from_text_hash": "a" * 40, "encoder_fingerprint": "f" * 64}


def stored(documents: Documents, embedding: Any) -> StoredVector | None:
    documents["reports"][1]["embedding"] = embedding
    with server_of(documents) as server, open_mongo(server.uri, {}) as staged:
        return next(staged.incidents()).reports[1].stored


def test_a_stored_vector_comes_with_what_it_was_made_from(documents: Documents) -> None:
    found = stored(documents, EMBEDDING)
    assert found is not None
    assert found.vector.tolist() == [0.0, 0.5, float("inf")]  # 1e300 is more than 32 bits can hold
    assert (found.text_hash, found.fingerprint) == ("a" * 40, "f" * 64)


@pytest.mark.parametrize(
    "embedding",
    [
        None,
        [1],
        EMBEDDING | {"vector": None},
        EMBEDDING | {"vector": ["1.0", 2.0]},
        EMBEDDING | {"from_text_hash": None},
        EMBEDDING | {"encoder_fingerprint": None},
        {key: value for key, value in EMBEDDING.items() if key != "encoder_fingerprint"},  # as the website stores it
    ],
)
def test_an_embedding_that_does_not_say_all_of_it_is_ignored(documents: Documents, embedding: Any) -> None:
    assert stored(documents, embedding) is None


def test_what_the_database_says_of_incidents_and_reports(documents: Documents) -> None:
    documents["incidents"][0]["date"] = "2020-01-02"
    documents["incidents"][1]["date"] = datetime(2020, 1, 3, tzinfo=UTC)
    documents["incidents"][2]["date"] = "in 2019"
    reports = documents["reports"]
    reports[0] |= {"title": "Ten", "url": "https://example.org/10", "date_published": datetime(2020, 1, 4, tzinfo=UTC)}
    reports[1] |= {"title": "Twenty", "url": None, "date_published": "2020-01-05T23:59:59.000Z"}
    reports[2] |= {"title": 21, "url": ["https://example.org/21"], "date_published": 1577836800}
    with server_of(documents) as server, open_mongo(server.uri, {}) as staged:
        assert metadata(staged) == {
            (1, "2020-01-03", ""): [
                (10, "Ten", "https://example.org/10", "2020-01-04"), (20, "Twenty", "", "2020-01-05"),
            ],
            (2, "2020-01-02", ""): [
                (20, "Twenty", "", "2020-01-05"), *((number, "", "", "") for number in (21, 22, 40, 41)),
            ],
            (3, "", ""): [],
        }  # fmt: skip
        assert staged_content(staged) == EXPECTED
        assert staged.notes == []


def test_a_date_that_no_calendar_has_does_not_cost_the_report(documents: Documents) -> None:
    """The BSON specification's dates are 64-bit milliseconds; JavaScript and Python end earlier."""
    documents["reports"][0]["date_published"] = DatetimeMS(2**62)
    with server_of(documents) as server, open_mongo(server.uri, {}) as staged:
        assert metadata(staged)[1, "", ""] == [(10, "", "", ""), (20, "", "", "")]
        assert staged_content(staged) == EXPECTED


@pytest.mark.parametrize(
    ("collection", "change", "message"),
    [
        ("incidents", {"incident_id": "2"}, "expected incident_id to be a whole number from 1 to 2^63 - 1, got '2'"),
        ("incidents", {"incident_id": 2.5}, "got 2.5"),
        ("incidents", {"incident_id": True}, "got True"),
        ("incidents", {"incident_id": 0}, "got 0"),
        ("incidents", {"incident_id": 1e30}, "a whole number from 1 to 2^63 - 1, got 1000000000"),
        ("duplicates", {"true_incident_number": 1e30}, "got 1000000000"),
        ("incidents", {"reports": [float("inf")]}, "expected a report number of an incident to be a whole number"),
        (
            "reports",
            {"report_number": None},
            "a whole number from 1 to 2^63 - 1, got None",
        ),
        ("reports", {"report_number": 20}, "expected every report once, got 20 twice"),
        ("duplicates", {"true_incident_number": None}, "expected true_incident_number to be a whole number"),
        ("duplicates", {"true_incident_number": 4}, "circle"),
    ],
)
def test_an_invalid_document_is_skipped_and_named(
    documents: Documents, collection: str, change: dict[str, Any], message: str
) -> None:
    documents[collection][0] |= change
    with server_of(documents) as server, open_mongo(server.uri, {}) as staged:
        (note,) = staged.notes
        assert len(list(staged.incidents())) >= 2
    assert message in note
    assert note.startswith(f"{mongo.SKIPPED} {collection}")


def test_the_databases_incidents_are_found_and_only_read(documents: Documents) -> None:
    with server_of(documents) as server:
        assert content(server.uri) == EXPECTED
    assert {next(iter(command)) for command in server.commands} == {"find", "getMore"}
    assert {command["$db"] for command in server.commands} == {"aiidprod"}
    finds = [command for command in server.commands if "find" in command]
    assert {command["find"]: command["projection"] for command in finds} == {
        "incidents": {"_id": False} | dict.fromkeys(("incident_id", "title", "reports", "date"), True),
        "reports": {"_id": False, "report_number": True, "text": True, "is_incident_report": True, "embedding": True}
        | dict.fromkeys(("title", "url", "date_published"), True),
        "duplicates": {"_id": False, "duplicate_incident_number": True, "true_incident_number": True},
    }
    assert all(command["filter"] == {} for command in finds)


def test_a_database_that_refuses_is_an_error(documents: Documents) -> None:
    message = "could not be read: OperationFailure: not authorized on aiidprod"
    with server_of(documents, unauthorized=True) as server, pytest.raises(OSError, match=message):
        content(server.uri)


def test_a_database_that_cannot_be_reached_is_an_error_without_the_password() -> None:
    uri = f"mongodb://editor:{SECRET}@127.0.0.1:9/?serverSelectionTimeoutMS=50"
    with pytest.raises(OSError, match=r"could not be read: ServerSelectionTimeoutError: 127\.0\.0\.1:9") as error:
        content(uri)
    assert SECRET not in str(error.value)


def test_a_damaged_character_does_not_cost_the_text(documents: Documents) -> None:
    with server_of(documents, damaged=b"*w20*") as server, open_mongo(server.uri, {}) as staged:
        assert [report.text for report in next(staged.incidents()).reports] == ["w10", "\ufffd" * 5]


# The URI


@pytest.mark.parametrize(
    ("place", "environment"),
    [
        ("", {"MONGODB_CONNECTION_STRING": "mongodb://{}"}),
        ("AIID_URI", {"AIID_URI": "mongodb://{}", "MONGODB_CONNECTION_STRING": "mongodb://elsewhere"}),
        ("mongodb://{}", {"MONGODB_CONNECTION_STRING": "mongodb://elsewhere"}),
    ],
)
def test_the_uri_comes_from_a_variable_or_is_given(
    documents: Documents, place: str, environment: dict[str, str]
) -> None:
    with server_of(documents) as server:
        address = server.uri.removeprefix("mongodb://")
        environment = {key: value.format(address) for key, value in environment.items()}
        with open_mongo(place.format(address), environment) as staged:
            assert [incident.incident_id for incident in staged.incidents()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("", "expected a MongoDB URI in the variable MONGODB_CONNECTION_STRING, which is not set"),
        ("AIID_URI", "expected a MongoDB URI in the variable AIID_URI, which is not set"),
        (f"//editor:{SECRET}@a.example", "in the variable MONGODB_CONNECTION_STRING, which is not set"),
        (f"mongodb://editor:{SECRET}@@a.example", "got one that is refused.*InvalidURI"),
        (f"mongodb://editor:{SECRET}@a.example:port", "expected a MongoDB URI, got one that is refused"),
        (f"http://editor:{SECRET}@a.example", "got one that is refused.*InvalidURI"),
    ],
)
def test_an_invalid_uri_is_refused_without_showing_it(place: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error, open_mongo(place, {}):
        pass
    assert SECRET not in str(error.value)
    assert error.value.__cause__ is None
