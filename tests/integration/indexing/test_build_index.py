"""Building indexes, through the command line's own main."""

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidents.index.encoder_info import EncoderInfo
from incidents.index.file import load_index, save_index
from incidents.model.encoder import Encoder
from scripts import build_index
from scripts.sources import spec
from support.build_output import answer

Command = Callable[..., int]


def test_an_incidents_vector_is_the_plain_mean_of_its_reports(
    build: Command, source: Callable[..., str], tiny_encoder: Encoder, tmp_path: Path
) -> None:
    texts = {9: ["w5 w6 w7", " ", "w8", "**w10**"], 4: ["w9"], 5: ["\u200b"], 7: []}
    assert build("--source", source(texts)) == 0
    index = load_index(tmp_path / "incident_cls.pt")
    assert (index.ids.tolist(), index.report_counts.tolist()) == ([4, 9], [1, 3])
    assert index.titles == ["Incident 4", "Incident 9"]
    mean = sum(tiny_encoder.encode(text).vector for text in ("w5 w6 w7", "w8", "w10")) / 3
    assert (index.vectors[1] - mean).abs().max() <= 1e-6
    assert (index.vectors[0] - tiny_encoder.encode("w9").vector).abs().max() <= 1e-6
    assert (index.source, index.built_at) == ("jsonl:some.jsonl", "2026-01-02T03:04:05+00:00")
    assert index.encoder == EncoderInfo(tiny_encoder.name, "", tiny_encoder.fingerprint, 32, 40)


def test_what_was_done_is_counted_and_what_was_skipped_listed(
    build: Command, source: Callable[..., str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    texts = {9: ["w5", " ", "w6"], 4: ["w5", "w7 " * 50], 7: [], 8: ["---"]}
    assert build("--source", source(texts), "--json") == 0
    counts = ("incidents", "reports", "new", "reused", "truncated", "pruned")
    first = answer(capsys)
    assert [first[count] for count in counts] == [2, 4, 3, 1, 1, 0]
    assert first["skipped"] == [
        {"incident_id": 7, "report": 0, "reason": "none of its reports can be used"},
        {"incident_id": 8, "report": 0, "reason": "none of its reports can be used"},
        {"incident_id": 8, "report": 1, "reason": "it has no text"},
        {"incident_id": 9, "report": 2, "reason": "it has no text"},
    ]
    assert (first["path"], first["source"]) == (str(tmp_path / "incident_cls.pt"), "jsonl:some.jsonl")

    assert build("--source", source({9: ["w5", "w6"], 4: ["w8"]}), "--json", "--prune") == 0
    second = answer(capsys)
    assert [second[count] for count in counts] == [2, 3, 1, 2, 0, 1]
    assert second["skipped"] == []

    assert build("--source", source(texts)) == 0
    printed = capsys.readouterr()
    assert [line.split() for line in printed.out.splitlines() if "2  " in line] == [["2", "4", "1", "3", "4", "1"]]
    assert "Skipped incident 9, report 2: it has no text\n" in printed.out
    assert "Skipped incident 7: none of its reports can be used\n" in printed.out


def test_without_a_cache_everything_is_embedded_again(
    build: Command, source: Callable[..., str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    spec = source({9: ["w5", "w6"]})
    for _ in range(2):
        assert build("--source", spec, "--no-cache", "--json") == 0
        assert answer(capsys)["new"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["incident_cls.pt", "some.jsonl"]


def test_a_long_list_is_cut_on_the_screen(
    build: Command, source: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert build("--source", source({n: ["" if n > 1 else "w5"] for n in range(1, 30)})) == 0
    printed = capsys.readouterr().out
    assert printed.count("Skipped incident") == 20
    assert "Skipped 36 more; --json lists all\n" in printed


TEXTS = st.sampled_from(["w5", "w6 w7", "**w6** w7", "w8 " * 60, " ", "w9 w10 w11", "w12", "W5 unknown"])
STATES = st.lists(
    st.dictionaries(st.integers(1, 6), st.lists(TEXTS, max_size=4), max_size=6), min_size=1, max_size=4
)  # reports that were changed, added, removed or moved, incidents likewise


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=STATES, workers=st.integers(1, 3))
def test_after_any_edits_the_file_is_that_of_a_build_from_nothing(
    build: Command, source: Callable[..., str], tmp_path: Path, states: list[dict[int, list[str]]], workers: int
) -> None:
    for state in states:
        spec = source(state)
        (tmp_path / "incident_cls.pt").write_text("the old one")
        status = build("--source", spec, f"--workers={workers}")
        assert build("--source", spec, "--no-cache", "--output", tmp_path / "again.pt") == status
        usable = any(text.strip() for texts in state.values() for text in texts)
        assert status == (0 if usable else 1)
        if usable:
            assert (tmp_path / "incident_cls.pt").read_bytes() == (tmp_path / "again.pt").read_bytes()
        else:
            assert (tmp_path / "incident_cls.pt").read_text() == "the old one"


def test_only_the_time_differs_between_two_builds(
    build: Command, source: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    spec = source({9: ["w5"]})
    indexes = []
    for name in ("first.pt", "second.pt"):
        assert build("--source", spec, "--output", tmp_path / name) == 0
        indexes.append(dataclasses.replace(load_index(tmp_path / name), built_at="2026-01-02T03:04:05+00:00"))
        save_index(indexes[-1], tmp_path / name)
    assert (tmp_path / "first.pt").read_bytes() == (tmp_path / "second.pt").read_bytes()


def test_vectors_of_texts_that_were_computed_together_are_kept_apart(
    build: Command, source: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = source({n: ["w5 " * n, "w6 w7 " * n] for n in range(1, 9)})
    found = []
    for options in (["--batch", "16"], [], ["--batch", "16"], ["--batch", "4"], ["--batch", "1"]):
        assert build("--source", spec, "--json", *options) == 0
        found.append((answer(capsys)["new"], (tmp_path / "incident_cls.pt").read_bytes()))
    assert build("--source", spec, "--no-cache", "--json", "--output", tmp_path / "again.pt") == 0
    assert [new for new, _ in found] == [16, 16, 0, 16, 0]
    assert found[1][1] == found[4][1] == (tmp_path / "again.pt").read_bytes()


def test_the_command_line_builds_the_sample(tiny_folder: Path, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "scripts.build_index"]
    options = ["--model", str(tiny_folder), "--output", str(tmp_path / "index.pt"), "--no-cache"]
    done = subprocess.run([*program, "build", *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(load_index(tmp_path / "index.pt")) == 67
    assert "embedding" in done.stderr
    assert "182 of 182 reports" in done.stderr
    assert "tokens/s" in done.stderr


@pytest.mark.parametrize(("command", "specs"), [("build", spec.TEXT_SPECS), ("import", spec.VECTOR_SPECS)])
def test_a_command_lists_its_sources_and_exit_statuses(
    capsys: pytest.CaptureFixture[str], command: str, specs: str
) -> None:
    assert build_index.main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    for line in specs.splitlines():
        assert line in shown
    assert "Exit status:\n    0  " in shown
