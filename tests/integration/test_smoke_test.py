"""What is asked of a deployed service, asked of one that runs here and of one that fails."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from e2e import smoke_test
from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from support.server import REPOSITORY, serve
from support.thread_server import in_thread


def test_a_service_that_answers_by_the_contract_passes(
    tiny_folder: Path, tiny_index: IncidentIndex, tmp_path: Path
) -> None:
    save_index(tiny_index, tmp_path / "incident_cls.pt")
    with serve("--model", tiny_folder, "--index", tmp_path / "incident_cls.pt") as server:
        command = [sys.executable, "tests/e2e/smoke_test.py", server.url]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"^ok +(\w+): ", done.stdout, flags=re.MULTILINE) == ["info", "website", "refusals", "page"]


@contextmanager
def page(status: int) -> Iterator[str]:
    """A server that answers everything with a page of this status; gives its address."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"<html")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    with in_thread(server):
        yield f"http://127.0.0.1:{server.server_port}"


def test_a_page_with_another_status_than_200_fails() -> None:
    with page(200) as url:
        assert smoke_test.page(smoke_test.Service(url)) == "5 bytes"
    for status in (404, 503):
        with page(status) as url, pytest.raises(AssertionError, match=f"status 200 for the page, got {status}"):
            smoke_test.page(smoke_test.Service(url))
