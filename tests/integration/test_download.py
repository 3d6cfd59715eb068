"""Downloads from a real server on this machine that cuts, refuses, and changes its mind."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scripts.sources import download as module
from scripts.sources.download import download
from support.servers.thread_server import in_thread

CONTENT = bytes(range(256)) * 4000  # 1,024,000 bytes


@dataclass
class Server:
    """Serves one file; each answer is cut after the next number of bytes in `cuts`, and whole when there are none."""

    content: bytes = CONTENT
    etag: str | None = '"version 1"'
    modified: str | None = None
    ranges: bool = True
    tells_length: bool = True
    status: int = 200
    cuts: list[int] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    location: str = ""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0)
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append({key: value for key, value in self.headers.items() if key.startswith(("If-", "Ran"))})
            start, total = 0, len(state.content)
            validators = [validator for validator in (state.etag, state.modified) if validator]
            if state.location:
                self.send_response(302)
                self.send_header("Location", state.location)
                self.end_headers()
                return
            if state.status != 200:
                self.send_error(state.status)
                return
            if {self.headers["If-None-Match"], self.headers["If-Modified-Since"]} & set(validators):
                self.send_response(304)
                self.end_headers()
                return
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
            if asked and state.ranges and self.headers["If-Range"] in validators:
                start = int(asked[1])
                self.send_response(206 if start < total else 416)
                self.send_header(
                    "Content-Range", f"bytes {start}-{total - 1}/{total}" if start < total else f"*/{total}"
                )
            else:
                self.send_response(200)
            if state.etag:
                self.send_header("ETag", state.etag)
            if state.modified:
                self.send_header("Last-Modified", state.modified)
            if state.tells_length:
                self.send_header("Content-Length", str(total - start))
            self.end_headers()
            sent = state.content[start:][: state.cuts.pop(0) if state.cuts else None]
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{http.server_port}/public/backup-1.tar.bz2?key=secret"
    with in_thread(http):
        yield state


def test_a_file_arrives_whole(server: Server, tmp_path: Path) -> None:
    path = download(server.url, tmp_path / "downloads")
    assert (path.name, path.parent.parent) == ("backup-1.tar.bz2", tmp_path / "downloads")
    assert path.read_bytes() == CONTENT
    assert server.requests == [{}]
    assert sorted(file.name for file in path.parent.iterdir()) == ["backup-1.tar.bz2", "backup-1.tar.bz2.validator"]


@pytest.mark.parametrize(("etag", "modified"), [('"v1"', None), (None, "Mon, 02 Feb 2026 00:00:00 GMT")])
def test_what_is_cut_is_completed(server: Server, tmp_path: Path, etag: str | None, modified: str | None) -> None:
    server.etag, server.modified, server.cuts = etag, modified, [300_000, 1, 500_000]
    assert download(server.url, tmp_path).read_bytes() == CONTENT
    assert server.requests == [
        {},
        *({"Range": f"bytes={arrived}-", "If-Range": etag or modified} for arrived in (300_000, 300_001, 800_001)),
    ]


def test_a_later_call_completes_what_an_earlier_one_left(server: Server, tmp_path: Path) -> None:
    server.cuts = [300_000] + [0] * 5
    with pytest.raises(OSError, match=r"backup-1\.tar\.bz2: the download stopped after 300000 bytes \(.*\); what has"):
        download(server.url, tmp_path)
    assert len(server.requests) == 6
    assert download(server.url, tmp_path).read_bytes() == CONTENT
    assert server.requests[6:] == [{"Range": "bytes=300000-", "If-Range": '"version 1"'}]


def test_a_file_that_changed_meanwhile_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    server.cuts = [300_000] + [0] * 5
    with pytest.raises(OSError, match="stopped"):
        download(server.url, tmp_path)
    server.content, server.etag = CONTENT[::-1], '"version 2"'
    assert download(server.url, tmp_path).read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("length", [300_000, 200_000])
def test_a_file_that_shrank_is_fetched_anew(server: Server, tmp_path: Path, length: int) -> None:
    """A server that keeps the ETag nevertheless: the part is as long as the file, or longer."""
    server.cuts = [300_000] + [0] * 5
    with pytest.raises(OSError, match="stopped"):
        download(server.url, tmp_path)
    server.content = CONTENT[::-1][:length]
    assert download(server.url, tmp_path).read_bytes() == server.content


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_validator_a_part_is_not_completed(server: Server, tmp_path: Path, etag: str | None) -> None:
    server.etag, server.cuts = etag, [300_000]
    assert download(server.url, tmp_path).read_bytes() == CONTENT
    assert server.requests == [{}, {}]


def test_a_server_without_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    server.ranges, server.cuts = False, [300_000]
    assert download(server.url, tmp_path).read_bytes() == CONTENT


def test_a_server_that_does_not_tell_the_size_is_believed(server: Server, tmp_path: Path) -> None:
    server.tells_length = False
    assert download(server.url, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(("etag", "modified"), [('"v1"', None), (None, "Mon, 02 Feb 2026 00:00:00 GMT")])
def test_a_file_that_is_there_is_asked_for_only_if_it_changed(
    server: Server, tmp_path: Path, etag: str | None, modified: str | None
) -> None:
    server.etag, server.modified = etag, modified
    path = download(server.url, tmp_path)
    before = path.stat().st_mtime_ns
    assert download(server.url, tmp_path).stat().st_mtime_ns == before
    server.content, server.etag, server.modified = b"new", etag and '"v2"', modified and "now"
    assert download(server.url, tmp_path).read_bytes() == b"new"


def test_a_server_that_fails_for_a_while_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.status = 503
    with pytest.raises(OSError, match="the server answered 503"):
        download(server.url, tmp_path)
    assert len(server.requests) == module.FRUITLESS_ATTEMPTS


def test_a_refusal_is_final_and_shows_no_secret(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(OSError, match=r"backup-1\.tar\.bz2: the server answered 404") as refused:
        download(server.url, tmp_path)
    assert len(server.requests) == 1
    assert "secret" not in str(refused.value)


def test_an_address_where_nobody_answers_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0)
    with pytest.raises(OSError, match="the download stopped after 0 bytes"):
        download("http://127.0.0.1:9/backup-1.tar.bz2", tmp_path)


def test_the_address_does_not_choose_the_folder(server: Server, tmp_path: Path) -> None:
    for end in ("a/..", "%2e%2e", "x%2f..%2f..%2fetc", ""):
        path = download(server.url.replace("backup-1.tar.bz2", end), tmp_path / "downloads")
        assert path.parent.parent == tmp_path / "downloads"
        assert path.is_file()


def test_files_of_one_name_from_two_addresses_are_two(server: Server, tmp_path: Path) -> None:
    """Else the second server would be asked whether the first one's file has changed, and might say no."""
    server.etag, server.modified = None, "Mon, 02 Feb 2026 00:00:00 GMT"
    first = download(server.url, tmp_path)
    server.content = b"another"
    second = download(server.url.replace("/public/", "/2024/"), tmp_path)
    assert (first.read_bytes(), second.read_bytes()) == (CONTENT, b"another")
    assert first.name == second.name


