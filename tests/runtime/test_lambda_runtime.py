"""The handlers answer the same bytes under the real Lambda runtime as in this process."""

import base64
import importlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from incidents.http.routes import script_names
from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from support.servers.lambda_runtime import LARGEST_EVENT, PATIENCE_SECONDS, LambdaRuntime, lambda_runtime

RuntimeOf = Callable[[str], LambdaRuntime]
"""The running runtime of a Lambda script, started on first use."""

FUTURE = "2100-01-01T00:00:00+00:00"
"""The index's built_at; in the future, so that its age is always 0 seconds."""


def http_event(method: str, path: str, *, body: str | None = None, query: dict[str, str] | None = None) -> Any:
    """The event of an HTTP API, in payload format 2.0; its body is in base64."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "&".join(f"{key}={value}" for key, value in (query or {}).items()),
        "headers": {"content-type": "application/json", "host": "localhost"},
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": "127.0.0.1"}, "stage": "$default"},
        "isBase64Encoded": body is not None,
    }
    if query is not None:
        event["queryStringParameters"] = query
    if body is not None:
        event["body"] = base64.b64encode(body.encode()).decode()
    return event


def padded(fields: dict[str, str], size: int) -> dict[str, str]:
    """The fields and an unused one that makes the event `size` bytes long."""
    return fields | {"padding": "x" * (size - len(json.dumps(fields | {"padding": ""})))}


EMBED = [0.5, -0.25] * 16

EVENTS: dict[str, tuple[str, int, Any]] = {
    "a text": ("similar", 200, {"text": "w6 w7", "num": 2}),
    "a text in another script": ("similar", 200, {"text": "ẃ6 “w7” и"}),
    "a text past the token limit": ("similar", 200, {"text": "w6 " * 50}),
    "an embedding": ("similar", 200, {"embed": EMBED, "num": -1}),
    "a quoted embedding": ("similar", 200, {"embed": json.dumps(json.dumps(EMBED)), "num": "1"}),
    "a posted text": ("similar", 200, http_event("POST", "/similar", body='{"text": "w8 ẃ5"}')),
    "a text in the query string": ("similar", 200, http_event("GET", "/similar", query={"text": '"w5"', "num": "x"})),
    "null": ("similar", 400, None),
    "a body that is not JSON": ("similar", 400, http_event("POST", "/similar", body='{"text": ')),
    "an embedding of another width": ("similar", 400, {"embed": EMBED[1:]}),
    "the longest text": ("similar", 200, {"text": "w6 " * 66_666}),
    "a text that is too long": ("similar", 413, {"text": "w6 " * 66_667}),
    "the largest event": ("similar", 200, padded({"text": "w7"}, LARGEST_EVENT)),
    "the largest body": ("similar", 413, http_event("POST", "/similar", body="x" * (LARGEST_EVENT * 3 // 4 - 1000))),
    "a text to embed": ("embed", 200, {"text": "w6 ẃ7 "}),
    "a posted text to embed": ("embed", 200, http_event("POST", "/text-to-embed", body='{"text": "w8"}')),
    "nothing to embed": ("embed", 400, http_event("GET", "/embed", query={})),
    "a question about the service": ("info", 200, http_event("GET", "/info")),
    "the page": ("page", 200, http_event("GET", "/")),
}


@pytest.fixture(scope="module")
def environment(
    tiny_folder: Path, tiny_index: IncidentIndex, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    index = tmp_path_factory.mktemp("index") / "incident_cls.pt"
    save_index(replace(tiny_index, built_at=FUTURE), index)
    # By the emulator's 3,008 MB, the runtime would use another number of threads than this process.
    return {"MODEL_PATH": str(tiny_folder), "INDEX_PATH": str(index), "ENCODER_THREADS": "1"}


@pytest.fixture(scope="module")
def runtime_of(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeOf]:
    with ExitStack() as running:

        @cache
        def start(script: str) -> LambdaRuntime:
            log = tmp_path_factory.mktemp(script) / "log"
            return running.enter_context(lambda_runtime(command(script), environment, log))

        yield start


def command(script: str) -> list[str]:
    return [sys.executable, "-m", "awslambdaric", f"{script}.handler"]


@pytest.mark.parametrize("name", EVENTS)
def test_the_answer_is_the_same_as_the_handlers(
    runtime_of: RuntimeOf, configure: Callable[..., None], environment: dict[str, str], name: str
) -> None:
    script, status, event = EVENTS[name]
    configure(**environment)
    expected = importlib.import_module(script).handler(event, None)
    assert expected["statusCode"] == status
    assert runtime_of(script).invoke(event) == json.dumps(expected).encode()


def test_every_script_is_invoked() -> None:
    assert {script for script, _, _ in EVENTS.values()} == set(script_names())


def test_the_largest_event_has_lambdas_maximum_size() -> None:
    assert len(json.dumps(EVENTS["the largest event"][2])) == LARGEST_EVENT == 6_291_456
    assert len(json.dumps(EVENTS["the largest body"][2])) < LARGEST_EVENT


def test_one_cold_start_is_logged_and_no_text(environment: dict[str, str], tmp_path: Path) -> None:
    with lambda_runtime(command("similar"), environment, tmp_path / "log") as runtime:
        for _ in range(2):
            runtime.invoke({"text": "w6 private"})
        runtime.invoke({"text": ["private"]})
    log = (tmp_path / "log").read_text()
    assert re.findall(r'"cold_start": ?(true|false)', log) == ["true", "false", "false"]
    assert "private" not in log


def test_no_process_is_left_at_the_end(environment: dict[str, str], tmp_path: Path) -> None:
    with lambda_runtime(command("page"), environment, tmp_path / "log") as runtime:
        runtime.invoke({})
        processes = runtime.processes()
        assert len(processes) == 2
        assert all(Path(f"/proc/{pid}").exists() for pid in processes)
    assert not any(Path(f"/proc/{pid}").exists() for pid in processes)


def test_no_process_is_left_when_the_tests_are_killed(environment: dict[str, str], tmp_path: Path) -> None:
    script = f"""
