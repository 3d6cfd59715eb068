"""The commands of the documents, run as they are written in a copy of the repository."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from incidents.index.file import load_index
from incidents.names import INDEX_FILENAME
from support.documents import DOCUMENTS, REPOSITORY, Command, blocks, commands, name

LEFT_BEHIND = {".git", ".venv", ".cache", ".hypothesis", "models", "node_modules", "cdk.out"}
"""What a checkout has at its top that is not copied."""
WITH_COMMANDS = [document for document in DOCUMENTS if list(commands(document))]
SERVER_READY_SECONDS = 60

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "make", "curl"))), reason="bash, make and curl are not all there"
)


def environment(copy: Path) -> dict[str, str]:
    """Little is inherited: nothing that a make around the tests sets, and no account."""
    own = {"HOME": str(copy), "PYTHONPATH": f"{copy}:{copy / 'inference'}", "ENCODER_THREADS": "1"}
    return {"PATH": os.environ["PATH"]} | own


def left_behind(folder: str, names: list[str]) -> set[str]:
    """What of a folder of the repository is not copied: what was installed, downloaded, built or cached."""
    found = {name for name in names if name == "__pycache__" or name.endswith("_cache")}
    if Path(folder) == REPOSITORY:
        found |= LEFT_BEHIND
    return found | ({"model"} if Path(folder) == REPOSITORY / "inference" else set())


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with this environment and the small model, both linked, and with the index of the sample."""
    base = tmp_path_factory.mktemp("documents") / "similar-incidents"
    shutil.copytree(REPOSITORY, base, ignore=left_behind)
    for path in base.rglob("*"):
        os.utime(path, (0, 0))  # older than what is linked, so that make installs and downloads nothing
    (base / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.suffix != ".stamp":
            (base / ".venv" / path.name).symlink_to(path)
    for stamp in re.findall(r"^\$\(VENV\)/([a-z-]+\.stamp):", (base / "Makefile").read_text(), flags=re.MULTILINE):
        (base / ".venv" / stamp).touch()
    minilm = REPOSITORY / "models" / "minilm"
    assert minilm.is_dir(), "the small model is missing; `make model` fetches it"
    (base / "models" / "minilm").mkdir(parents=True)
    for path in minilm.iterdir():
        if path.name != INDEX_FILENAME:
            (base / "models" / "minilm" / path.name).symlink_to(path.resolve())
    if (minilm / INDEX_FILENAME).exists() and load_index(minilm / INDEX_FILENAME).source == "sample":
        shutil.copy(minilm / INDEX_FILENAME, base / "models" / "minilm")
    else:
        run(base, "make index")
    return base


@pytest.fixture(scope="module")
def has_run() -> set[str]:
    """Commands that ran already: each runs once, in the first document that shows it."""
    return set()


def run(copy: Path, command: str) -> str:
    """What the command prints; it must succeed."""
    done = subprocess.run(
        ["bash", "-c", command], cwd=copy, env=environment(copy), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


class Server:
    """`make serve` in the background, on any free port; its address takes the place of the documented one."""

    def __init__(self, copy: Path) -> None:
        self._output = copy / "server.log"
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                ["make", "serve", "PORT=0"],
                cwd=copy,
                env=environment(copy),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        end = monotonic() + SERVER_READY_SECONDS
        while not (found := re.search(r"running on http://(\S+)", self._output.read_text())):
            assert monotonic() < end, self._output.read_text()
            assert self._process.poll() is None, self._output.read_text()
            sleep(0.05)
        self.address = found[1]

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(timeout=30)


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[Path, Server]]:
    """The running servers, by the copy that they serve."""
    started: dict[Path, Server] = {}
    yield started
    for server in started.values():
        server.stop()


def comparable(output: str) -> set[str]:
    """Its lines without what differs between two runs: times, spaces, and digits that depend on the CPU."""
    output = re.sub(r"\d{4}-\d\d-\d\dT[\d:]+\+00:00", "TIME", output)
    output = re.sub(r"\d+\.\d{5,}", lambda number: f"{float(number[0]):.4f}", output)
    return {" ".join(line.split()) for line in output.splitlines() if line.strip()}


@pytest.mark.parametrize("document", WITH_COMMANDS, ids=name)
def test_commands_work_and_print_what_is_shown(
    document: Path, base: Path, tmp_path: Path, servers: dict[Path, Server], has_run: set[str]
) -> None:
    copy = shutil.copytree(base, tmp_path / "similar-incidents", symlinks=True)
    served = base
    for path in re.findall(r"Save this as `(inference/\w+\.py)`", document.read_text()):
        (copy / path).write_text(blocks(document.read_text(), "python")[0])
        served = copy
    for command in commands(document):
        if command.reason_not_to_run:
            if command.text.startswith("make "):
                check_targets(copy, command)
        elif command.text == "make serve":
            servers[served] = servers.get(served) or Server(served)
        elif command.text not in has_run:
            address = servers[served].address if served in servers else "localhost:3000"
            printed = run(copy, command.text.replace("localhost:3000", address))
            shown = {line for line in comparable(command.output) if "…" not in line}
            assert shown <= comparable(printed), command.text
            has_run.add(command.text)


def check_targets(copy: Path, command: Command) -> None:
    """A command that is not run has at least targets and variables that make accepts."""
    run(copy, f"make --dry-run {command.text.removeprefix('make ')}")
