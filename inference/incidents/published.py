"""Bring what was published in S3 to the cache: the index, whenever there is another, and the model, once.

Several containers share the cache. Whoever downloads holds a lock on it, which the file system takes back from a
process that is killed; the others find the file there when they get the lock. A file is put in place by renaming it
once it is whole and verified, so whatever happens, the cache has the last good one.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Final

from filelock import FileLock

from incidents.errors import InvalidIndexError, InvalidModelError
from incidents.index import IncidentIndex
from incidents.model_folder import MANIFEST_FILENAME, read_manifest

CONNECT_TIMEOUT_SECONDS: Final = 1
READ_TIMEOUT_SECONDS: Final = 5
"""For one read from S3, of which a download has many."""

SHA256_KEY: Final = "sha256"
"""The object's metadata that has the SHA-256 of an index in hex; `scripts/publish_index.py` writes it."""

TEMPORARY: Final = ".download-"


class Bucket:
    """The S3 bucket that indexes and models are published in."""

    def __init__(self, name: str) -> None:
        self._name = name

    def fetch_index(
        self, key: str, target: Path, etag: str | None, check: Callable[[IncidentIndex], None]
    ) -> tuple[str, IncidentIndex] | None:
        """Bring `target` up to the published index; gives its ETag and the index, or None if it is that of `etag`.

        Raises:
            InvalidIndexError: what is published is not a usable index, or `check` raised it; `target` is as it was.
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: S3 could not be asked.
            OSError: the cache cannot be written.
        """
        head = self._head(key, etag)
        if head is None:
            return None
        sha256 = head["Metadata"].get(SHA256_KEY)
        if sha256 is None:
            raise InvalidIndexError(target, f"the published one has no {SHA256_KEY} in its metadata; publish it anew")
        target.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(target):
            if target.is_file() and _sha256(target) == sha256:
                index = IncidentIndex.load(target)
                check(index)
                return head["ETag"], index
            with _temporary_folder(target) as folder:
                file = folder / target.name
                self._download(key, file, **{name: head[name] for name in ("VersionId",) if name in head})
                if _sha256(file) != sha256:
                    raise InvalidIndexError(target, "the published one is not what its checksum says; publish it anew")
                index = IncidentIndex.load(file)
                check(index)
                file.replace(target)
        return head["ETag"], index

    def fetch_model(self, prefix: str, target: Path, weights_filename: str) -> None:
        """Bring a published model folder to `target`, if its weights are not there yet.

        Raises:
            InvalidModelError: what is published is not what its manifest says.
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: S3 could not be asked.
            OSError: the cache cannot be written.
        """
        weights, manifest = target / weights_filename, target / MANIFEST_FILENAME
        target.mkdir(parents=True, exist_ok=True)
        with _only_one(weights), _temporary_folder(weights) as folder:
            if weights.is_file():
                return
            self._download(f"{prefix}/{MANIFEST_FILENAME}", folder / MANIFEST_FILENAME)
            files = read_manifest(folder)
            if weights_filename not in files:
                raise InvalidModelError(manifest, f"expected {weights_filename} among the files it lists")
            for name, sha256 in files.items():
                if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                    raise InvalidModelError(manifest, "expected files inside the folder, got another path")
                self._download(f"{prefix}/{name}", folder / name)
                if _sha256(folder / name) != sha256:
                    raise InvalidModelError(target / name, "the published one is not what the manifest says")
            # The weights last: whoever finds them takes the folder to be complete.
            for name in sorted([*files, MANIFEST_FILENAME], key=lambda name: name == weights_filename):
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
        """What S3 says of an object, or None if it still is that of `etag`."""
        from botocore.exceptions import ClientError  # noqa: PLC0415

        try:
            return self._s3.head_object(Bucket=self._name, Key=key, **({"IfNoneMatch": etag} if etag else {}))
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 304:
                return None
            raise

    def _download(self, key: str, file: Path, **version: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        body = self._s3.get_object(Bucket=self._name, Key=key, **version)["Body"]
        with file.open("wb") as output:
            shutil.copyfileobj(body, output, 2**20)
            output.flush()
            os.fsync(output.fileno())


@contextmanager
def _only_one(target: Path) -> Iterator[None]:
    """Hold the lock on a file of the cache among all containers, however long another one downloads."""
    with FileLock(target.with_name(f".{target.name}.lock")):
        yield


@contextmanager
def _temporary_folder(target: Path) -> Iterator[Path]:
    """A folder beside `target`, for the holder of its lock; those of holders that were killed are removed."""
    prefix = f"{TEMPORARY}{target.name}-"
    for left_behind in target.parent.glob(f"{prefix}*"):
        shutil.rmtree(left_behind)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=prefix) as folder:
        yield Path(folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
