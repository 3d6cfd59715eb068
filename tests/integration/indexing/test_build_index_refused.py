"""What no index can be built of, and what is left after a failure."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from incidents.index.file import load_index, save_index
from incidents.index.incident_index import IncidentIndex
from incidents.model.encoder import Encoder
from scripts import build_index
from support.build_output import answer, refused
from support.full_disk import full_disk

Command = Callable[..., int]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected at least one incident"),
        ('{"incident_id": 1, "title": "One", "reports": []}', "expected at least one incident with a report"),
        ('{"incident_id": 1, "title": "One", "reports": [{"text": "w5"}]}\n{"incident_id": 2', "line 2: expected"),
        ('{"incident_id": 1, "title": "One", "reports": [{"text": "w5"}]}\n' * 2, "every incident once, got 1 twice"),
    ],
)
def test_a_source_that_cannot_be_used_leaves_the_old_index(
    build: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    (tmp_path / "some.jsonl").write_text(content)
    (tmp_path / "incident_cls.pt").write_text("the old one")
    refused(build("--source", f"jsonl:{tmp_path / 'some.jsonl'}"), message, capsys, tmp_path / "incident_cls.pt")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("somewhere", "expected a source, one of\n  sample "),
        ("jsonl:nowhere", "No such file or directory: 'nowhere'"),
        ("snapshot:nowhere", "No such file or directory: 'nowhere'"),
        ("mongodb:NOT_SET", "expected a MongoDB URI in the variable NOT_SET, which is not set"),
    ],
)
def test_a_missing_source_is_named(build: Command, capsys: pytest.CaptureFixture[str], spec: str, message: str) -> None:
    refused(build("--source", spec), message, capsys)


def test_a_damaged_model_leaves_the_old_index(
    build: Command, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_folder, tmp_path / "model")
    (tmp_path / "model" / "config.json").unlink()
    (tmp_path / "incident_cls.pt").write_text("the old one")
    refused(build("--model", tmp_path / "model"), "config.json: missing", capsys, tmp_path / "incident_cls.pt")


def test_a_model_that_changed_since_it_was_fetched_is_refused(
    build: Command, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_folder, tmp_path / "model")
    (tmp_path / "model" / "manifest.json").write_text(json.dumps({"files": {"config.json": "0" * 64}}))
    refused(build("--model", tmp_path / "model"), "config.json: expected sha256 0000", capsys)


@pytest.mark.parametrize(
    "arguments", [("build",), ("import", "legacy-pt:old.pt"), ("check", "index.pt")], ids=["build", "import", "check"]
)
def test_a_model_with_an_extra_file_is_refused(
    tiny_folder: Path, tiny_encoder: Encoder, tiny_index: IncidentIndex, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    save_index(tiny_index, tmp_path / "index.pt")
    shutil.copytree(tiny_folder, tmp_path / "model")
    (tmp_path / "model" / "manifest.json").write_text(
        json.dumps({"fingerprint": tiny_encoder.fingerprint, "files": {}})
    )
    (tmp_path / "model" / "sentence_bert_config.json").write_text('{"max_seq_length": 20}')
    message = f"of the folder's model, got {tiny_encoder.fingerprint}; fetch the model again"
    refused(build_index.main([*arguments, "--model", "model"]), message, capsys)


def test_a_foreign_cache_is_named_and_left_alone(
    build: Command, source: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "vectors.sqlite").write_text("somebody's notes" * 100)
    refused(build("--source", source({1: ["w5"]})), "vectors.sqlite: damaged or foreign", capsys)
    assert (tmp_path / "vectors.sqlite").read_text() == "somebody's notes" * 100


@pytest.mark.parametrize("limit_bytes", [100, 20_000, 60_000])
def test_a_full_disk_loses_nothing(
    build: Command, source: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str], limit_bytes: int
) -> None:
    """Whether it is full before anything is written, in the middle of the vectors, or later."""
    (tmp_path / "incident_cls.pt").write_text("the old one")
    spec = source({n: [f"w{4 + n % 50} w{4 + n // 50}"] for n in range(1, 200)})
    with full_disk(limit_bytes):
        status = build("--source", spec)
    refused(status, "", capsys, tmp_path / "incident_cls.pt")
    cache = {"vectors.sqlite", "vectors.sqlite-wal", "vectors.sqlite-shm"}
    assert {path.name for path in tmp_path.iterdir()} - cache == {"incident_cls.pt", "some.jsonl"}
    assert build("--source", spec) == 0
    assert build("--source", spec, "--no-cache", "--output", tmp_path / "again.pt") == 0
    assert (tmp_path / "incident_cls.pt").read_bytes() == (tmp_path / "again.pt").read_bytes()


def test_a_disk_too_full_for_the_index_keeps_the_vectors(
    build: Command, source: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = source({n: [f"w{4 + n % 50} w{4 + n // 50}"] for n in range(1, 400)})
    assert build("--source", spec, "--output", tmp_path / "first.pt") == 0
    (tmp_path / "incident_cls.pt").write_text("the old one")
    capsys.readouterr()
    with full_disk((tmp_path / "first.pt").stat().st_size - 1):
        status = build("--source", spec)
    refused(status, "File too large", capsys, tmp_path / "incident_cls.pt")
    assert not list(tmp_path.glob(".*"))
    assert build("--source", spec, "--json") == 0
    assert answer(capsys)["new"] == 0


@pytest.mark.parametrize(
    "output", ["/proc/incident_cls.pt", "/nowhere/incident_cls.pt", "/tmp", "/dev/null/incident_cls.pt"]
)
def test_an_output_that_cannot_be_written_is_refused_before_any_work(
    build: Command, source: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    refused(build("--source", source({1: ["w5"]}), "--output", output), f"got {output}: ", capsys)
    assert not (tmp_path / "vectors.sqlite").exists()


@pytest.mark.parametrize("options", [("--json",), ()], ids=["json", "tables"])
@pytest.mark.parametrize("gone", [True, False], ids=["reader gone", "disk full"])
def test_an_index_whose_report_cannot_be_printed_is_not_called_missing(
    build: Command,
    source: Callable[..., str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    gone: bool,
) -> None:
    spec = source({1: ["w5"]})
    reader, writer = os.pipe()
    os.close(reader)
    with (
        os.fdopen(writer, "w") if gone else Path("/dev/full").open("w") as stdout,
        monkeypatch.context() as patch,
    ):
        patch.setattr(sys, "stdout", stdout)
        assert build("--source", spec, *options) == 3
    assert len(load_index(tmp_path / "incident_cls.pt")) == 1
    assert "incident_cls.pt is valid, but the report could not be printed: " in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_named(build: Command, capsys: pytest.CaptureFixture[str]) -> None:
    refused(build("--device", "cuda"), "expected a GPU for --device cuda; torch", capsys)


@pytest.mark.parametrize("epoch", ["yesterday", "9" * 30])
def test_an_invalid_time_is_named(
    build: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, epoch: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    refused(build(), f"expected SOURCE_DATE_EPOCH to be seconds since 1970, got {epoch!r}", capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("import", "state-csv:state.csv"), "vectors need either --encoder-name, or --model"),
        (("import", "legacy-pt:x.pt", "--encoder-name", "x"), "vectors with --encoder-name need an --output"),
        (
            ("import", "legacy-pt:x.pt", "--model", "m", "--encoder-tokens", "5"),
            "--encoder-revision and --encoder-tokens have no effect with --model",
        ),
        (("import", "legacy-pt:x.pt", "--prune"), "No such option: --prune"),
        (("build", "--encoder-name", "x"), "No such option: --encoder-name"),
        (("check", "x.pt", "--source", "jsonl:x"), "No such option: --source"),
        (("build", "--prune", "--no-cache"), "--prune has no effect with --no-cache"),
        (("build", "--workers", "0"), "'--workers': Input should be greater than or equal to 1"),
        (("build", "--device", "tpu"), "'tpu' is not one of 'cpu', 'cuda'"),
        ((), "Missing command"),
    ],
)
def test_wrong_arguments_are_explained(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert build_index.main([*arguments]) == 2
    assert message in capsys.readouterr().err


def test_ctrl_c_says_how_to_resume(
    build: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Encoder, "encode_batch", stop)
    assert build() == 130
    assert "the same command resumes" in capsys.readouterr().err
