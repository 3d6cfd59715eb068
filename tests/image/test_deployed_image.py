"""The image that the CDK would deploy has the same files as the tested image."""

import os
import subprocess
import sys
from pathlib import Path

from support.servers.container import IMAGE, PLATFORM, Container, buildah, files

REPOSITORY = Path(__file__).resolve().parents[2]
TAG = f"{IMAGE}-as-deployed"


def sizes(container: Container) -> dict[Path, int]:
    return {path: size for path, (size, _) in files(container.root, "function", "packages").items()}


def test_what_is_deployed_is_what_is_tested(container: Container, tmp_path: Path) -> None:
    synthesis = subprocess.run(
        [sys.executable, "app.py"],
        cwd=REPOSITORY,
        env=os.environ | {"CDK_OUTDIR": str(tmp_path), "JSII_DEPRECATED": "quiet"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert synthesis.returncode == 0, synthesis.stderr
    (asset,) = tmp_path.glob("asset.*")
    script = REPOSITORY / "scripts" / "docker_by_buildah.sh"
    build = [str(script), "build", "--tag", TAG, "--platform", PLATFORM, "."]  # as the CDK says it
    built = subprocess.run(build, cwd=asset, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    deployed = Container(TAG)
    try:
        assert sizes(deployed) == sizes(container)
    finally:
        deployed.remove()
        buildah("rmi", TAG)
