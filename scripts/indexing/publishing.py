"""Publish an index in S3, where running Lambda functions find it, or bring an earlier version back.

Nothing is replaced blindly: an index of another encoder, or with far fewer incidents than the published one, is refused
unless forced, and an index that someone else published in the meantime is never overwritten.
"""

import base64
import hashlib
import tempfile
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.exceptions import ClientError

from incidents.index.encoder_info import is_foreign
from incidents.index.file import load_index
from incidents.names import INDEX_FILENAME
from incidents.store.bucket import FINGERPRINT_KEY, SHA256_KEY

ROLLED_BACK_KEY: Final = "rolled-back-to"
"""Metadata of what a rollback published: the version that it brought back. The next rollback looks before that one."""
DEFAULT_MAX_LOSS_PERCENT: Final = 10.0
"""Incidents that may be missing, in percent: the database merges duplicates now and then, but never many at once."""


class RefusedError(Exception):
    """The index must not be published; the message says why."""


class PublishedIndex:
    """The published index of a bucket, and its earlier versions."""

    def __init__(self, bucket: str) -> None:
        self._where = {"Bucket": bucket, "Key": INDEX_FILENAME}
        self._s3 = boto3.client("s3")

    def publish(self, file: Path, max_loss_percent: float, *, force: bool) -> str:
        """Publish a file, unless it is the published one; return a sentence that says what was done.

        Raises:
            InvalidIndexError: the file is not a usable index.
            RefusedError: it must not replace what is published.
        """
        return self._replace(self._head(), file, max_loss_percent, force=force)

    def roll_back(self, version: str, max_loss_percent: float, *, force: bool) -> str:
        """Publish an earlier version again; return a sentence that says what was done.

        `version` "" is the newest version that differs from what is published; after a rollback, one that is older than
        the version that it brought back.

        Raises:
            InvalidIndexError: that version is not a usable index.
            RefusedError: there is no such version, or it must not replace what is published.
        """
        current = self._head()
        metadata = {} if current is None else current["Metadata"]
        known = metadata.get(SHA256_KEY)
        for candidate in [version] if version else self._earlier_versions(metadata.get(ROLLED_BACK_KEY)):
            try:
                earlier = self._s3.get_object(**self._where, VersionId=candidate)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] not in {400, 404}:
                    raise
                raise RefusedError(f"there is no version {candidate}") from error
            if version or known is None or earlier["Metadata"].get(SHA256_KEY) != known:
                with tempfile.TemporaryDirectory() as folder:
                    file = Path(folder) / f"version-{candidate}"
                    file.write_bytes(earlier["Body"].read())
                    first = earlier["Metadata"].get(ROLLED_BACK_KEY, candidate)
                    return self._replace(current, file, max_loss_percent, force=force, version=first)
        raise RefusedError("there is no earlier version that differs from what is published")

    def _replace(self, current: Any, file: Path, max_loss_percent: float, *, force: bool, version: str = "") -> str:
        """Publish a file, which may hold an earlier `version`, in place of exactly `current`."""
        index = load_index(file)
        content = file.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        if not sha256.startswith(index.version):
            raise RefusedError(f"{file} was replaced while it was read; try again")
        metadata = {
            SHA256_KEY: sha256,
            FINGERPRINT_KEY: index.encoder.fingerprint,
            "encoder": index.encoder.name.encode("ascii", "backslashreplace").decode(),
            "incidents": str(len(index)),
            "built-at": index.built_at,
        }
        if version:
            metadata[ROLLED_BACK_KEY] = version
        if current is not None:
            if current["Metadata"].get(SHA256_KEY) == metadata[SHA256_KEY]:
                return f"Index {index.version} with {len(index)} incidents already is the published one."
            if not force:
                _refuse_unlike(current["Metadata"], metadata, max_loss_percent)
        put = self._put(content, metadata, current)
        return f"Published index {index.version} with {len(index)} incidents as version {put}."

    def _head(self) -> Any:
        """What is published, or None."""
        try:
            return self._s3.head_object(**self._where)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise

    def _earlier_versions(self, than: str | None) -> list[str]:
        """The ids of the versions before `than`, or before the published one if it is None; the newest first."""
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self._where["Bucket"], Prefix=self._where["Key"]
        )
        versions = [version for page in pages for version in page.get("Versions", [])]
        earlier = [v["VersionId"] for v in versions if v["Key"] == self._where["Key"] and not v["IsLatest"]]
        if than is None:
            return earlier
        # If it has expired, all older ones have expired too.
        return earlier[earlier.index(than) + 1 :] if than in earlier else []

    def _put(self, content: bytes, metadata: dict[str, str], replaced: Any) -> str:
        """Replace exactly the object that `_head` saw; return the new version's id."""
        condition = {"IfMatch": replaced["ETag"]} if replaced is not None else {"IfNoneMatch": "*"}
        checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
        try:
            put = self._s3.put_object(
                **self._where, Body=content, Metadata=metadata, ChecksumSHA256=checksum, **condition
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in {"PreconditionFailed", "ConditionalRequestConflict"}:
                raise RefusedError("another index was published in the meantime; look at it and try again") from error
            raise
        return str(put.get("VersionId", "null"))


def _refuse_unlike(published: dict[str, str], new: dict[str, str], max_loss_percent: float) -> None:
    """Raise RefusedError if the new index must not replace the published one."""
    if missing := {SHA256_KEY, FINGERPRINT_KEY, "incidents"} - published.keys():
        raise RefusedError(
            f"the published object lacks {', '.join(sorted(missing))} in its metadata; --force replaces it"
        )
    if is_foreign(new[FINGERPRINT_KEY], published[FINGERPRINT_KEY]):
        raise RefusedError(
            f"expected an index of the published one's encoder ({published['fingerprint'][:12]}), got one of "
            f"{new['encoder']} ({new['fingerprint'][:12]}); --force replaces it, and running functions refuse it until "
            "they have that encoder"
        )
    try:
        before, after = int(published["incidents"]), int(new["incidents"])
    except ValueError as error:
        raise RefusedError("what is published has no number of incidents; --force replaces it") from error
    if after < before * (1 - max_loss_percent / 100):
        raise RefusedError(
            f"expected at most {max_loss_percent:g} % fewer incidents than the published {before}, got {after}; "
            "--force replaces it"
        )
