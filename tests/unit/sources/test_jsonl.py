"""Incidents from JSON Lines."""

import json
from pathlib import Path

import pytest

from scripts.sources.jsonl import stage_json_lines
from scripts.sources.staging import StagedIncidents
from support.staged import Content, content

PRIVATE = "what somebody wrote " * 100


def stage(path: Path) -> Content:
    with StagedIncidents("some") as staged:
        stage_json_lines(path, staged)
        return content(staged)


def test_json_lines(tmp_path: Path) -> None:
    lines = [
        {"incident_id": 9, "title": "Neun – ☃", "reports": [{"text": "w5"}, {"text": "w6", "url": "…"}], "date": "…"},
        {"incident_id": 4, "title": "Four", "reports": []},
    ]
    path = tmp_path / "some.jsonl"
    path.write_text("\r\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    assert stage(path) == {(9, "Neun – ☃"): [(1, "w5"), (2, "w6")], (4, "Four"): []}


def test_an_incident_on_two_lines_is_refused(tmp_path: Path) -> None:
    line = '{"incident_id": 2, "title": "Two", "reports": [{"text": "w5"}]}\n'
    (tmp_path / "some.jsonl").write_text(line * 2)
    with pytest.raises(ValueError, match="expected every incident once, got 2 twice"):
        stage(tmp_path / "some.jsonl")


def test_lone_surrogates_are_removed(tmp_path: Path) -> None:
    (tmp_path / "some.jsonl").write_text(
        '{"incident_id": 1, "title": "a\\ud800 \\ud83d\\ude00", "reports": [{"text": "b\\udc00"}]}'
    )
    assert stage(tmp_path / "some.jsonl") == {(1, "a \N{GRINNING FACE}"): [(1, "b")]}


@pytest.mark.parametrize(
    "line",
    [
        b"", b"[]", b"{", b'"text"', b"\xff", b"[" * 100_000,
        b'{"incident_id": "1", "title": "One", "reports": []}',
        b'{"incident_id": 0, "title": "One", "reports": []}',
        b'{"incident_id": 99999999999999999999, "title": "One", "reports": []}',
        b'{"incident_id": true, "title": "One", "reports": []}',
        b'{"incident_id": 1, "title": 1, "reports": []}',
        b'{"incident_id": 1, "title": "One", "reports": ["a text"]}',
        b'{"incident_id": 1, "title": "One", "reports": [{"text": null}]}',
        b'{"incident_id": 1, "title": "One"}',
    ],
)  # fmt: skip
def test_an_invalid_line_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "some.jsonl"
    path.write_bytes(b'{"incident_id": 2, "title": "Two", "reports": []}\n' + line + b"\n")
    with pytest.raises(ValueError, match="line 2: expected an object with incident_id"):
        stage(path)


@pytest.mark.parametrize(
    "line",
    [
        b'{"text": "' + PRIVATE.encode() + b'\xff"}',
        json.dumps({"incident_id": PRIVATE}).encode(),
        json.dumps({"incident_id": PRIVATE, "title": "", "reports": []}).encode(),
    ],
)
def test_a_text_in_the_wrong_place_is_not_shown(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "some.jsonl").write_bytes(line)
    with pytest.raises(ValueError, match=r"some\.jsonl, line 1") as refused:
        stage(tmp_path / "some.jsonl")
    assert "somebody wrote what" not in str(refused.value)
