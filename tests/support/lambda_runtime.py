"""The real Lambda runtime on this machine: awslambdaric, driven by AWS's Runtime Interface Emulator.

The emulator plays the Lambda service: it starts the runtime when the first event comes, hands it one event after the
other and gives back the bytes it answers with.
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

EMULATOR = Path(__file__).resolve().parents[2] / ".cache" / "aws-lambda-rie"
"""What `make test-runtime` takes out of the AWS SAM CLI's package."""

LARGEST_EVENT = 6 * 1024 * 1024
"""In bytes: Lambda's limit for a synchronous invocation."""

PATIENCE_SECONDS = 60
"""Time for a cold start on a busy machine, and to listen or to end; no test passes or fails by less."""


class LambdaRuntime:
    """A running emulator, to which events can be sent."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self._process = process
        self._port = port
        self._log = log

    def invoke(self, event: Any) -> bytes:
        """Give the runtime an event, and return what it answers; the first one waits for the cold start.

        Raises:
            AssertionError: the emulator could not get an answer; the message has its log and the runtime's.
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
        """The ids of the emulator's processes and their descendants; the runtime, once it is started, is the last."""
        return descendants(self._process.pid)

    def status(self) -> dict[str, str]:
        """What the kernel says of the runtime's process: the fields of /proc/[pid]/status, see proc(5)."""
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
    """Start the emulator with the command of a runtime, and end both with the block.

    Args:
        runtime: the command, its last word the handler: python -m awslambdaric similar.handler.
        environment: the whole environment of both.
        log: the file that takes what both print.
        emulator: where the emulator is, as the launcher sees it.
        launcher: the command that starts another one, if they are to run in a container.
    """
    port, runtime_port = _free_ports()
    options = ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    options += ["--runtime-api-address", f"127.0.0.1:{runtime_port}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            # Asked to end even if this process is killed and cannot: setpriv is of Debian's essential util-linux.
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
    """The process and all it has started, parents before their children; nothing if it is gone."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(process for child in children for process in descendants(child))]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the emulator to end, which ends the runtime, and kill whatever of both does not."""
    _, *started = descendants(process.pid) or [process.pid]
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    finally:
        process.kill()
        for pid in started:
            with suppress(ProcessLookupError):  # gone by itself, as it should
                os.kill(pid, signal.SIGKILL)
        process.wait()


def _free_ports() -> list[int]:
    """Two ports of the loopback interface that nobody listens on."""
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in (first, second)]
