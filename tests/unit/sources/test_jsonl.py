"""Incidents from JSON Lines."""

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.sources.jsonl import stage_json_lines
from scripts.sources.staging import StagedIncidents
from support.staged import Content, Metadata, content, metadata

PRIVATE = "what somebody wrote " * 100


def stage(path: Path) -> Content:
    with StagedIncidents("some") as staged:
        stage_json_lines(path, staged)
        return content(staged)


def metadata_of(path: Path, *incidents: dict[str, Any]) -> Metadata:
    path.write_text("\n".join(map(json.dumps, incidents)))
    with StagedIncidents("some") as staged:
        stage_json_lines(path, staged)
        return metadata(staged)


def test_json_lines(tmp_path: Path) -> None:
    lines = [
        {"incident_id": 9, "title": "Neun – ☃", "reports": [{"text": "w5"}, {"text": "w6", "kind": 1}], "domain": "…"},
        {"incident_id": 4, "title": "Four", "reports": []},
    ]
    path = tmp_path / "some.jsonl"
    path.write_text("\r\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    assert stage(path) == {(9, "Neun – ☃"): [(1, "w5"), (2, "w6")], (4, "Four"): []}


def test_what_a_file_says_of_incidents_and_reports(tmp_path: Path) -> None:
    first = {"text": "w5", "number": 12, "title": "A", "url": "https://example.org/a", "date": "2020-02-29T23:59:59Z"}
    second = {"text": "w6", "number": 7, "title": "", "date": ""}
    named = {"incident_id": 9, "title": "Nine", "date": "2020-02-28", "url": "https://example.org/9"}
    found = metadata_of(
        tmp_path / "some.jsonl",
        named | {"reports": [first, second]},
        {"incident_id": 10, "title": "Ten", "reports": [{"text": "w5", "title": "B\ud800"}, {"text": "w6"}]},
        {"incident_id": 11, "title": "Eleven", "reports": [{"text": "w5", "number": 12}]},
    )
    assert found == {
        (9, "2020-02-28", "https://example.org/9"): [
            (7, "", "", ""), (12, "A", "https://example.org/a", "2020-02-29"),
        ],
        (10, "", ""): [(1, "B", "", ""), (2, "", "", "")],
        (11, "", ""): [(12, "", "", "")],
    }  # fmt: skip


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
    ("fields", "message"),
    [
        ({"date": 20190701}, "expected date to be a string, got int"),
        ({"date": "1 July 2019"}, "expected date to be YYYY-MM-DD, got '1 July 2019'"),
        ({"date": "2019-02-29"}, "expected date to be YYYY-MM-DD, got '2019-02-29'"),
        ({"date": PRIVATE}, f"expected date to be YYYY-MM-DD, got a string of {len(PRIVATE)} characters"),
        ({"url": None}, "expected url to be a string, got NoneType"),
        ({"reports": [{"text": ""}, {"text": "", "title": 1}]}, "expected reports[1].title to be a string, got int"),
        ({"reports": [{"text": "", "url": [PRIVATE]}]}, "expected reports[0].url to be a string, got list"),
        ({"reports": [{"text": "", "date": {}}]}, "expected reports[0].date to be a string, got dict"),
        ({"reports": [{"text": "", "date": "2019"}]}, "expected reports[0].date to be YYYY-MM-DD, got '2019'"),
        ({"reports": [{"text": "", "number": "1"}]}, "expected reports[0].number to be a whole number, got str"),
        ({"reports": [{"text": "", "number": 1.0}]}, "expected reports[0].number to be a whole number, got float"),
        ({"reports": [{"text": "", "number": True}]}, "expected reports[0].number to be a whole number, got bool"),
        ({"reports": [{"text": "", "number": None}]}, "expected reports[0].number to be a whole number, got NoneType"),
        ({"reports": [{"text": "", "number": 0}]}, "a report of incident 1 to have a number from 1 to 2^63 - 1, got 0"),
        ({"reports": [{"text": "", "number": 2**63}]}, f"have a number from 1 to 2^63 - 1, got {2**63}"),
        ({"reports": [{"text": "", "number": 4}] * 2}, "of incident 1 to have its own number, got 4 twice"),
        (
            {"reports": [{"text": "", "number": 2}, {"text": ""}]},
            "expected a number in all reports or in none, got none in reports[1]",
        ),
    ],
)  # fmt: skip
def test_an_invalid_optional_field_is_named(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    valid = {"incident_id": 2, "title": "Two", "reports": []}
    with pytest.raises(ValueError, match=r"some\.jsonl, line 2: expected ") as refused:
        metadata_of(tmp_path / "some.jsonl", valid, {"incident_id": 1, "title": "One", "reports": []} | fields)
    assert message in str(refused.value)
    assert "somebody" not in str(refused.value)


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
