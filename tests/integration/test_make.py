"""What make does to folders that are not its own, in a folder of the tests."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).resolve().parents[2] / "Makefile"

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="there is no make")


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--silent", "--file", str(MAKEFILE), f'PYTHON="{sys.executable}"', *arguments]
    inherited = {"PATH": os.environ["PATH"]}  # and nothing that a make around these tests says
    return subprocess.run(command, cwd=folder, env=inherited, capture_output=True, text=True, check=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a checkout as is needed, without the requirements of any package."""
    for folder in ("inference", "scripts"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "requirements.txt").touch()
    return tmp_path


@pytest.fixture
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder as a hub's cache has it: links to files elsewhere, and itself behind a link."""
    folder = tmp_path_factory.mktemp("hub")
    (folder / "blobs").mkdir()
    (folder / "blobs" / "0123").write_bytes(b"weights")
    (folder / "snapshots" / "1_Pooling").mkdir(parents=True)
    (folder / "snapshots" / "model.safetensors").symlink_to("../blobs/0123")
    (folder / "snapshots" / "1_Pooling" / "config.json").symlink_to("../../blobs/0123")
    (folder / "latest").symlink_to("snapshots")
    return folder / "latest"


def test_the_image_gets_files_where_a_model_has_links(checkout: Path, snapshot: Path) -> None:
    done = make(checkout, "image-model", f"MODEL={snapshot}")
    assert done.returncode == 0, done.stderr
    model = checkout / "inference" / "model"
    assert not [path for path in (model, *model.rglob("*")) if path.is_symlink()]
    for name in ("model.safetensors", "1_Pooling/config.json"):
        assert (model / name).read_bytes() == b"weights"
    assert sorted(path.name for path in snapshot.iterdir()) == ["1_Pooling", "model.safetensors"]


def test_a_model_without_weights_is_refused_and_the_last_one_stays(checkout: Path, snapshot: Path) -> None:
    make(checkout, "image-model", f"MODEL={snapshot}")
    (snapshot.parent / "blobs" / "0123").unlink()
    done = make(checkout, "image-model", f"MODEL={snapshot}")
    assert done.returncode != 0
    assert f"expected the weights of a model in {snapshot}/model.safetensors, found no such file" in done.stderr
    assert (checkout / "inference" / "model" / "model.safetensors").is_file()
    assert make(checkout, "image-model", "MODEL=").returncode == 0
    assert not (checkout / "inference" / "model").exists()


def test_an_environment_elsewhere_is_not_emptied_through_a_link(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("venv")
    (elsewhere / "precious").touch()
    (checkout / ".venv").symlink_to(elsewhere)
    done = make(checkout, ".venv/run.stamp", "TORCH_INDEX=")
    assert done.returncode != 0
    assert ".venv is a symbolic link: what it points to would be emptied, so remove it first" in done.stderr
    assert (elsewhere / "precious").exists()