def test_a_new_signature_is_not_a_new_address(server: Server, tmp_path: Path) -> None:
    assert download(server.url, tmp_path) == download(server.url + "2", tmp_path)
    assert server.requests == [{}, {"If-None-Match": '"version 1"'}]


@pytest.mark.parametrize(
    "url",
    [
        "http://user:hunter2@127.0.0.1/backup.tar.bz2",
        "http://hunter2@127.0.0.1:9/backup.tar.bz2",
        "http://127.0.0.1:hunter2/backup.tar.bz2",
        "http://127.0.0.1:9/a b.tar.bz2?sig=hunter2",
        "http://127.0.0.1:9/b\n.tar.bz2?sig=hunter2",
        "http://127.0.0.1:9/\u00e4.tar.bz2?sig=hunter2",
        "http://[hunter2/backup.tar.bz2",
        "http:///backup.tar.bz2?sig=hunter2",
        "file:///hunter2",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_unseen(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValueError, match=r"expected an address http\(s\)://host") as refused:
        download(url, tmp_path)
    assert "hunter2" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("location", ["http://127.0.0.1:hunter2/", "file:///hunter2"])
def test_a_redirection_shows_no_address(server: Server, tmp_path: Path, location: str) -> None:
    server.location = location
    with pytest.raises(OSError, match=r"backup-1\.tar\.bz2: the server (answered 302|redirects to an)") as refused:
        download(server.url, tmp_path)
    assert "hunter2" not in str(refused.value)
