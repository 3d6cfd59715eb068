"""CORS on the local server: API Gateway's headers, for the origins in CORS_ALLOW_ORIGINS."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from scripts.local.cors import read_origins
from scripts.local.gateway import gateway

ORIGIN = "https://incidentdatabase.ai"


@pytest.fixture
def client() -> TestClient:
    return TestClient(gateway({"/similar": lambda *_: {"statusCode": 200}}, (ORIGIN,)))


def cors_headers(response: Any) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("access-control")}


@pytest.mark.parametrize("path", ["/similar", "/nothing"])
def test_a_preflight_lists_what_a_known_origin_may_send(client: TestClient, path: str) -> None:
    asked = {"access-control-request-method": "PUT", "access-control-request-headers": "x-own"}
    response = client.options(path, headers={"origin": ORIGIN} | asked)
    assert (response.status_code, response.content, response.headers["vary"].lower()) == (204, b"", "origin")
    assert cors_headers(response) == {
        "access-control-allow-origin": ORIGIN,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET,POST",
        "access-control-allow-headers": "content-type,x-amz-date,authorization,x-api-key",
    }


def test_an_unknown_origin_gets_no_permission(client: TestClient) -> None:
    unknown = {"origin": "https://example.org"}
    preflight = client.options("/similar", headers=unknown | {"access-control-request-method": "POST"})
    assert (preflight.status_code, cors_headers(preflight)) == (204, {})
    for response in (client.get("/similar", headers=unknown), client.get("/similar")):
        assert (response.status_code, cors_headers(response)) == (200, {})


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/similar", 200), ("GET", "/nothing", 404), ("PUT", "/similar", 405)]
)
def test_a_known_origin_may_read_every_response(client: TestClient, method: str, path: str, status: int) -> None:
    response = client.request(method, path, headers={"origin": ORIGIN})
    assert response.status_code == status
    assert response.headers["vary"].lower() == "origin"
    assert cors_headers(response) == {
        "access-control-allow-origin": ORIGIN,
        "access-control-allow-credentials": "true",
    }


def test_origins_come_from_the_environment() -> None:
    default = ("http://localhost:3000", "https://incidentdatabase.ai")
    assert read_origins({}) == read_origins({"CORS_ALLOW_ORIGINS": ""}) == default
    assert read_origins({"CORS_ALLOW_ORIGINS": "https://a.org, http://b.org:80"}) == (
        "https://a.org",
        "http://b.org:80",
    )


@pytest.mark.parametrize(
    "origins", ["*", "https://a.org/", "https://A.org", "a.org", "https://a.org,", "https://a\n.org"]
)
def test_an_invalid_origin_is_refused(origins: str) -> None:
    with pytest.raises(ValueError, match="expected CORS_ALLOW_ORIGINS to hold origins such as"):
        read_origins({"CORS_ALLOW_ORIGINS": origins})
