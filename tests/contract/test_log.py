"""What a request leaves behind: one line in the log, metrics, and never its text."""

import io
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import embed
import similar
from incidents.http import log as request_log
from incidents.index.incident_index import IncidentIndex
from incidents.model.encoder import Encoder
from support.envelope import open_answer

pytestmark = pytest.mark.usefixtures("service")


class Context:
    aws_request_id = "a-request-id"


class Log(io.StringIO):
    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    stream = Log()
    monkeypatch.setattr(request_log.logger.registered_handler, "stream", stream)
    return stream


def http(**fields: Any) -> dict[str, Any]:
    return {"version": "2.0", "routeKey": "POST /similar", "body": json.dumps(fields)}


def emitted(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_an_answer_is_one_line_with_what_it_took(log: Log) -> None:
    similar.handler(http(text="w6 " * 50), Context())
    (line,) = log.lines
    assert line["message"] == "answered"
    assert (line["route"], line["status"], line["request_id"]) == ("POST /similar", 200, "a-request-id")
    assert (line["tokens"], line["tokens_used"], line["repeated_text"]) == (52, 40, False)
    assert len(line["index_version"]) == 12
    steps = sum(line[step] for step in ("load_model_ms", "load_index_ms", "tokenize_ms", "encode_ms", "rank_ms"))
    assert 0 < steps <= line["duration_ms"]


def test_a_text_that_was_just_embedded_is_not_embedded_again(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    first = similar.handler(http(text="w6"), None)
    monkeypatch.setattr(Encoder, "_embed", None)
    assert similar.handler(http(text=" w6\n"), None) == first
    assert embed.handler({"text": "w6"}, None)["statusCode"] == 200
    assert [line["repeated_text"] for line in log.lines] == [False, True, True]
    assert "encode_ms" not in log.lines[1]


def test_only_the_first_request_of_a_process_is_cold(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "_first_request", itertools.count())
    for _ in range(3):
        similar.handler(http(text="w6"), None)
    assert [line["cold_start"] for line in log.lines] == [True, False, False]


@pytest.mark.parametrize("route", [None, 5, "a private text", "POST /similar\nother", "POST /" + "a" * 99])
def test_an_event_without_a_known_form_of_route_is_direct(log: Log, route: Any) -> None:
    similar.handler({"routeKey": route, "text": "w6"}, None)
    assert log.lines[0]["route"] == "direct"


@pytest.mark.parametrize(
    "fields", [{"text": "private w6"}, {"text": ["private"]}, {"num": "private"}, {"embed": "private"}]
)
def test_what_callers_send_is_not_logged(log: Log, capsys: pytest.CaptureFixture[str], fields: dict[str, Any]) -> None:
    similar.handler(http(**fields), None)
    assert len(log.lines) == 1
    assert "private" not in log.getvalue() + capsys.readouterr().out


def test_what_is_unforeseen_is_answered_with_500_and_the_request_id_alone(
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
    assert emitted(capsys)[0]["ServerErrors"] == [1.0]


def test_what_is_missing_is_logged_with_its_whole_path(
    configure: Callable[..., None], tiny_folder: Path, tmp_path: Path, log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(MODEL_PATH=tiny_folder, INDEX_PATH=tmp_path / "nothing.pt")
    similar.handler({"text": "w6"}, None)
    warning, answered = log.lines
    assert (warning["level"], warning["path"]) == ("WARNING", str(tmp_path / "nothing.pt"))
    assert answered["status"] == 503
    assert emitted(capsys)[0]["Unavailable"] == [1.0]


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
