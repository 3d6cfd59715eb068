"""The service over real HTTP, as scripts/serve.py runs it."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from incidents.http.routes import routes
from incidents.index.encoder_info import EncoderInfo
from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from incidents.model.encoder import Encoder
from support.servers.server import REPOSITORY, Server, serve
from support.tiny import make_index

ROUTES = sorted(routes())
SIMILAR = [path for path, script in sorted(routes().items()) if script == "similar"]
EMBED = [path for path, script in sorted(routes().items()) if script == "embed"]
ORIGIN = "https://incidentdatabase.ai"


@pytest.fixture(scope="module")
def server(tiny_folder: Path, tiny_index: IncidentIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    index = tmp_path_factory.mktemp("index") / "incident_cls.pt"
    save_index(tiny_index, index)
    with serve("--model", tiny_folder, "--index", index) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def embedding(tiny_encoder: Encoder) -> list[float]:
    """The embedding of incident 60's text."""
    numbers: list[float] = tiny_encoder.encode("w6").vector.tolist()
    return numbers


def opened(response: httpx.Response) -> tuple[int, dict[str, Any]]:
    """Check the envelope in the HTTP body and return its status and body."""
    envelope = response.json()
    assert envelope["statusCode"] == response.status_code
    assert envelope["isBase64Encoded"] is False
    assert envelope["multiValueHeaders"] == {}
    for name, value in envelope["headers"].items():
        assert response.headers[name] == value
    assert response.headers["content-type"] == "application/json"
    return response.status_code, envelope["body"]


def first(response: httpx.Response) -> int:
    status, body = opened(response)
    assert status == 200, body["msg"]
    incident_id: int = body["similar"][0]["incident_id"]
    return incident_id


# The website


