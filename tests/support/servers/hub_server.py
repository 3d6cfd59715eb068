"""A local server in place of the Hugging Face hub, with what its client needs to fetch files."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep

from support.servers.thread_server import in_thread

LARGE_BYTES = 10_000
"""Files of at least this size have the SHA-256 of their content as ETag, as in Git LFS; smaller ones git's SHA-1."""

BLOCK_BYTES = 4096


@dataclass
class Hub:
    """Files by URL path. Each number in `cuts` is the bytes after which the next answer is cut."""

    files: dict[str, bytes]
    cuts: list[int] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    seconds_per_block: float = 0.0
    status: int = 200
    url: str = ""


def etag(content: bytes) -> str:
    if len(content) >= LARGE_BYTES:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@contextmanager
def serving_hub(hub: Hub) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._begin()

        def do_GET(self) -> None:
            content = self._begin()
            if hub.cuts:
                content = content[: hub.cuts.pop(0)]
            for start in range(0, len(content), BLOCK_BYTES):
                self.wfile.write(content[start : start + BLOCK_BYTES])
                sleep(hub.seconds_per_block)

        def _begin(self) -> bytes:
            """Send the headers and return the body to send."""
            content = hub.files.get(self.path.partition("?")[0])
            if content is None or hub.status != 200:
                self.send_response(404 if hub.status == 200 else hub.status)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return b""
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
            start = int(asked[1]) if asked else 0
            self.send_response(206 if asked else 200)
            if asked:
                hub.ranges.append(f"{self.path.rpartition('/')[2]} from {start}")
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("ETag", f'"{etag(content)}"')
            self.send_header("X-Repo-Commit", self.path.split("/")[4])
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            return content[start:]

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    with in_thread(server):
        yield hub
