"""Keep one index in service: the newest that was published, or else the last good one."""

import logging
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from time import monotonic
from typing import Final

from incidents.errors import InvalidIndexError
from incidents.index import IncidentIndex
from incidents.measurements import note, timed
from incidents.published import Bucket

PATIENCE_SECONDS: Final = 2.0
"""Longest that a request waits for a newer index; what takes longer goes on while the old one answers."""

# Below the logger that api sets up, so that it is written in the same form.
logger = logging.getLogger("similar-incidents.index")


class IndexKeeper:
    """The index in service, of the encoder that answers.

    It is found in `files`, the best first, and replaced in one step by what is published as `key` in `bucket` (None:
    nothing is). That is looked for no more often than every `refresh_seconds`, and kept in the first of `files`.
    Whatever fails there leaves the last good index in service, and is in `problem` until it succeeds.
    """

    def __init__(self, files: list[Path], bucket: Bucket | None, key: str, refresh_seconds: float) -> None:
        self.problem: str | None = None
        self._files = files
        self._bucket = bucket
        self._key = key
        self._refresh_seconds = refresh_seconds
        self._current: IncidentIndex | None = None
        self._fingerprint: str | None = None
        self._etag: str | None = None
        self._failures = 0
        self._start = Lock()
        self._started_at: float | None = None
        self._refresh: Thread | None = None

    def index(self, fingerprint: str | None) -> IncidentIndex:
        """The best index there is: of the encoder with this fingerprint, if one is given and there is such an index.

        Raises:
            InvalidIndexError: there is no usable index.
        """
        if fingerprint is not None:
            self._fingerprint = fingerprint
        self.start_refresh()
        self._wait()
        current = self._current
        if current is None or self._is_foreign(current):
            self._current = current = self._find()
        return current

    def start_refresh(self) -> None:
        """Begin to look for a newer index if it is time to; `index` waits for it, but not long."""
        if self._bucket is None:
            return
        if self._current is None:  # first, as what is published has to be of the same encoder
            with suppress(InvalidIndexError):
                self._current = self._find()
        with self._start:
            now = monotonic()
            due = self._started_at is None or now - self._started_at >= self._refresh_seconds
            if due and (self._refresh is None or not self._refresh.is_alive()):
                self._started_at = now
                self._refresh = Thread(target=self._run_refresh, args=(self._bucket,), daemon=True)
                self._refresh.start()

    def _wait(self) -> None:
        if self._refresh is not None and self._started_at is not None:
            self._refresh.join(max(0.0, self._started_at + PATIENCE_SECONDS - monotonic()))
            failures, self._failures = self._failures, 0
            if failures:
                note("refresh_failures", failures)

    def _run_refresh(self, bucket: Bucket) -> None:
        try:
            fetched = bucket.fetch_index(self._key, self._files[0], self._etag, self._check)
        except Exception as error:  # whatever it is, requests go on to be answered from the index there is
            self.problem = _in_public(error)
            self._failures += 1
            logger.warning("the index could not be brought up to date: %s", self.problem, exc_info=True)
        else:
            self.problem = None
            if fetched is not None:
                self._etag, self._current = fetched
                logger.info("index %s is in service", self._current.version)

    def _check(self, index: IncidentIndex) -> None:
        if self._is_foreign(index):
            raise InvalidIndexError(self._files[0], "the published one is of another encoder; publish it anew")

    def _is_foreign(self, index: IncidentIndex) -> bool:
        """Whether an index is of another encoder than the one that answers; before that, than the one in service."""
        known = self._fingerprint or (self._current.encoder.fingerprint if self._current is not None else None)
        return known is not None and index.encoder.fingerprint != known

    def _find(self) -> IncidentIndex:
        """The first usable file of the right encoder; before an encoder is known, that of the last file's index.

        Raises:
            InvalidIndexError: there is none.
        """
        found: list[IncidentIndex] = []
        problems: list[InvalidIndexError] = []
        for file in self._files:
            try:
                with timed("load_index_ms"):
                    found.append(IncidentIndex.load(file))
            except InvalidIndexError as error:
                problems.append(error)
                if file.exists():
                    logger.warning("an index was passed over: %s", error, extra={"path": str(error.path)})
        if not found:
            raise next((problem for problem in problems if problem.path.exists()), problems[-1])
        known = self._fingerprint or found[-1].encoder.fingerprint
        return next((index for index in found if index.encoder.fingerprint == known), found[-1])


def _in_public(error: Exception) -> str:
    """What can be said of an error to a caller: no path, no bucket."""
    if isinstance(error, InvalidIndexError):
        return str(error)
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__
