"""The stand-in for Docker without the tools that it needs; tests/image builds images with it."""

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "docker_by_buildah.sh"


def test_it_says_what_to_install(tmp_path: Path) -> None:
    bash = ["/bin/bash", str(SCRIPT), "build", "."]
    done = subprocess.run(bash, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "buildah is not installed; as root: apt-get install --no-install-recommends buildah debootstrap\n"
    )
