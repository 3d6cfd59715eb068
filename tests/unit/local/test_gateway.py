"""The emulation of API Gateway: its events, its responses and its own refusals.

Requests are in-process here; tests/contract/test_http.py sends them over HTTP.
"""

import base64
from collections.abc import Callable
from time import sleep
from typing import Any

import pytest
from starlette.testclient import TestClient

from incidents.http import routes as declared
from scripts.local.gateway import Handler, gateway

ORIGIN = "https://incidentdatabase.ai"
Start = Callable[..., TestClient]


@pytest.fixture
def start() -> Start:
    def start(handler: Handler, **options: float) -> TestClient:
        return TestClient(gateway({"/similar": handler}, (ORIGIN,), **options), base_url="http://api.example.org")

    return start


@pytest.fixture
def events() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def client(start: Start, events: list[dict[str, Any]]) -> TestClient:
    """A service that keeps the events it gets."""

    def keep(event: dict[str, Any], context: Any) -> dict[str, Any]:
        assert event["requestContext"]["requestId"] == context.aws_request_id
        events.append(event)
        return {"statusCode": 200, "body": context.aws_request_id}

    return start(keep)


def test_an_event_has_the_fields_of_payload_format_2(client: TestClient, events: list[dict[str, Any]]) -> None:
    client.get("/similar?text=a+b&num=1&num=2", headers={"cookie": "one=1; two=2", "X-Own": "Value"})
    (event,) = events
    request_context = event.pop("requestContext")
    headers = event.pop("headers")
    assert event == {
        "version": "2.0",
        "routeKey": "GET /similar",
        "rawPath": "/similar",
        "rawQueryString": "text=a+b&num=1&num=2",
        "cookies": ["one=1", "two=2"],
        "queryStringParameters": {"text": "a b", "num": "1,2"},
        "isBase64Encoded": False,
    }
    assert headers["x-own"] == "Value"
    assert headers["x-forwarded-proto"] == "http"
    assert "cookie" not in headers
    assert request_context["http"]["method"] == "GET"
    assert request_context["http"]["path"] == "/similar"
    assert (request_context["stage"], request_context["routeKey"]) == ("$default", "GET /similar")
    assert request_context["domainName"] == "api.example.org"


@pytest.mark.parametrize("content_type", ["application/json", "text/plain; charset=utf-8", "TEXT/HTML"])
def test_a_text_comes_as_it_is(client: TestClient, events: list[dict[str, Any]], content_type: str) -> None:
    client.post("/similar", content="é".encode(), headers={"content-type": content_type})
    assert (events[0]["body"], events[0]["isBase64Encoded"]) == ("é", False)


@pytest.mark.parametrize("content_type", ["application/octet-stream", "application/x-www-form-urlencoded", ""])
def test_anything_else_comes_in_base64(client: TestClient, events: list[dict[str, Any]], content_type: str) -> None:
    client.post("/similar", content=b"\x00\xff", headers={"content-type": content_type})
    assert (base64.b64decode(events[0]["body"]), events[0]["isBase64Encoded"]) == (b"\x00\xff", True)


def test_an_empty_body_is_no_body(client: TestClient, events: list[dict[str, Any]]) -> None:
    client.post("/similar", content=b"")
    assert "body" not in events[0]


def test_an_answer_has_its_status_headers_cookies_and_decoded_body(start: Start) -> None:
    content = base64.b64encode(b"\x00\xff").decode()
    answer = {"statusCode": 201, "headers": {"X-Own": "Value"}, "cookies": ["a=1", "b=2"]}
    response = start(lambda *_: answer | {"body": content, "isBase64Encoded": True}).get("/similar")
    assert (response.status_code, response.content, response.headers["x-own"]) == (201, b"\x00\xff", "Value")
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert response.headers["content-type"] == "text/plain;charset=UTF-8"