import os
from pathlib import Path
from support.servers.lambda_runtime import lambda_runtime

with lambda_runtime({command("page")}, {environment}, Path({str(tmp_path / "log")!r})) as runtime:
    runtime.invoke({{}})
    print(*runtime.processes(), flush=True)
    os.kill(os.getpid(), 9)
"""
    path = {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    killed = subprocess.run([sys.executable, "-c", script], env=path, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    processes = [Path(f"/proc/{pid}") for pid in killed.stdout.split()]
    assert len(processes) == 2
    end = time.monotonic() + PATIENCE_SECONDS
    while any(process.exists() for process in processes) and time.monotonic() < end:
        time.sleep(0.01)
    assert not any(process.exists() for process in processes)


def test_the_error_of_an_emulator_that_fails_to_start_has_its_log(environment: dict[str, str], tmp_path: Path) -> None:
    failing = ["sh", "-c", "echo no such thing; exit 3", "--"]
    with (
        pytest.raises(AssertionError, match="no such thing"),
        lambda_runtime(command("page"), environment, tmp_path / "log", launcher=failing),
    ):
        raise RuntimeError("the block must not run")


def test_how_long_a_cold_start_takes(
    environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = time.perf_counter()
    with lambda_runtime(command("similar"), environment, tmp_path / "log") as runtime:
        runtime.invoke({"text": "w6"})
        first = time.perf_counter() - start
        start = time.perf_counter()
        runtime.invoke({"text": "w7"})
        second = time.perf_counter() - start
    with capsys.disabled():
        print(f"\nfirst answer after {first:.2f} s, the next after {second * 1000:.1f} ms, with a tiny model")
