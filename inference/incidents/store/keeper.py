"""Keep one index in service: the newest published one, or the last good one."""

import logging
from pathlib import Path
from threading import Lock, Thread
from time import monotonic
from typing import Final

from incidents.errors import InvalidIndexError
from incidents.index.encoder_info import is_foreign
from incidents.index.file import load_index
from incidents.index.incident_index import IncidentIndex
from incidents.measurements import note, timed
from incidents.names import SERVICE
from incidents.store.bucket import Bucket, explain

PATIENCE_SECONDS: Final = 2.0
"""Maximum time that requests wait for a newer index; a slower download continues while the old index answers."""

# A child of the logger of `http.log`, so that its lines have the same form.
logger = logging.getLogger(f"{SERVICE}.index")


class IndexKeeper:
    """The index in service.

    The first index comes from `files`, best first. The keeper checks `bucket` for a newer index at most every
    `refresh_seconds`, saves it as the first of `files` and swaps it in atomically; `bucket=None` disables this. After a
    failed check, the last good index stays in service, and `problem` says why until a check succeeds.
    """

    def __init__(self, files: list[Path], bucket: Bucket | None, refresh_seconds: float) -> None:
        self.problem: str | None = None
        self._files = files
        self._bucket = bucket
        self._refresh_seconds = refresh_seconds
        self._lock = Lock()
        # The lock guards the index in service, its ETag, the encoder's fingerprint, and the state of the last check.
        self._current: IncidentIndex | None = None
        self._etag: str | None = None
        self._fingerprint: str | None = None
        self._failures = 0
        self._started_at: float | None = None
        self._refresh: Thread | None = None

    def index(self, fingerprint: str | None) -> IncidentIndex:
        """The index in service, preferring one built by the encoder with this fingerprint.

        Raises:
            InvalidIndexError: no index is usable.
        """
        self.start_refresh(fingerprint)
        self._wait()
        current = self._current
        if current is None or self._is_foreign(current):
            found = self._find()
            with self._lock:
                if self._current is current:  # otherwise a newer one is in service by now
                    self._current = found
                return self._current or found
        return current

    def start_refresh(self, fingerprint: str | None) -> None:
        """Start a check for a newer index, if one is due; `index` waits for it at most PATIENCE_SECONDS."""
        with self._lock:
            checking = self._refresh is not None and self._refresh.is_alive()
            if fingerprint not in (None, self._fingerprint):  # a refused index may suit this encoder
                self._fingerprint, self._etag = fingerprint, None
                self._started_at = self._started_at if checking else None
            if self._bucket is None or checking:
                return
            now = monotonic()
            if self._started_at is None or now - self._started_at >= self._refresh_seconds:
                refresh = Thread(target=self._check, args=(self._bucket,), daemon=True)
                refresh.start()
                self._refresh, self._started_at = refresh, now

    def _wait(self) -> None:
        with self._lock:
            refresh, started_at = self._refresh, self._started_at
        if refresh is not None and started_at is not None:
            refresh.join(max(0.0, started_at + PATIENCE_SECONDS - monotonic()))
        with self._lock:
            failures, self._failures = self._failures, 0
        if failures:
            note("refresh_failures", failures)

    def _check(self, bucket: Bucket) -> None:
        with self._lock:
            etag, fingerprint = self._etag, self._fingerprint
            current = self._current
            version = "" if current is None or self._is_foreign(current) else current.version
        try:
            fetched = bucket.fetch_index(self._files[0], etag, version, fingerprint)
        except Exception as error:  # the last good index still answers
            self.problem = explain(error)
            with self._lock:
                self._failures += 1
            logger.warning("the index could not be brought up to date: %s", self.problem, exc_info=True)
            return
        self.problem = None
        if fetched is None:
            return
        with self._lock:  # the encoder may have become known
            newest = fetched.index or self._current
            if newest is None or self._is_foreign(newest):
                return
            self._etag, self._current = fetched.etag, newest
        if fetched.index is not None:
            logger.info("index %s is in service", fetched.index.version)

    def _is_foreign(self, index: IncidentIndex) -> bool:
        return is_foreign(index.encoder.fingerprint, self._fingerprint)

    def _find(self) -> IncidentIndex:
        """Load the first index of the right encoder; without one, the first usable index, so that errors can name it.

        Raises:
            InvalidIndexError: no file is usable.
        """
        foreign: list[IncidentIndex] = []
        problems: list[InvalidIndexError] = []
        for file in self._files:
            try:
                with timed("load_index_ms"):
                    index = load_index(file)
            except InvalidIndexError as error:
                problems.append(error)
                if file.exists() and file != self._files[-1]:
                    logger.warning("skipped an index: %s", error, extra={"path": str(error.path)})
                continue
            if not self._is_foreign(index):
                return index
            foreign.append(index)
        if foreign:
            return foreign[0]
        raise next((problem for problem in problems if problem.path.exists()), problems[-1])
