"""Publish an index in S3, from where running Lambda functions take it, or bring an earlier one back.

Nothing is replaced that was not looked at: an index of another encoder, or with far fewer incidents than the published
one, is refused unless it is forced, and nothing replaces what somebody else published meanwhile.
"""

import argparse
import base64
import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from incidents.errors import InvalidIndexError
from incidents.index.file import load_index
from incidents.names import INDEX_FILENAME
from incidents.store.bucket import FINGERPRINT_KEY, SHA256_KEY
from scripts.cli.paths import MODEL_FOLDER

ROLLED_BACK_KEY: Final = "rolled-back-to"
"""In the metadata of what a rollback published: the version that it was, before which the next rollback looks."""
DEFAULT_MAX_LOSS_PERCENT: Final = 10
"""Incidents that may be missing: the database merges duplicates now and then, but never many at once."""


class RefusedError(Exception):
    """The index must not be published; the message says why."""


def main() -> int:
    """Run the command line; the exit status is 0 when the index is published, 1 when not, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path, nargs="?", help=f"default: {MODEL_FOLDER / INDEX_FILENAME}")
    parser.add_argument("--bucket", default=os.environ.get("INDEX_BUCKET"), help="default: the variable INDEX_BUCKET")
    parser.add_argument("--key", default=os.environ.get("INDEX_KEY") or INDEX_FILENAME, help="default: %(default)s")
    parser.add_argument(
        "--max-loss-percent",
        type=percentage,
        default=DEFAULT_MAX_LOSS_PERCENT,
        metavar="N",
        help="refuse an index with over N %% fewer incidents than the published one (default: %(default)s)",
    )
    parser.add_argument("--force", action="store_true", help="publish whatever is published now")
    parser.add_argument(
        "--rollback",
        nargs="?",
        const="",
        metavar="VERSION",
        help="instead, publish this version again (default: the newest that differs from what is published; after a "
        "rollback, one older than what that brought back)",
    )
    arguments = parser.parse_args()
    if arguments.rollback is not None and arguments.index is not None:
        parser.error("expected an index to publish or --rollback, got both")
    if not arguments.bucket:
        parser.error("expected --bucket or the variable INDEX_BUCKET to name the bucket")
    try:
        published = PublishedIndex(arguments.bucket, arguments.key)
        if arguments.rollback is None:
            index = arguments.index or MODEL_FOLDER / INDEX_FILENAME
            print(published.publish(index, arguments.max_loss_percent, force=arguments.force))
        else:
            print(published.roll_back(arguments.rollback, arguments.max_loss_percent, force=arguments.force))
    except (RefusedError, InvalidIndexError, BotoCoreError, ClientError) as error:
        print(f"Not published: {error}", file=sys.stderr)
        return 1
    return 0


def percentage(text: str) -> float:
    """An argument from 0 to 100.

    Raises:
        argparse.ArgumentTypeError: it is something else, such as nan, with which nothing would ever be refused.
    """
    try:
        if 0 <= (value := float(text)) <= 100:
            return value
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"expected a number from 0 to 100, got {text!r}")


class PublishedIndex:
    """The index that is published under a key, and its earlier versions."""

    def __init__(self, bucket: str, key: str) -> None:
        self._where = {"Bucket": bucket, "Key": key}
        self._s3 = boto3.client("s3")

    def publish(self, file: Path, max_loss_percent: float, *, force: bool) -> str:
        """Publish a file, unless it already is; gives a sentence that says what was done.

        Raises:
            InvalidIndexError: the file is not a usable index.
            RefusedError: it must not replace what is published.
        """
        return self._replace(self._head(), file, max_loss_percent, force=force)

    def _replace(self, current: Any, file: Path, max_loss_percent: float, *, force: bool, version: str = "") -> str:
        """Publish a file, which may be that of an earlier `version`, in the place of `current` and of nothing else."""
        index = load_index(file)
        content = file.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        if not sha256.startswith(index.version):
            raise RefusedError(f"{file} was replaced while it was looked at; try again")
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
                _compare(current["Metadata"], metadata, max_loss_percent)
        put = self._put(content, metadata, current)
        return f"Published index {index.version} with {len(index)} incidents as version {put}."

    def roll_back(self, version: str, max_loss_percent: float, *, force: bool) -> str:
        """Publish an earlier version again; gives a sentence that says what was done.

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

    def _head(self) -> Any:
        """What is published, or None."""
        try:
            return self._s3.head_object(**self._where)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise

    def _earlier_versions(self, than: str | None) -> list[str]:
        """The ids of the versions before the one that is named, or else before the present one; the newest first."""
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self._where["Bucket"], Prefix=self._where["Key"]
        )
        versions = [version for page in pages for version in page.get("Versions", [])]
        earlier = [v["VersionId"] for v in versions if v["Key"] == self._where["Key"] and not v["IsLatest"]]
        if than is None:
            return earlier
        # Where it has expired, all that are older have too.
        return earlier[earlier.index(than) + 1 :] if than in earlier else []

    def _put(self, content: bytes, metadata: dict[str, str], replaced: Any) -> str:
        """Put an object in the place of the one that was looked at, and of no other; gives its version."""
        condition = {"IfMatch": replaced["ETag"]} if replaced is not None else {"IfNoneMatch": "*"}
        checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
        try:
            put = self._s3.put_object(
                **self._where, Body=content, Metadata=metadata, ChecksumSHA256=checksum, **condition
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in {"PreconditionFailed", "ConditionalRequestConflict"}:
                raise RefusedError("another index was published meanwhile; look at it and try again") from error
            raise
        return str(put.get("VersionId", "null"))


def _compare(published: dict[str, str], new: dict[str, str], max_loss_percent: float) -> None:
    """Raise RefusedError if the new index must not replace the published one."""
    if missing := {SHA256_KEY, FINGERPRINT_KEY, "incidents"} - published.keys():
        raise RefusedError(f"what is published does not say its {', '.join(sorted(missing))}; --force replaces it")
    if published[FINGERPRINT_KEY] != new[FINGERPRINT_KEY]:
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


if __name__ == "__main__":
    sys.exit(main())