@pytest.mark.parametrize(
    ("answer", "body"), [({"a": 1}, b'{"a": 1}'), ("text", b"text"), ([1], b"[1]"), (None, b"null")]
)
def test_an_answer_without_a_status_is_the_body(start: Start, answer: Any, body: bytes) -> None:
    response = start(lambda *_: answer).get("/similar")
    assert (response.status_code, response.content) == (200, body)
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "many"},
        {"statusCode": 1000},
        {"statusCode": True},
        {"statusCode": 200, "headers": {"x-own": "a\nb"}},
        {"statusCode": 200, "headers": {"x own": "a"}},
        {"statusCode": 200, "cookies": "ab"},
        {"statusCode": 200, "body": {"msg": "an object"}},
        {"statusCode": 200, "body": "not base64", "isBase64Encoded": True},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "body": {1, 2}},
    ],
)
def test_an_answer_that_breaks_the_proxy_format_is_an_internal_error(start: Start, answer: Any) -> None:
    response = start(lambda *_: answer).get("/similar", headers={"origin": ORIGIN})
    assert (response.status_code, response.json()) == (500, {"message": "Internal Server Error"})
    assert response.headers["access-control-allow-origin"] == ORIGIN


def test_a_handler_that_raises_is_an_internal_error(start: Start) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret")

    response = start(fail).get("/similar")
    assert (response.status_code, response.json()) == (500, {"message": "Internal Server Error"})


def test_a_handler_that_runs_out_of_time_is_answered_with_503(start: Start) -> None:
    response = start(lambda *_: sleep(0.5), timeout_seconds=0.05).get("/similar")
    assert (response.status_code, response.json()) == (503, {"message": "Service Unavailable"})


def test_a_request_waits_for_one_that_ran_out_of_time(start: Start) -> None:
    running, most = 0, 0

    def slow(*_: object) -> dict[str, Any]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        sleep(0.2)
        running -= 1
        return {"statusCode": 200}

    client = start(slow, timeout_seconds=0.05)
    assert [client.get("/similar").status_code for _ in range(3)] == [503, 503, 503]
    sleep(0.7)
    assert (running, most) == (0, 1)


def test_an_event_over_lambdas_limit_is_refused(client: TestClient, events: list[dict[str, Any]]) -> None:
    response = client.post("/similar", content=b"x" * (6 * 2**20))
    assert (response.status_code, response.json()) == (413, {"message": "Request Entity Too Large"})
    assert events == []


def test_the_content_length_of_an_answer_is_ignored(start: Start) -> None:
    answer = {"statusCode": 200, "headers": {"Content-Length": "1"}, "body": "four"}
    assert start(lambda *_: answer).get("/similar").text == "four"


def test_every_response_has_the_id_of_its_request(client: TestClient, events: list[dict[str, Any]]) -> None:
    response = client.get("/similar")
    assert response.headers["apigw-requestid"] == events[0]["requestContext"]["requestId"]
    preflight = client.options("/similar", headers={"origin": ORIGIN, "access-control-request-method": "POST"})
    for other in (client.get("/nothing"), client.delete("/similar"), preflight):
        assert other.headers["apigw-requestid"] != response.headers["apigw-requestid"]


@pytest.mark.parametrize("path", ["/nothing", "/similar/", "/SIMILAR", "/"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_an_unknown_path_is_not_found(client: TestClient, method: str, path: str) -> None:
    response = client.request(method, path, follow_redirects=False)
    assert (response.status_code, response.json()) == (404, {"message": "Not Found"})


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_another_method_is_not_allowed(client: TestClient, events: list[dict[str, Any]], method: str) -> None:
    response = client.request(method, "/similar")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
    if method != "HEAD":
        assert response.json() == {"message": "Method Not Allowed"}
    assert events == []


def test_long_headers_are_refused(client: TestClient) -> None:
    response = client.get("/similar", headers={"x-own": "x" * 11_000})
    assert (response.status_code, response.json()) == (431, {"message": "Request Header Fields Too Large"})


def test_each_script_has_a_route(tmp_path: Any) -> None:
    for script in ("b.py", "a.py", "page.py", "similar.py", "embed.py", "notes.txt"):
        (tmp_path / script).touch()
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "c.py").touch()
    assert declared.script_names(tmp_path) == ["a", "b", "embed", "page", "similar"]
    assert declared.routes(tmp_path)["/a"] == "a"
    (tmp_path / "page.py").unlink()
    with pytest.raises(ValueError, match=r"got none for .*page"):
        declared.routes(tmp_path)
