"""What make runs, in a folder of the tests."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MAKEFILE = REPOSITORY / "Makefile"

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="there is no make")


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--silent", "--file", str(MAKEFILE), f'PYTHON="{sys.executable}"', *arguments]
    inherited = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}  # and no settings of an outer make
    return subprocess.run(command, cwd=folder, env=inherited, capture_output=True, text=True, check=False)


def test_an_environment_elsewhere_is_not_emptied_through_a_link(tmp_path: Path) -> None:
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    for folder in (elsewhere, checkout / "inference", checkout / "requirements"):
        folder.mkdir(parents=True)
    for file in ("inference/requirements-torch.txt", "requirements/run.txt"):
        (checkout / file).touch()
    (elsewhere / "precious").touch()
    (checkout / ".venv").symlink_to(elsewhere)
    done = make(checkout, ".venv/run.stamp", "TORCH_INDEX=")
    assert done.returncode != 0
    assert ".venv is a symbolic link" in done.stderr
    assert (elsewhere / "precious").exists()
    assert not (elsewhere / "run.stamp").exists()


@pytest.mark.parametrize("model", ["/models of others/mine", ""])
def test_the_image_gets_the_model_that_is_named(tmp_path: Path, model: str) -> None:
    done = make(tmp_path, "image-model", "--old-file=.venv/run.stamp", "RUN=printf '%s|' python", f"MODEL={model}")
    assert (done.returncode, done.stdout) == (0, f"python|-m|scripts.stage_model|{model}|"), done.stderr


def test_every_module_that_make_runs_exists() -> None:
    modules = re.findall(r" -m ((?:scripts|infrastructure)\.\w+)", MAKEFILE.read_text())
    assert len(modules) > 10
    for module in modules:
        assert REPOSITORY.joinpath(*module.split(".")).with_suffix(".py").is_file(), module


def test_the_bench_has_the_memory_settings_of_the_image(tmp_path: Path) -> None:
    program = 'import os; print(*(f"{key}={value}" for key, value in os.environ.items() if key[:7] == "MALLOC_"))'
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{program}'\n")
    python.chmod(0o755)
    done = make(tmp_path, "bench", "--old-file=.venv/dev.stamp", f"RUN={python}")
    dockerfile = (REPOSITORY / "inference" / "Dockerfile").read_text()
    settings = re.findall(r"^ENV (MALLOC_.*)$", dockerfile, flags=re.MULTILINE)
    assert len(settings) == 2
    assert sorted(done.stdout.split()) == sorted(settings)
