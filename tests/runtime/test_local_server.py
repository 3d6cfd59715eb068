"""The local server and the real Lambda runtime answer the same requests with the same bytes."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from incidents.http.routes import routes
from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from scripts.local.gateway import gateway
from support.servers.lambda_runtime import LambdaRuntime, lambda_runtime
from support.servers.server import Server, serve

EMBED = json.dumps([0.5, -0.25] * 16)

REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a text": ("POST", "/similar", {"json": {"text": "w6 w7", "num": -1}}),
    "a text as text/plain": (
        "POST",
        "/text-to-db-similar",
        {"content": '{"text": "é w6"}', "headers": {"content-type": "text/plain"}},
    ),
    "a text as a form, in base64": (
        "POST",
        "/similar",
        {"content": '{"text": "w8"}', "headers": {"content-type": "application/x-www-form-urlencoded"}},
    ),
    "a text in the query string": ("GET", "/similar", {"params": {"text": '"w7 ü"', "num": "x"}}),
    "the website's second step": ("POST", "/embed-to-db-similar", {"json": {"num": "3", "embed": EMBED}}),
    "bad input": ("POST", "/similar", {"json": {"embed": [1]}}),
    "a text that is too long": ("POST", "/similar", {"json": {"text": "w" * 200_001}}),
}


@pytest.fixture(scope="module")
def options(
    tiny_folder: Path, tiny_index: IncidentIndex, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    index = tmp_path_factory.mktemp("index") / "incident_cls.pt"
    save_index(replace(tiny_index, built_at="2100-01-01T00:00:00+00:00"), index)
    return tiny_folder, index


@pytest.fixture(scope="module")
def server(options: tuple[Path, Path]) -> Iterator[Server]:
    with serve("--model", options[0], "--index", options[1]) as server:
        yield server


@pytest.fixture(scope="module")
def runtime(options: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LambdaRuntime]:
    environment = {"MODEL_PATH": str(options[0]), "INDEX_PATH": str(options[1])}
    command = [sys.executable, "-m", "awslambdaric", "similar.handler"]
    with lambda_runtime(command, environment, tmp_path_factory.mktemp("log") / "log") as runtime:
        yield runtime


@pytest.mark.parametrize("name", REQUESTS)
def test_the_same_bytes(server: Server, runtime: LambdaRuntime, name: str) -> None:
    method, path, request = REQUESTS[name]
    served = httpx.request(method, server.url + path, **request)
    answer = json.loads(runtime.invoke(event_of(method, path, request)))
    assert served.content == answer["body"].encode()
    assert served.status_code == answer["statusCode"]
    assert served.headers["content-type"] == answer["headers"]["Content-Type"]


def event_of(method: str, path: str, request: dict[str, Any]) -> dict[str, Any]:
    """The event that the local server makes from a request."""
    events: list[dict[str, Any]] = []

    def keep(event: dict[str, Any], _: Any) -> dict[str, Any]:
        events.append(event)
        return {"statusCode": 200}

    TestClient(gateway(dict.fromkeys(routes(), keep), ())).request(method, path, **request)
    return events[0]
