"""Bring what was published in S3 to the cache: the index, whenever there is another, and the model, once.

Several containers share the cache. Whoever downloads holds a lock on it, which the file system takes back from a
process that is killed; the others find the file there when they get the lock. Each download has a folder of its own,
and a file is put in place by renaming it once it is whole and verified. So the lock only spares downloads: where it
cannot be had in time, as its holder was frozen, nothing breaks without it.
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
from incidents.index.file import load_index
from incidents.index.incident_index import IncidentIndex, is_foreign
from incidents.model.manifest import MANIFEST_FILENAME, file_sha256, read_files
from incidents.names import INDEX_FILENAME, WEIGHTS_FILENAME

CONNECT_TIMEOUT_SECONDS: Final = 1
READ_TIMEOUT_SECONDS: Final = 5
"""For one read from S3, of which a download has many."""
LOCK_TIMEOUT_SECONDS: Final = 20
"""Longer than an index takes to download."""

SHA256_KEY: Final = "sha256"
FINGERPRINT_KEY: Final = "fingerprint"
"""The object's metadata: of the index's file, in hex, and of the encoder; `scripts/publish_index.py` writes them."""

TEMPORARY: Final = ".download-"


@dataclass(frozen=True)
class FetchedIndex:
    """What is published now; `index` is None where that is the version that was known already."""

    etag: str
    index: IncidentIndex | None


class Bucket:
    """The S3 bucket that indexes and models are published in."""

    def __init__(self, name: str) -> None:
        self._name = name

    def fetch_index(self, target: Path, etag: str | None, version: str, fingerprint: str | None) -> FetchedIndex | None:
        """Bring `target` up to the published index; None if that still has this ETag, or if nothing is published.

        `version` is that of the index in service, which is not loaded again, and `fingerprint` that of the encoder
        which the index has to be of, None if any will do.

        Raises:
            InvalidIndexError: what is published is not a usable index of that encoder; `target` is as it was.
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: S3 could not be asked.
            OSError: the cache cannot be written.
        """
        head = self._head(INDEX_FILENAME, etag)
        if head is None:
            return None
        sha256 = head["Metadata"].get(SHA256_KEY, "")
        if not sha256:
            raise InvalidIndexError(target, f"the published one has no {SHA256_KEY} in its metadata; publish it anew")
        if is_foreign(head["Metadata"].get(FINGERPRINT_KEY), fingerprint):
            raise InvalidIndexError(target, "the published one is of another encoder; publish one of this")
        if version and sha256.startswith(version):
            return FetchedIndex(head["ETag"], None)
        if _holds(target, sha256):
            return FetchedIndex(head["ETag"], _load(target, fingerprint))
        target.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(target):
            if not _holds(target, sha256):
                with _temporary_folder(target) as folder:
                    file = folder / target.name
                    self._download(
                        INDEX_FILENAME, file, **{name: head[name] for name in ("VersionId",) if name in head}
                    )
                    if file_sha256(file) != sha256:
                        problem = "the published one is not what its checksum says; publish it anew"
                        raise InvalidIndexError(target, problem)
                    index = _load(file, fingerprint)
                    file.replace(target)
                return FetchedIndex(head["ETag"], index)
        return FetchedIndex(head["ETag"], _load(target, fingerprint))

    def fetch_model(self, prefix: str, target: Path) -> None:
        """Bring a published model folder to `target`, if its weights are not there yet.

        Raises:
            InvalidModelError: it could not be fetched, or what is published is not what its manifest says.
        """
        weights = target / WEIGHTS_FILENAME
        try:
            target.mkdir(parents=True, exist_ok=True)
            with _only_one(weights), _temporary_folder(weights) as folder:
                if not weights.is_file():
                    self._fetch_model(prefix, target, folder)
        except InvalidModelError:
            raise
        except Exception as error:  # whatever S3's client or the file system raise
            raise InvalidModelError(weights, f"missing, and could not be fetched: {explain(error)}") from error

    def _fetch_model(self, prefix: str, target: Path, folder: Path) -> None:
        manifest = target / MANIFEST_FILENAME
        self._download(f"{prefix}/{MANIFEST_FILENAME}", folder / MANIFEST_FILENAME)
        files = read_files(folder)
        if WEIGHTS_FILENAME not in files:
            raise InvalidModelError(manifest, f"expected {WEIGHTS_FILENAME} among the files it lists")
        for name, sha256 in files.items():
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise InvalidModelError(manifest, "expected files inside the folder, got another path")
            self._download(f"{prefix}/{name}", folder / name)
            if file_sha256(folder / name) != sha256:
                raise InvalidModelError(target / name, "the published one is not what the manifest says")
        # The weights last: whoever finds them takes the folder to be complete.
        for name in sorted([*files, MANIFEST_FILENAME], key=lambda name: name == WEIGHTS_FILENAME):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).replace(target / name)

    @cached_property
    def _s3(self) -> Any:
        """A client that gives up soon: the next look is never far."""
        import boto3  # noqa: PLC0415 (takes longer to import than most requests, and many need no S3)
        from botocore.config import Config  # noqa: PLC0415

        timeouts = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "read_timeout": READ_TIMEOUT_SECONDS}
        return boto3.client("s3", config=Config(**timeouts, retries={"total_max_attempts": 1}))

    def _head(self, key: str, etag: str | None) -> Any:
        """What S3 says of an object, or None if there is none or it still is that of `etag`."""
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
    """What can be said of an error to a caller: no path, no bucket."""
    if isinstance(error, InvalidIndexError | InvalidModelError):
        return str(error)
    if response := getattr(error, "response", None):  # a ClientError of S3's
        return f"S3 answered {response['ResponseMetadata']['HTTPStatusCode']} {response['Error'].get('Code', '')}"
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


def _load(file: Path, fingerprint: str | None) -> IncidentIndex:
    index = load_index(file)
    if is_foreign(index.encoder.fingerprint, fingerprint):
        raise InvalidIndexError(file, "the published one is of another encoder; publish one of this")
    return index


def _holds(file: Path, sha256: str) -> bool:
    return file.is_file() and file_sha256(file) == sha256


@contextmanager
def _only_one(target: Path) -> Iterator[None]:
    """Hold the lock on a file of the cache among all containers; without it, if it cannot be had in time."""
    lock = FileLock(target.with_name(f".{target.name}.lock"), timeout=LOCK_TIMEOUT_SECONDS, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        yield
        return
    try:
        for left_behind in target.parent.glob(f"{TEMPORARY}{target.name}-*"):  # by holders that were killed
            shutil.rmtree(left_behind, ignore_errors=True)
        yield
    finally:
        lock.release()


@contextmanager
def _temporary_folder(target: Path) -> Iterator[Path]:
    """A folder beside `target`, on the same file system."""
    prefix = f"{TEMPORARY}{target.name}-"
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=prefix, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
