"""Fetch what is published in S3 to the cache: each newer index, and the model once.

Several containers share the cache. A container that downloads holds a lock; the others wait for it and then find the
file on the cache. The file system releases the lock of a killed process. Each download has its own folder on the
cache, and a verified file is moved into place atomically. The lock only avoids duplicate downloads. If it cannot be
acquired in time, for example because its holder is frozen, the download proceeds safely without it.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Final

from filelock import FileLock, Timeout

from incidents.errors import InvalidIndexError, InvalidModelError
from incidents.index.encoder_info import is_foreign
from incidents.index.file import load_index
from incidents.index.incident_index import IncidentIndex
from incidents.model.manifest import MANIFEST_FILENAME, file_sha256, read_files
from incidents.names import INDEX_FILENAME, WEIGHTS_FILENAME

CONNECT_TIMEOUT_SECONDS: Final = 1
READ_TIMEOUT_SECONDS: Final = 5
"""Per socket read; a download makes many."""
LOCK_TIMEOUT_SECONDS: Final = 20
"""Longer than the download of an index takes."""

SHA256_KEY: Final = "sha256"
FINGERPRINT_KEY: Final = "fingerprint"
"""Metadata of the published index: the SHA-256 of its file in hex, and its encoder's fingerprint.

`scripts/indexing/publishing.py` writes both."""

TEMPORARY: Final = ".download-"
"""How the names of temporary folders on the cache begin."""

OTHER_ENCODER: Final = "the published index is of another encoder; publish one built with the service's encoder"


@dataclass(frozen=True)
class FetchedIndex:
    """The published index and its ETag; `index` is None if it is the version already in service."""

    etag: str
    index: IncidentIndex | None


class Bucket:
    """The S3 bucket with the published index and models."""

    def __init__(self, name: str) -> None:
        self._name = name

    def fetch_index(self, target: Path, etag: str | None, version: str, fingerprint: str | None) -> FetchedIndex | None:
        """Fetch the published index to `target`, unless it is there already, and load it.

        Args:
            target: the index file on the cache.
            etag: the ETag of the last accepted index.
            version: the version of the index in service, which is not loaded again; may be empty.
            fingerprint: the encoder that must have built the index; None accepts any.

        Returns:
            None if the published index still has this ETag, or nothing is published.

        Raises:
            InvalidIndexError: the published index is unusable or of another encoder; `target` is unchanged.
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: the request to S3 failed.
            OSError: the cache is not writable.
        """
        head = self._head(INDEX_FILENAME, etag)
        if head is None:
            return None
        sha256 = head["Metadata"].get(SHA256_KEY, "")
        if not sha256:
            problem = f"the published index has no {SHA256_KEY} in its metadata; publish it again"
            raise InvalidIndexError(target, problem)
        if is_foreign(head["Metadata"].get(FINGERPRINT_KEY), fingerprint):
            raise InvalidIndexError(target, OTHER_ENCODER)
        if version and sha256.startswith(version):
            return FetchedIndex(head["ETag"], None)
        if not _holds(target, sha256):
            target.parent.mkdir(parents=True, exist_ok=True)
            with _locked(target):
                if not _holds(target, sha256):  # otherwise another container has downloaded it
                    return FetchedIndex(head["ETag"], self._fetch_index(head, target, fingerprint))
        return FetchedIndex(head["ETag"], _load(target, fingerprint))

    def fetch_model(self, prefix: str, target: Path) -> None:
        """Fetch a published model folder to `target`, unless its weights are there already.

        Raises:
            InvalidModelError: the download failed, or the published files do not match their manifest.
        """
        weights = target / WEIGHTS_FILENAME
        try:
            target.mkdir(parents=True, exist_ok=True)
            with _locked(weights), _temporary_folder(weights) as folder:
                if not weights.is_file():
                    self._fetch_model(prefix, target, folder)
        except InvalidModelError:
            raise
        except Exception as error:  # from the S3 client or the file system
            raise InvalidModelError(weights, f"missing, and the download failed: {explain(error)}") from error

    def _fetch_index(self, head: Any, target: Path, fingerprint: str | None) -> IncidentIndex:
        """Download the index, and put it in place once it is verified."""
        with _temporary_folder(target) as folder:
            file = folder / target.name
            self._download(INDEX_FILENAME, file, **{name: head[name] for name in ("VersionId",) if name in head})
            if file_sha256(file) != head["Metadata"][SHA256_KEY]:
                raise InvalidIndexError(target, "the published index does not match its checksum; publish it again")
            index = _load(file, fingerprint)
            file.replace(target)
        return index

    def _fetch_model(self, prefix: str, target: Path, folder: Path) -> None:
        manifest = target / MANIFEST_FILENAME
        self._download(f"{prefix}/{MANIFEST_FILENAME}", folder / MANIFEST_FILENAME)
        files = read_files(folder)
        if WEIGHTS_FILENAME not in files:
            raise InvalidModelError(manifest, f"expected {WEIGHTS_FILENAME} among the listed files")
        for name, sha256 in files.items():
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise InvalidModelError(manifest, "expected files inside the folder, got a path outside")
            self._download(f"{prefix}/{name}", folder / name)
            if file_sha256(folder / name) != sha256:
                raise InvalidModelError(target / name, "the published file does not match its checksum in the manifest")
        # The weights last, because a folder with weights counts as complete.
        for name in sorted([*files, MANIFEST_FILENAME], key=lambda name: name == WEIGHTS_FILENAME):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).replace(target / name)

    @cached_property
    def _s3(self) -> Any:
        """An S3 client that fails early, because the next check retries anyway."""
        import boto3  # noqa: PLC0415 (its import takes longer than most requests, and many need no S3)
        from botocore.config import Config  # noqa: PLC0415

        timeouts = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "read_timeout": READ_TIMEOUT_SECONDS}
        return boto3.client("s3", config=Config(**timeouts, retries={"total_max_attempts": 1}))

    def _head(self, key: str, etag: str | None) -> Any:
        """An object's headers from S3; None if it does not exist or still has this ETag."""
        from botocore.exceptions import ClientError  # noqa: PLC0415

        try:
            return self._s3.head_object(Bucket=self._name, Key=key, **({"IfNoneMatch": etag} if etag else {}))
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in {304, 404}:
                return None
            raise

    def _download(self, key: str, file: Path, **version: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        body = self._s3.get_object(Bucket=self._name, Key=key, **version)["Body"]
        with file.open("wb") as output:
            shutil.copyfileobj(body, output, 2**20)
            output.flush()
            os.fsync(output.fileno())


def explain(error: Exception) -> str:
    """Describe an error to a caller without naming a path or bucket."""
    if isinstance(error, InvalidIndexError | InvalidModelError):
        return str(error)
    if response := getattr(error, "response", None):  # a ClientError
        return f"S3 answered {response['ResponseMetadata']['HTTPStatusCode']} {response['Error'].get('Code', '')}"
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


def _load(file: Path, fingerprint: str | None) -> IncidentIndex:
    index = load_index(file)
    if is_foreign(index.encoder.fingerprint, fingerprint):
        raise InvalidIndexError(file, OTHER_ENCODER)
    return index


def _holds(file: Path, sha256: str) -> bool:
    return file.is_file() and file_sha256(file) == sha256


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Hold the lock on a file of the cache; if it cannot be acquired in time, run without it."""
    lock = FileLock(target.with_name(f".{target.name}.lock"), timeout=LOCK_TIMEOUT_SECONDS, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        yield
        return
    try:
        for left_behind in target.parent.glob(f"{TEMPORARY}{target.name}-*"):  # by killed holders
            shutil.rmtree(left_behind, ignore_errors=True)
        yield
    finally:
        lock.release()


@contextmanager
def _temporary_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target`: renaming into place works only within one file system."""
    prefix = f"{TEMPORARY}{target.name}-"
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=prefix, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
