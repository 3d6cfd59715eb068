"""A container of the image, made and started by buildah."""

import platform
import subprocess
from pathlib import Path

IMAGE = "localhost/similar-incidents"
PYTHON = "/usr/local/bin/python"
PLATFORM = "linux/arm64" if platform.machine() == "aarch64" else "linux/amd64"
ONE_THREAD = {"ENCODER_THREADS": "1"}
"""So that image and checkout add in the same order, and their answers can be compared to the last bit."""


class Container:
    """A container of an image that is not running, and its files as this machine sees them."""

    def __init__(self, image: str) -> None:
        self.name = buildah("from", "--pull-never", image)
        self.root = Path(buildah("mount", self.name))

    def launcher(self, *options: str) -> list[str]:
        return ["buildah", "run", "--isolation", "chroot", *options, self.name, "--"]

    def run(self, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self.launcher(*options), *command], capture_output=True, text=True, check=False)

    def remove(self) -> None:
        buildah("rm", self.name)


def buildah(*arguments: str) -> str:
    done = subprocess.run(["buildah", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def files(root: Path, *folders: str) -> dict[Path, tuple[int, int]]:
    """Every file in the folders, with its size and the time of its last change."""
    paths = [path for folder in folders for path in (root / folder).rglob("*") if not path.is_symlink()]
    return {path.relative_to(root): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths if path.is_file()}