WEBSITE = """
async function ask(path, fields) {
  const response = await fetch(process.env.SERVICE + path, { method: "POST", body: JSON.stringify(fields) });
  return (await response.json()).body;
}
const { embedding } = await ask("/text-to-embed", { text: "w6" });
const body = await ask("/embed-to-db-similar", { num: "3", embed: JSON.stringify(embedding.vector) });
const similar = JSON.parse(body.msg.replace(/\\(/g, "[").replace(/\\)/g, "]"));
console.log(JSON.stringify({ hash: embedding.from_text_hash, width: embedding.vector.length, similar }));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="the website's call needs Node")
def test_the_website_gets_similar_incidents_in_two_steps(server: Server) -> None:
    command = ["node", "--input-type=module", "--eval", WEBSITE]
    done = subprocess.run(command, env=os.environ | {"SERVICE": server.url}, capture_output=True, check=True)
    found = json.loads(done.stdout)
    assert found["hash"] == hashlib.sha1(b"w6").hexdigest()
    assert found["width"] == 32
    assert len(found["similar"]) == 3
    assert found["similar"][0] == [pytest.approx(1.0), 60]
    assert found["similar"] == sorted(found["similar"], reverse=True)


# Every route and form of input


@pytest.mark.parametrize("path", SIMILAR)
def test_similar_takes_a_text_by_get_and_by_post(client: httpx.Client, path: str) -> None:
    assert first(client.get(path, params={"text": "w7"})) == 70
    assert first(client.get(f'{path}?text="w7"')) == 70
    assert first(client.post(path, json={"text": "w7"})) == 70
    assert first(client.post(path, params={"text": "w7"})) == 70
    status, body = opened(client.get(path, params={"text": "w7", "num": "-1"}))
    assert (status, len(body["similar"])) == (200, 4)


@pytest.mark.parametrize("path", SIMILAR)
def test_similar_takes_an_embedding_by_get_and_by_post(client: httpx.Client, path: str, embedding: list[float]) -> None:
    text = json.dumps(embedding)
    assert first(client.get(path, params={"embed": text})) == 60
    assert first(client.post(path, json={"embed": embedding})) == 60
    for _ in range(4):
        assert first(client.post(path, json={"embed": text})) == 60
        text = json.dumps(text)


@pytest.mark.parametrize("path", EMBED)
def test_embed_takes_a_text_by_get_and_by_post(client: httpx.Client, path: str, embedding: list[float]) -> None:
    for response in (client.get(path, params={"text": "w6"}), client.post(path, json={"text": "w6"})):
        status, body = opened(response)
        assert (status, body["msg"], response.json()["msg"]) == (200, "Success", "Success")
        assert body["embedding"]["vector"] == embedding


def test_info_answers_get_and_post(client: httpx.Client) -> None:
    for response in (client.get("/info"), client.post("/info"), client.post("/info", json={})):
        status, body = opened(response)
        assert (status, body["index"]["incidents"], body["encoder"]["width"]) == (200, 4, 32)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "text/plain;charset=UTF-8", "application/json", "application/x-www-form-urlencoded", None],
)
def test_a_body_is_read_as_json_with_any_content_type(client: httpx.Client, content_type: str | None) -> None:
    headers = {"content-type": content_type} if content_type else {}
    assert first(client.post("/similar", content='{"text": "w8 é"}', headers=headers)) == 80


@pytest.mark.parametrize("content_type", ["application/octet-stream", "text/plain"])
def test_a_body_that_is_not_utf_8_is_answered_with_400(client: httpx.Client, content_type: str) -> None:
    answer = client.post("/similar", content=b'{"text": "\xff"}', headers={"content-type": content_type})
    assert opened(answer)[0] == 400


def test_repeated_query_parameters_are_joined_as_api_gateway_does(client: httpx.Client) -> None:
    status, body = opened(client.get("/similar?num=1&num=2&text=w6"))
    assert status == 200
    assert body["warnings"] == ['Provided value for "num" invalid, using default of 3.']


# Errors


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("/similar", b"{}", "expected a `text` or an `embed`"),
        ("/similar", b"text=w6", "expected the body to be JSON, "),
        ("/text-to-db-similar", b'{"text": " \\n"}', "nothing remained after conversion to ASCII"),
        ("/embed-to-db-similar", b'{"embed": [1e999]}', "finite numbers only"),
        ("/embed", b'{"embed": [1]}', "expected a `text`"),
        ("/text-to-embed", b"", "expected a `text`"),
    ],
)
def test_bad_input_is_answered_with_400(client: httpx.Client, path: str, content: bytes, expected: str) -> None:
    """Samples; test_bad_input.py has every kind."""
    status, body = opened(client.post(path, content=content))
    assert status == 400
    assert expected in body["msg"]
    assert body["warnings"] == []


def test_missing_input_in_a_query_string_is_answered_with_400(client: httpx.Client) -> None:
    assert opened(client.get("/similar", params={"num": "2"}))[0] == opened(client.get("/embed"))[0] == 400


def test_oversized_input_is_answered_with_413(client: httpx.Client) -> None:
    assert opened(client.post("/similar", json={"text": "w" * 200_001}))[0] == 413
    assert opened(client.post("/embed", json={"text": "w6", "padding": " " * 3_000_000}))[0] == 413
    refused = client.post("/similar", content=b" " * (10 * 2**20 + 1))
    assert (refused.status_code, refused.json()) == (413, {"message": "Request Entity Too Large"})


def test_a_url_too_long_for_api_gateway_is_refused(client: httpx.Client) -> None:
    assert client.get("/similar", params={"text": "w" * 11_000}).status_code == 431


@pytest.mark.parametrize("path", ["/nothing", "/similar/", "/SIMILAR", "/similar.py", "/incidents"])
def test_an_unknown_route_is_answered_with_404(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD"])
@pytest.mark.parametrize("path", ROUTES)
def test_an_unknown_method_is_answered_with_405(client: httpx.Client, path: str, method: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


def test_without_a_usable_index_the_answer_is_503(tiny_folder: Path, tmp_path: Path, embedding: list[float]) -> None:
    path = tmp_path / "incident_cls.pt"
    path.write_bytes(b"PK")
    with serve("--model", tiny_folder, "--index", path) as server, httpx.Client(base_url=server.url) as client:
        for response in (client.get("/similar?text=w6"), client.post("/similar", json={"embed": embedding})):
            assert opened(response)[0] == 503
            assert int(response.headers["retry-after"]) > 0
        assert opened(client.get("/info"))[0] == 503
        assert opened(client.get("/embed?text=w6"))[0] == 200
        other = EncoderInfo("another", "2", "0" * 64, 32, 40)
        save_index(make_index({9: torch.ones(32)}, other), path)
        status, body = opened(client.get("/similar?text=w6"))
        assert status == 503
        assert "got one built with another 2" in body["msg"]
        assert str(tmp_path) not in body["msg"]
        assert opened(client.post("/similar", json={"embed": embedding}))[0] == 200


def test_without_a_model_the_answer_is_503(tiny_index: IncidentIndex, tmp_path: Path) -> None:
    save_index(tiny_index, tmp_path / "incident_cls.pt")
    with serve("--model", tmp_path) as server, httpx.Client(base_url=server.url) as client:
        for path in ("/similar", "/embed"):
            status, body = opened(client.get(path, params={"text": "w6"}))
            assert status == 503
            assert "model.safetensors: missing" in body["msg"]


# Browsers


def test_a_preflight_is_answered_as_configured(client: httpx.Client) -> None:
    headers = {"origin": ORIGIN, "access-control-request-method": "POST"}
    answer = client.options("/similar", headers=headers)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-methods"] == "GET,POST"
    assert answer.headers["access-control-allow-headers"] == "content-type,x-amz-date,authorization,x-api-key"


def test_only_configured_origins_may_read_an_answer(client: httpx.Client) -> None:
    known = client.get("/info", headers={"origin": ORIGIN})
    assert known.headers["access-control-allow-origin"] == ORIGIN
    for path in ("/info", "/nothing"):
        unknown = client.get(path, headers={"origin": "https://example.org"})
        assert not [name for name in unknown.headers if name.startswith("access-control")]


def test_the_page_loads_nothing_from_other_origins(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.text == (REPOSITORY / "inference" / "page.html").read_text()
    assert client.get("/page").text == page.text


def test_the_api_can_be_read_and_tried(client: httpx.Client) -> None:
    assert client.get("/openapi.json").json()["openapi"] == "3.1.0"
    docs = client.get("/docs")
    assert docs.status_code == 200
    for asset in ("swagger-ui/swagger-ui.css", "swagger-ui/swagger-ui-bundle.js"):
        assert asset in docs.text
        assert client.get(f"/{asset}").status_code == 200


# The process


def test_requests_are_logged_without_their_texts(server: Server, client: httpx.Client) -> None:
    client.post("/similar", json={"text": "w6 verysecret"})
    client.get("/similar?text=verysecret")
    assert '"POST /similar HTTP/1.1" 200' in server.output
    assert '"GET /similar HTTP/1.1" 200' in server.output
    assert '"route":"POST /similar"' in server.output
    assert "verysecret" not in server.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_server_cleanly(tiny_folder: Path, number: signal.Signals) -> None:
    with serve("--model", tiny_folder, "--index", tiny_folder / "config.json") as other:
        assert other.stop(number) == 0
        assert "Traceback" not in other.output


def test_cors_follows_the_stacks_setting(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ALLOW_ORIGINS", "https://example.org")
    with serve("--model", tiny_folder, "--index", tiny_folder / "config.json") as other:
        allowed = httpx.get(f"{other.url}/page", headers={"origin": "https://example.org"})
        assert allowed.headers["access-control-allow-origin"] == "https://example.org"
        assert "access-control-allow-origin" not in httpx.get(f"{other.url}/page", headers={"origin": ORIGIN}).headers
    monkeypatch.setenv("CORS_ALLOW_ORIGINS", "*")
    with (
        pytest.raises(AssertionError, match="expected CORS_ALLOW_ORIGINS to hold origins such as"),
        serve("--model", tiny_folder, "--index", tiny_folder / "config.json"),
    ):
        pass


def test_a_port_in_use_is_reported(server: Server, tiny_folder: Path) -> None:
    port = server.url.rsplit(":", 1)[1]
    with (
        pytest.raises(AssertionError, match="address already in use"),
        serve("--model", tiny_folder, "--index", tiny_folder / "config.json", "--port", port),
    ):
        pass
