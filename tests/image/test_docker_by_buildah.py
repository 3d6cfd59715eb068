"""The Docker commands of a deployment by the CDK, run by buildah."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.servers.container import PLATFORM, buildah

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "docker_by_buildah.sh"
TAG = "asset-of-a-test"
PUSHED = "000000000000.dkr.ecr.eu-west-1.amazonaws.com/assets:of-a-test"


def docker(*arguments: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *arguments], cwd=folder, input="a password", capture_output=True, text=True, check=False
    )


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    for tag in (TAG, PUSHED):
        subprocess.run(["buildah", "rmi", tag], capture_output=True, check=False)  # not every test makes them


def test_what_the_cdk_does_to_publish_an_image(tmp_path: Path) -> None:
    (tmp_path / "a.Dockerfile").write_text("ARG BASE=other\nFROM ${BASE}\nARG WHAT\nRUN test -n $WHAT\nCMD [$WHAT]\n")
    assert docker("login", "--username", "AWS", "--password-stdin", "https://localhost").returncode == 0
    assert docker("inspect", TAG).returncode == 1
    options = ["--build-arg", "WHAT=it", "--file", "a.Dockerfile", "--platform", PLATFORM]
    built = docker("build", *options, "--tag", TAG, ".", folder=tmp_path)
    assert built.returncode == 0, built.stderr
    assert docker("inspect", TAG).returncode == 0
    assert docker("tag", TAG, PUSHED).returncode == 0
    pushed = docker("--config", tmp_path, "push", PUSHED)
    assert pushed.returncode == 0
    assert pushed.stderr == f"{PUSHED} stays on this machine: there is no Docker engine to push it with\n"
    assert docker("inspect", PUSHED).returncode == 0


def test_a_build_that_fails_is_a_failure_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nRUN exit 5\n")
    before = buildah("containers", "--quiet")
    assert docker("build", "--tag", TAG, tmp_path).returncode != 0
    assert docker("inspect", TAG).returncode == 1
    assert buildah("containers", "--quiet") == before


def test_another_command_is_refused() -> None:
    refused = docker("compose", "up")
    assert refused.returncode == 2
    assert refused.stderr == "expected build, inspect, tag, login or push, got 'compose'\n"
