"""A running service answers its callers as the contract says."""

import json

from e2e.service import Service

TEXT = "A robotaxi struck a pedestrian and dragged her along the street."


def test_info_describes_the_encoder_and_the_index(service: Service) -> None:
    body = service.body("GET", "/info")
    assert body["warnings"] == []
    assert body["encoder"].keys() >= {"name", "revision"}
    assert body["index"].keys() >= {"incidents", "built_at"}


def test_the_websites_two_calls_find_the_incidents_of_the_text(service: Service) -> None:
    """The calls of the AI Incident Database's website, byte for byte."""
    embedding = service.body("POST", "/text-to-embed", content=json.dumps({"text": TEXT}))["embedding"]
    assert len(embedding["from_text_hash"]) == 40
    fields = {"num": "3", "embed": json.dumps(embedding["vector"])}
    message = service.body("POST", "/embed-to-db-similar", content=json.dumps(fields))["msg"]
    pairs = json.loads(message.replace("(", "[").replace(")", "]"))
    assert len(pairs) == 3
    assert pairs == sorted(pairs, reverse=True)
    by_text = service.body("GET", "/similar", params={"text": TEXT})["similar"]
    assert [match["incident_id"] for match in by_text] == [incident_id for _, incident_id in pairs]
    assert all({"title", "similarity"} <= match.keys() for match in by_text)


def test_invalid_input_is_refused(service: Service) -> None:
    assert "expected" in service.body("POST", "/similar", 400, json={})["msg"]
    service.body("POST", "/embed-to-db-similar", 400, json={"embed": [1, 2]})
    assert service.ask("GET", "/nothing").status_code == 404


def test_the_page_is_there(service: Service) -> None:
    answer = service.ask("GET", "/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
