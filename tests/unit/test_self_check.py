"""The check at the end of an image build, here with the checkout's scripts and a tiny model."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from incidents import self_check
from incidents.errors import InvalidIndexError, InvalidModelError
from incidents.http.routes import script_names
from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from incidents.store import current as store


@pytest.fixture
def model(
    tiny_folder: Path, tiny_index: IncidentIndex, configure: Callable[..., None], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:  # fmt: skip
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    save_index(tiny_index, folder / "incident_cls.pt")
    for script in script_names():
        (tmp_path / f"{script}.py").touch()  # importing that name gets the checkout's script
    for module in (self_check, store):
        monkeypatch.setattr(module, "IMAGE_FOLDER", tmp_path)
    configure()
    return folder


def test_the_check_reports_what_it_found(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    self_check.main()
    scripts, encoder, index = capsys.readouterr().err.splitlines()
    assert scripts == f"handlers: {', '.join(script_names())}"
    assert encoder.startswith(f"model: {model.name}, ")
    assert index == "index: 4 incidents"


def test_an_image_may_lack_the_index_or_the_model(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model / "incident_cls.pt").unlink()
    self_check.main()
    assert capsys.readouterr().err.endswith(f"no index in {model}; it must be on the model cache\n")
    (model / "model.safetensors").unlink()
    self_check.main()
    assert capsys.readouterr().err.endswith(f"no model in {model}; it must be on the model cache\n")


def test_a_partially_copied_model_is_refused(model: Path) -> None:
    (model / "manifest.json").write_text(json.dumps({"files": {"tokenizer.json": "0" * 64}}))
    with pytest.raises(InvalidModelError, match=r"tokenizer\.json: expected sha256 0000"):
        self_check.main()


def test_a_model_with_an_extra_file_is_refused(model: Path) -> None:
    (model / "manifest.json").write_text(json.dumps({"fingerprint": "0" * 64, "files": {}}))
    with pytest.raises(InvalidModelError, match=r"manifest\.json: expected the fingerprint .*, got 0000"):
        self_check.main()


def test_a_damaged_index_is_refused(model: Path) -> None:
    (model / "incident_cls.pt").write_bytes(b"PK")
    with pytest.raises(InvalidIndexError, match="damaged"):
        self_check.main()


def test_a_script_without_a_handler_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "handles_nothing.py").write_text("answer = 42\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(self_check, "IMAGE_FOLDER", tmp_path)
    with pytest.raises(SystemExit, match=r"handles_nothing\.py: expected a function named handler, got none"):
        self_check.main()
