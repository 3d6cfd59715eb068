"""What the image's build finds in inference/model, in a folder of the tests."""

import shutil
from pathlib import Path

import pytest

from scripts.models.staging import StagingError, stage
from scripts.stage_model import main


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "inference" / "model"
    folder.parent.mkdir()
    return folder


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """A model folder as a hub's cache has it: links to files elsewhere, and itself behind a link."""
    folder = tmp_path / "hub"
    (folder / "blobs").mkdir(parents=True)
    (folder / "blobs" / "0123").write_bytes(b"weights")
    (folder / "snapshots" / "1_Pooling").mkdir(parents=True)
    (folder / "snapshots" / "model.safetensors").symlink_to("../blobs/0123")
    (folder / "snapshots" / "1_Pooling" / "config.json").symlink_to("../../blobs/0123")
    (folder / "latest").symlink_to("snapshots")
    return folder / "latest"


def test_a_copy_has_files_where_the_model_has_links(target: Path, snapshot: Path) -> None:
    stage(snapshot, target)
    assert not [path for path in (target, *target.rglob("*")) if path.is_symlink()]
    for name in ("model.safetensors", "1_Pooling/config.json"):
        assert (target / name).read_bytes() == b"weights"
    assert sorted(path.name for path in snapshot.iterdir()) == ["1_Pooling", "model.safetensors"]


def test_a_copy_replaces_the_last_one_whole(target: Path, snapshot: Path, tmp_path: Path) -> None:
    stage(snapshot, target)
    other = tmp_path / "other"
    other.mkdir()
    (other / "model.safetensors").write_bytes(b"others")
    stage(other, target)
    assert (target / "model.safetensors").read_bytes() == b"others"
    assert not (target / "1_Pooling").exists()
    assert [path.name for path in target.parent.iterdir()] == ["model"]


def test_a_copy_can_be_staged_again(target: Path, snapshot: Path) -> None:
    stage(snapshot, target)
    stage(target, target)
    assert (target / "1_Pooling" / "config.json").read_bytes() == b"weights"


def test_without_a_model_the_copy_is_removed(target: Path, snapshot: Path) -> None:
    stage(None, target)
    stage(snapshot, target)
    stage(None, target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("link", [False, True])
def test_a_folder_that_is_not_a_copy_stays(target: Path, snapshot: Path, tmp_path: Path, link: bool) -> None:
    only = tmp_path / "only" if link else target
    only.mkdir()
    (only / "model.safetensors").touch()
    if link:
        target.symlink_to(only)
    for model in (snapshot, None):
        with pytest.raises(StagingError, match="was not staged from another folder"):
            stage(model, target)
    assert [path.name for path in target.iterdir()] == ["model.safetensors"]


def test_a_model_without_weights_is_refused_and_the_last_copy_stays(target: Path, snapshot: Path) -> None:
    stage(snapshot, target)
    (snapshot.parent / "blobs" / "0123").unlink()
    with pytest.raises(StagingError, match=f"the weights of a model in {snapshot}/model.safetensors, found no such"):
        stage(snapshot, target)
    assert (target / "model.safetensors").read_bytes() == b"weights"


def test_a_model_that_cannot_be_copied_leaves_the_last_copy(target: Path, snapshot: Path) -> None:
    stage(snapshot, target)
    (snapshot / "tokenizer.json").symlink_to("missing")
    with pytest.raises(shutil.Error, match="tokenizer"):
        stage(snapshot, target)
    assert sorted(path.name for path in target.iterdir()) == [".copied-by-make", "1_Pooling", "model.safetensors"]
    assert [path.name for path in target.parent.iterdir()] == ["model"]


def test_the_command_stages_removes_and_refuses(
    target: Path, snapshot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(snapshot), "--output", str(target)]) == 0
    assert (target / "model.safetensors").is_file()
    assert main(["", "--output", str(target)]) == 0
    assert not target.exists()
    assert capsys.readouterr() == ("", "")
    assert main([str(snapshot / "1_Pooling"), "--output", str(target)]) == 1
    assert capsys.readouterr().err.startswith("Not staged: expected the weights of a model in ")
    assert main([]) == 2
