"""The local HTTP API in a process of its own, as `make serve` starts it."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

REPOSITORY = Path(__file__).resolve().parents[3]
READY_WITHIN_SECONDS = 60


class Server:
    """A running server: its address and its output so far."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output
        self.url = self._wait_for_address()

    @property
    def output(self) -> str:
        return self._output.read_text()

    def stop(self, number: signal.Signals) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def _wait_for_address(self) -> str:
        end = monotonic() + READY_WITHIN_SECONDS
        while monotonic() < end and self.process.poll() is None:
            if found := re.search(r"running on (http://\S+)", self.output):
                return found[1]
            sleep(0.05)
        raise AssertionError(f"the server did not start:\n{self.output}")


@contextmanager
def serve(*options: str | Path) -> Iterator[Server]:
    """Run scripts/serve.py on a free port while the block runs."""
    command = [sys.executable, "-m", "scripts.serve", "--port", "0", *map(str, options)]
    with tempfile.NamedTemporaryFile() as output:
        environment = {"ENCODER_THREADS": "1"} | os.environ
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield Server(process, Path(output.name))
        finally:
            process.kill()
            process.wait()
