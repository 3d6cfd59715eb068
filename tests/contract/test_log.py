"""The traces of a request: one log line and metrics, never its text."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import embed
import similar
from incidents.index.incident_index import IncidentIndex
from incidents.model.encoder import Encoder
from incidents.store.current import IMAGE_FOLDER, current
from support.envelope import open_answer
from support.log import Log

pytestmark = pytest.mark.usefixtures("service")


class Context:
    aws_request_id = "a-request-id"


def http(**fields: Any) -> dict[str, Any]:
    return {"version": "2.0", "routeKey": "POST /similar", "body": json.dumps(fields)}


def emitted(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def errors(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The counts of errors in the metrics of one request."""
    (metrics,) = emitted(capsys)
    return {name: metrics[name] for name in ("ClientErrors", "ServerErrors", "Unavailable")}


def test_an_answer_is_one_log_line_with_its_measurements(log: Log) -> None:
    similar.handler(http(text="w6 " * 50), Context())
    (line,) = log.lines
    assert line["message"] == "answered"
    assert (line["route"], line["status"], line["request_id"]) == ("POST /similar", 200, "a-request-id")
    assert (line["tokens"], line["tokens_used"], line["repeated_text"]) == (52, 40, False)
    assert len(line["index_version"]) == 12
    steps = sum(line[step] for step in ("load_model_ms", "load_index_ms", "tokenize_ms", "encode_ms", "rank_ms"))
    assert 0 < steps <= line["duration_ms"]


def test_a_repeated_text_is_not_embedded_again(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    first = similar.handler(http(text="w6"), None)
    monkeypatch.setattr(current().encoder(), "transformer", None)  # calling it fails
    assert similar.handler(http(text=" w6\n"), None) == first
    assert embed.handler({"text": "w6"}, None)["statusCode"] == 200
    assert [line["repeated_text"] for line in log.lines] == [False, True, True]
    assert "encode_ms" not in log.lines[1]


def test_only_the_first_request_of_a_process_is_cold() -> None:
    program = "import page; print(*(page.handler({}, None)['statusCode'] for _ in range(3)))"
    environment = os.environ | {"PYTHONPATH": str(IMAGE_FOLDER)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["cold_start"] for line in lines] == [True, False, False]
    metrics = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [metric["ColdStarts"] for metric in metrics] == [[1.0], [0.0], [0.0]]


@pytest.mark.parametrize("route", [None, 5, "a private text", "POST /similar\nother", "POST /" + "a" * 99])
def test_an_event_without_a_valid_route_is_logged_as_direct(log: Log, route: Any) -> None:
    similar.handler({"routeKey": route, "text": "w6"}, None)
    assert log.lines[0]["route"] == "direct"


@pytest.mark.parametrize(
    "fields", [{"text": "private w6"}, {"text": ["private"]}, {"num": "private"}, {"embed": "private"}]
)
def test_input_is_not_logged(log: Log, capsys: pytest.CaptureFixture[str], fields: dict[str, Any]) -> None:
    similar.handler(http(**fields), None)
    assert len(log.lines) == 1
    assert "private" not in log.getvalue() + capsys.readouterr().out


def test_an_unexpected_error_is_answered_with_500_and_only_the_request_id(
    monkeypatch: pytest.MonkeyPatch, log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("/a/path")

    monkeypatch.setattr(Encoder, "encode", fail)
    status, body = open_answer(similar.handler({"text": "a private text"}, Context()))
    assert status == 500
    assert body["msg"] == "Unforeseen error; please report it with the request id a-request-id."
    error, answered = log.lines
    assert error["request_id"] == answered["request_id"] == "a-request-id"
    assert "/a/path" in error["exception"]
    assert answered["status"] == 500
    assert "a private text" not in log.getvalue()
    assert errors(capsys) == {"ClientErrors": [0.0], "ServerErrors": [1.0], "Unavailable": [0.0]}


def test_a_missing_file_is_logged_with_its_full_path(
    configure: Callable[..., None], tiny_folder: Path, tmp_path: Path, log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(MODEL_PATH=tiny_folder, INDEX_PATH=tmp_path / "nothing.pt")
    similar.handler({"text": "w6"}, None)
    warning, answered = log.lines
    assert (warning["level"], warning["path"]) == ("WARNING", str(tmp_path / "nothing.pt"))
    assert answered["status"] == 503
    assert errors(capsys) == {"ClientErrors": [0.0], "ServerErrors": [0.0], "Unavailable": [1.0]}


def test_metrics_are_in_cloudwatchs_embedded_format(
    capsys: pytest.CaptureFixture[str], tiny_index: IncidentIndex
) -> None:
    similar.handler(http(text="w6"), None)
    similar.handler(http(num="3"), None)
    answered, refused = emitted(capsys)
    (directive,) = answered["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("SimilarIncidents", [["service"]])
    assert answered["service"] == "similar-incidents"
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert units["EncodeDuration"] == units["Duration"] == "Milliseconds"
    assert (answered["Requests"], answered["ClientErrors"], answered["Tokens"]) == ([1.0], [0.0], [3.0])
    assert answered["IndexAgeSeconds"] == [pytest.approx(tiny_index.age_seconds, abs=60)]
    assert (refused["Requests"], refused["ClientErrors"]) == ([1.0], [1.0])
    assert "EncodeDuration" not in refused
