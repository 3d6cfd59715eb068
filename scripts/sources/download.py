"""Download a file so that an interruption costs only the bytes that had not arrived."""

import hashlib
import re
import time
import urllib.request
from http.client import HTTPException, HTTPResponse, InvalidURL
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

CHUNK_BYTES: Final = 2**18
TIMEOUT_SECONDS: Final = 60
FRUITLESS_ATTEMPTS: Final = 5
"""Attempts in a row without new bytes before giving up."""
WAIT_SECONDS = 2.0
"""Between attempts; a restarting server is back after a few."""


def download(url: str, folder: Path) -> Path:
    """Fetch `url` into `folder`, under its own name; an existing file is fetched again only if it has changed.

    Each address has a folder of its own. Its query does not count: it can be a signature that differs in every call.
    Bytes that have arrived are kept, with the validator that the server gave for them (RFC 9110, sections 8.8 and 14),
    and the next attempt, in this call or a later one, completes them.

    Raises:
        OSError: the server refuses, cannot be reached, or repeatedly stops sending.
        ValueError: `url` is not an http(s) address, or names a user; it is not shown, as it may hold a secret.
    """
    _check_address(url)
    folder = folder / hashlib.sha256(url.partition("?")[0].encode()).hexdigest()[:12]
    name = PurePosixPath(unquote(urlsplit(url).path)).name.replace("..", "") or "download"
    folder.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        transfer = _Transfer(url, folder / name, progress, progress.add_task(f"downloading {name}", total=None))
        furthest, fruitless = transfer.arrived(), 0
        while not transfer.attempt():
            fruitless = 0 if transfer.arrived() > furthest else fruitless + 1
            furthest = max(furthest, transfer.arrived())
            if fruitless == FRUITLESS_ATTEMPTS:
                raise OSError(
                    f"{name}: the download stopped after {furthest} bytes ({transfer.problem}); what has arrived is "
                    "kept, and the same command resumes"
                )
            time.sleep(WAIT_SECONDS)
    return folder / name


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its message would quote what stands in place of the port
        usable = False
    if not usable or "@" in parts.netloc or not all("!" <= character <= "~" for character in url):
        raise ValueError(
            "expected an address http(s)://host[:port]/path of printable ASCII characters, without a user; "
            "got another kind"
        )


class _Transfer:
    """The attempts at one file. The validator lies beside the file, or beside its part until the file is complete."""

    def __init__(self, url: str, path: Path, progress: Progress, task: TaskID) -> None:
        self.problem = ""
        self._url, self._path, self._progress, self._task = url, path, progress, task
        self._part = path.with_name(path.name + ".part")
        self._validator = path.with_name(path.name + ".validator")

    def arrived(self) -> int:
        """Bytes of the part that can be completed."""
        return self._part.stat().st_size if self._part.is_file() and self._validator.is_file() else 0

    def attempt(self) -> bool:
        """Whether the file is now complete; if not, `problem` says why."""
        request = urllib.request.Request(self._url, headers=self._conditions())  # noqa: S310 (the scheme is checked)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
                expected = self._receive(response)
        except HTTPError as answer:
            answer.close()
            if answer.code == 304:
                return True
            if answer.code == 416:  # the part is not of the file that the server has now
                self._start_over()
            elif answer.code < 500:
                # Without its reason: that of a redirect is an address, which may hold a secret.
                raise OSError(f"{self._path.name}: the server answered {answer.code}") from None
            self.problem = f"the server answered {answer.code}"
            return False
        except InvalidURL:
            raise OSError(f"{self._path.name}: the server redirects to an address that cannot be used") from None
        except (URLError, ConnectionError, TimeoutError, HTTPException) as error:
            self.problem = str(error)
            return False
        if expected is not None and self._part.stat().st_size != expected:
            self.problem = f"expected {expected} bytes"
            return False
        self._part.replace(self._path)
        return True

    def _conditions(self) -> dict[str, str]:
        if not self._validator.is_file():
            return {}
        validator = self._validator.read_text()
        if self._part.is_file():
            return {"Range": f"bytes={self.arrived()}-", "If-Range": validator}
        if self._path.is_file():
            return {"If-None-Match" if validator.startswith('"') else "If-Modified-Since": validator}
        return {}

    def _receive(self, response: HTTPResponse) -> int | None:
        """Append to the part, or start it over; return the file's size in bytes, if the server says it."""
        start, total = 0, response.headers["Content-Length"]
        if response.status == 206:
            content_range = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers["Content-Range"] or "")
            if content_range is None or int(content_range[1]) != self.arrived():
                self._start_over()
                raise HTTPException(f"got {response.headers['Content-Range']} instead of what is missing")
            start, total = int(content_range[1]), content_range[2]
        else:
            self._keep_validator(response)
        self._progress.update(self._task, completed=start, total=int(total) if total else None)
        with self._part.open("ab" if start else "wb") as file:
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                self._progress.advance(self._task, len(chunk))
        return int(total) if total else None

    def _keep_validator(self, response: HTTPResponse) -> None:
        """A weak ETag does not promise the same bytes."""
        etag = response.headers["ETag"] or ""
        validator = etag if etag.startswith('"') else response.headers["Last-Modified"]
        self._start_over()
        self._part.touch()  # before the validator, or a crash could leave it beside the file of an earlier download
        if validator:
            self._validator.write_text(validator)

    def _start_over(self) -> None:
        self._part.unlink(missing_ok=True)
        self._validator.unlink(missing_ok=True)
