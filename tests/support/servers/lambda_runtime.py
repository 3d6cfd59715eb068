"""The real Lambda runtime on this machine: awslambdaric, driven by AWS's Runtime Interface Emulator.

The emulator acts as the Lambda service: it starts the runtime at the first event, passes events on one at a time and
returns the bytes of each answer.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

EMULATOR = Path(__file__).resolve().parents[3] / ".cache" / "aws-lambda-rie"
"""`make test-runtime` takes it from the package of the AWS SAM CLI."""

LARGEST_EVENT = 6 * 1024 * 1024
"""Lambda's limit for a synchronous invocation, in bytes."""

PATIENCE_SECONDS = 60
"""Maximum time for a cold start on a busy machine, and for listening and stopping."""


class LambdaRuntime:
    """A running emulator, which accepts events."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self._process = process
        self._port = port
        self._log = log

    def invoke(self, event: Any) -> bytes:
        """Send an event and return the bytes of the answer; the first event waits for the cold start.

        Raises:
            AssertionError: there was no answer; the message has the log of the emulator and the runtime.
        """
        answer = httpx.post(
            f"http://127.0.0.1:{self._port}/2015-03-31/functions/function/invocations",
            content=json.dumps(event).encode(),
            timeout=PATIENCE_SECONDS,
            trust_env=False,  # no proxy: this machine talks to itself
        )
        assert answer.status_code == 200, f"status {answer.status_code}, log:\n{self._log.read_text()}"
        return answer.content

    def processes(self) -> list[int]:
        """The ids of the emulator's processes and their descendants; a started runtime is the last."""
        return descendants(self._process.pid)

    def status(self) -> dict[str, str]:
        """The fields of /proc/[pid]/status for the runtime's process, see proc(5)."""
        process = Path(f"/proc/{self.processes()[-1]}")
        words = (process / "cmdline").read_bytes().split(b"\0")
        assert words[1:3] == [b"-m", b"awslambdaric"], f"expected the runtime, got {words}"
        return dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())

    def wait_until_it_listens(self) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while self._process.poll() is None and time.monotonic() < end:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.01)
        raise AssertionError(f"the emulator does not listen, log:\n{self._log.read_text()}")


@contextmanager
def lambda_runtime(
    runtime: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    *,
    emulator: Path = EMULATOR,
    launcher: Sequence[str] = (),
) -> Iterator[LambdaRuntime]:
    """Start the emulator with the command of a runtime; stop both at the end of the block.

    Args:
        runtime: the command, its last word the handler: python -m awslambdaric similar.handler.
        environment: the whole environment of both.
        log: the file for the output of both.
        emulator: the emulator's path, as the launcher sees it.
        launcher: a command that runs them elsewhere, such as in a container.
    """
    port, runtime_port = _free_ports()
    options = ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    options += ["--runtime-api-address", f"127.0.0.1:{runtime_port}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            # setpriv stops it even if this process is killed; it is part of Debian's essential util-linux.
            ["setpriv", "--pdeathsig", "TERM", "--", *launcher, str(emulator), *options, *runtime],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    running = LambdaRuntime(process, port, log)
    try:
        running.wait_until_it_listens()
        yield running
    finally:
        _end(process)


def descendants(pid: int) -> list[int]:
    """The process and its descendants, parents first; empty if the process is gone."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(process for child in children for process in descendants(child))]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Terminate the emulator, which stops the runtime; kill what is left of either."""
    _, *started = descendants(process.pid) or [process.pid]
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    finally:
        process.kill()
        for pid in started:
            with suppress(ProcessLookupError):  # already gone, as expected
                os.kill(pid, signal.SIGKILL)
        process.wait()


def _free_ports() -> list[int]:
    """Two free ports of the loopback interface."""
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in (first, second)]
