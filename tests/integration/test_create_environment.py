"""The virtual environment that make fills."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.create_environment import main


def test_an_environment_is_created_empty(tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "left").touch()
    assert main([str(folder)]) == 0
    assert not (folder / "bin" / "left").exists()
    program = "import sys, pip; print(sys.prefix)"
    done = subprocess.run([folder / "bin" / "python", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"{folder}\n"


def test_an_environment_elsewhere_is_not_emptied_through_a_link(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").touch()
    (tmp_path / "venv").symlink_to(elsewhere)
    assert main([str(tmp_path / "venv")]) == 1
    assert "is a symbolic link: its target would be emptied, so remove the link first" in capsys.readouterr().err
    assert (elsewhere / "precious").exists()


def test_a_python_that_is_too_old_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 12))
    assert main([str(tmp_path / "venv")]) == 1
    assert capsys.readouterr().err.startswith("expected Python 3.11 or newer, got ")
    assert not (tmp_path / "venv").exists()
