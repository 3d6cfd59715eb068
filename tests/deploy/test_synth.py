"""A synthesis needs only what is installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ALONE = ["unshare", "--net", "--map-root-user"]


def alone() -> bool:
    return bool(shutil.which("unshare")) and subprocess.run([*ALONE, "true"], check=False).returncode == 0


@pytest.mark.skipif(not alone(), reason="this machine cannot start a process without a network")
def test_a_synthesis_needs_no_credentials_docker_git_or_network(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("env", "node", "sh"):
        (programs / name).symlink_to(shutil.which(name) or name)
    environment = {"PATH": str(programs), "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    environment |= {"JSII_DEPRECATED": "quiet", "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}  # as make does
    output = tmp_path / "cdk.out"
    done = subprocess.run(
        [*ALONE, "node_modules/.bin/cdk", "synth", "--quiet", "--output", output],
        executable=shutil.which("unshare"),
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (output / "AiidNlpLambdaStack.template.json").is_file()
