"""Publish an index in S3, where running Lambda functions find it, or bring an earlier version back."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError

from incidents.errors import InvalidIndexError
from incidents.names import INDEX_FILENAME
from scripts.cli.arguments import Bucket, MaxLossPercent
from scripts.cli.command import make_app, reporting, run, verbatim
from scripts.cli.paths import MODEL_FOLDER
from scripts.indexing.publishing import DEFAULT_MAX_LOSS_PERCENT, PublishedIndex, RefusedError

EPILOG: Final = """\
Exit status:
  0  the index is published
  1  nothing was published
  2  the arguments are wrong
"""
Force = Annotated[bool, typer.Option("--force", help="Replace the published index without checks.")]
app = make_app(__doc__)


@app.command(epilog=verbatim(EPILOG))
def publish(
    bucket: Bucket,
    index: Annotated[Path, typer.Argument(help="The index to publish.")] = MODEL_FOLDER / INDEX_FILENAME,
    max_loss_percent: MaxLossPercent = DEFAULT_MAX_LOSS_PERCENT,
    force: Force = False,
) -> None:
    """Publish an index.

    An index of another encoder, or with far fewer incidents than the published one, is refused unless forced, and an
    index that someone else published in the meantime is never overwritten.
    """
    _print_done(lambda: PublishedIndex(bucket).publish(index, max_loss_percent, force=force))


@app.command(epilog=verbatim(EPILOG))
def rollback(
    bucket: Bucket,
    version: Annotated[
        str,
        typer.Argument(
            help="The version to bring back; default: the newest that differs from the published one, and after a "
            "rollback, one that is older than the version it brought back."
        ),
    ] = "",
    max_loss_percent: MaxLossPercent = DEFAULT_MAX_LOSS_PERCENT,
    force: Force = False,
) -> None:
    """Publish an earlier version again, with the same checks."""
    _print_done(lambda: PublishedIndex(bucket).roll_back(version, max_loss_percent, force=force))


def _print_done(job: Callable[[], str]) -> None:
    with reporting("Not published", (RefusedError, InvalidIndexError, BotoCoreError, ClientError)):
        typer.echo(job())


def main(argv: list[str] | None = None) -> int:
    """Run the command line; for the exit status see EPILOG."""
    return run(app, argv)


if __name__ == "__main__":
    sys.exit(main())
