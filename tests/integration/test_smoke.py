"""`make smoke` against a local service, against broken ones, and against none."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from pathlib import Path

import httpx
import pytest

from e2e.service import service_at
from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from support.servers.server import REPOSITORY, serve
from support.servers.thread_server import in_thread


def smoke(*options: str) -> tuple[int, dict[str, int]]:
    """The exit status of the tests, and the number of tests by outcome."""
    # Above tests/e2e, conftest.py imports torch and transformers, which these tests do without.
    command = [sys.executable, "-m", "pytest", "tests/e2e", "--confcutdir", "tests/e2e", "--color=no", *options]
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # plugins take seconds to import
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    summary = done.stdout.splitlines()[-1]
    return done.returncode, {outcome: int(count) for count, outcome in re.findall(r"(\d+) (\w+?)s?\b", summary)}


def test_a_service_that_keeps_the_contract_passes(tiny_folder: Path, tiny_index: IncidentIndex, tmp_path: Path) -> None:
    save_index(tiny_index, tmp_path / "incident_cls.pt")
    with serve("--model", tiny_folder, "--index", tmp_path / "incident_cls.pt") as server:
        status, outcomes = smoke("--url", server.url)
    assert (status, outcomes) == (0, {"passed": 4})


def test_without_a_url_everything_is_skipped() -> None:
    assert smoke() == (0, {"skipped": 4})


@dataclass
class Page:
    """A server that answers everything with a page."""

    url: str
    requests: int = 0


@contextmanager
def page(*statuses: int) -> Iterator[Page]:
    """A page with these statuses in turn, the last one for good; 0 closes the connection without an answer."""
    coming = chain(statuses, repeat(statuses[-1]))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.requests += 1
            if status := next(coming):
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"<html")

        do_POST = do_GET  # noqa: N815 (the name that the base class calls)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Page(f"http://127.0.0.1:{server.server_port}")
    with in_thread(server):
        yield found


@pytest.mark.parametrize(
    ("status", "outcomes"), [(200, {"failed": 3, "passed": 1}), (404, {"failed": 4}), (503, {"failed": 4})]
)
def test_a_service_that_breaks_the_contract_fails(status: int, outcomes: dict[str, int]) -> None:
    with page(status) as broken:
        assert smoke("--url", broken.url) == (1, outcomes)


@pytest.mark.parametrize(
    ("statuses", "answer", "requests"),
    [
        ([200], 200, 1),
        ([404, 200], 404, 1),
        ([503, 0, 502, 0, 500, 200], 200, 6),
        ([503, 503, 503, 503, 503, 503, 200], 503, 6),
    ],
)
def test_a_late_answer_is_awaited(statuses: Sequence[int], answer: int, requests: int) -> None:
    with page(*statuses) as slow, service_at(slow.url) as service:
        assert service.ask("GET", "/").status_code == answer
        assert slow.requests == requests


def test_a_service_that_never_answers_is_an_error() -> None:
    with page(0) as silent, service_at(silent.url) as service, pytest.raises(httpx.TransportError):
        service.ask("GET", "/")
    assert silent.requests == 6
