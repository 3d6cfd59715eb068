"""The database itself: what a real client reads from a server that is mongomock behind a socket."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch

from incidents.model.encoder import Encoder
from incidents.model.text import text_hash
from scripts.sources import mongo
from scripts.sources.mongo import open_mongo
from support.mongo_server import MongoServer, serving

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


def content(uri: str, encoder: Encoder) -> dict[int, tuple[str, list[tuple[int, str]]]]:
    with open_mongo(uri, encoder, {}) as staged:
        return {
            incident.incident_id: (
                incident.title,
                [(report.number, report.left_out or report.text) for report in staged.reports(incident)],
            )
            for incident in staged.incidents()
        }


MISSING, ISSUE = "it is listed, but not there", "it reports on an issue, not on an incident"
EXPECTED = {
    1: ("One", [(10, "w10"), (20, "*w20*")]),
    2: ("Two", [(20, "*w20*"), (21, ISSUE), (22, MISSING), (40, ""), (41, MISSING)]),
    3: ("", []),
}


def embedding(encoder: Encoder, text: str, **changes: Any) -> dict[str, Any]:
    vector = [float(n) / 3 for n in range(encoder.width)]
    fields = {"vector": vector, "from_text_hash": text_hash(text), "encoder_fingerprint": encoder.fingerprint}
    return fields | changes


def stored(documents: Documents, encoder: Encoder) -> torch.Tensor | None:
    with server_of(documents) as server, open_mongo(server.uri, encoder, {}) as staged:
        incident = next(incident for incident in staged.incidents() if incident.incident_id == 1)
        return list(staged.reports(incident))[1].vector


def test_a_vector_of_this_encoder_and_this_text_is_taken_over(documents: Documents, tiny_encoder: Encoder) -> None:
    documents["reports"][1]["embedding"] = embedding(tiny_encoder, "w20")
    vector = stored(documents, tiny_encoder)
    assert vector is not None
    assert torch.equal(vector, torch.tensor([float(n) / 3 for n in range(32)]))


@pytest.mark.parametrize(
    "change",
    [
        lambda _: {"from_text_hash": text_hash("*w20*")},
        lambda _: {"from_text_hash": text_hash("w21")},
        lambda _: {"from_text_hash": None},
        lambda _: {"encoder_fingerprint": "0" * 64},
        lambda _: {"encoder_fingerprint": None},  # as the website stores it
        lambda fields: {"vector": fields["vector"][1:]},
        lambda fields: {"vector": [float("nan"), *fields["vector"][1:]]},
        lambda fields: {"vector": ["1.0", *fields["vector"][1:]]},
        lambda _: {"vector": None},
        lambda fields: {"vector": [1e300, *fields["vector"][1:]]},  # more than 32 bits can hold
        lambda fields: {"vector": [0.0] * len(fields["vector"])},
    ],
)
def test_any_other_vector_is_not(
    documents: Documents, tiny_encoder: Encoder, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    fields = embedding(tiny_encoder, "w20")
    documents["reports"][1]["embedding"] = fields | change(fields)
    assert stored(documents, tiny_encoder) is None


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
def test_a_document_of_another_kind_is_left_out_and_named(
    documents: Documents, tiny_encoder: Encoder, collection: str, change: dict[str, Any], message: str
) -> None:
    documents[collection][0] |= change
    with server_of(documents) as server, open_mongo(server.uri, tiny_encoder, {}) as staged:
        (note,) = staged.notes
        assert len(list(staged.incidents())) >= 2
    assert message in note
    assert note.startswith(f"{mongo.LEFT_OUT} {collection}")


def test_the_databases_incidents_are_found_and_only_read(documents: Documents, tiny_encoder: Encoder) -> None:
    with server_of(documents) as server:
        assert content(server.uri, tiny_encoder) == EXPECTED
    assert {next(iter(command)) for command in server.commands} == {"find", "getMore"}
    assert {command["$db"] for command in server.commands} == {"aiidprod"}
    finds = [command for command in server.commands if "find" in command]
    assert {command["find"]: command["projection"] for command in finds} == {
        "incidents": {"_id": False, "incident_id": True, "title": True, "reports": True},
        "reports": {"_id": False, "report_number": True, "text": True, "is_incident_report": True, "embedding": True},
        "duplicates": {"_id": False, "duplicate_incident_number": True, "true_incident_number": True},
    }
    assert all(command["filter"] == {} for command in finds)


def test_a_database_that_refuses_is_an_error(documents: Documents, tiny_encoder: Encoder) -> None:
    message = "could not be read: OperationFailure: not authorized on aiidprod"
    with server_of(documents, unauthorized=True) as server, pytest.raises(OSError, match=message):
        content(server.uri, tiny_encoder)


def test_a_database_that_cannot_be_reached_is_an_error_without_the_password(tiny_encoder: Encoder) -> None:
    uri = f"mongodb://editor:{SECRET}@127.0.0.1:9/?serverSelectionTimeoutMS=50"
    with pytest.raises(OSError, match=r"could not be read: ServerSelectionTimeoutError: 127\.0\.0\.1:9") as error:
        content(uri, tiny_encoder)
    assert SECRET not in str(error.value)


def test_what_is_no_embedding_is_as_good_as_none(documents: Documents, tiny_encoder: Encoder) -> None:
    documents["reports"][1]["embedding"] = [1]
    with server_of(documents) as server:
        assert content(server.uri, tiny_encoder) == EXPECTED


def test_a_damaged_character_does_not_cost_the_text(documents: Documents, tiny_encoder: Encoder) -> None:
    with server_of(documents, damaged=b"*w20*") as server, open_mongo(server.uri, tiny_encoder, {}) as staged:
        incident = next(staged.incidents())
        assert [report.text for report in staged.reports(incident)] == ["w10", "\ufffd" * 5]


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
    documents: Documents, tiny_encoder: Encoder, place: str, environment: dict[str, str]
) -> None:
    with server_of(documents) as server:
        address = server.uri.removeprefix("mongodb://")
        environment = {key: value.format(address) for key, value in environment.items()}
        with open_mongo(place.format(address), tiny_encoder, environment) as staged:
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
def test_a_uri_that_is_none_is_refused_without_showing_it(tiny_encoder: Encoder, place: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error, open_mongo(place, tiny_encoder, {}):
        pass
    assert SECRET not in str(error.value)
    assert error.value.__cause__ is None
