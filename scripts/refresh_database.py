"""Bring the AI Incident Database's vectors and similar incidents up to date, and publish the index they make."""

import os
import sqlite3
import sys
from functools import partial
from typing import Annotated, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError
from pymongo.errors import OperationFailure, PyMongoError

from incidents.errors import InvalidFileError
from incidents.names import INDEX_FILENAME
from scripts.cli.arguments import Cache, IndexOutput, ModelFolder
from scripts.cli.command import make_app, reporting, run, verbatim
from scripts.cli.console import error_console, print_list
from scripts.cli.paths import MODEL_FOLDER, VECTOR_CACHE
from scripts.cli.progress import BuildProgress
from scripts.database.lock import LockedError
from scripts.database.refresh import Options, refresh
from scripts.indexing.embedding import EncoderPool
from scripts.indexing.publishing import DEFAULT_MAX_LOSS_PERCENT, RefusedError
from scripts.indexing.vector_cache import UnusableCacheError, VectorCache
from scripts.sources.mongo import connect

EPILOG: Final = """\
Exit status:
  0    the database is up to date, and so is the published index
  1    stopped by the error that is printed last; what was written stays, and the same command resumes
  2    the arguments are wrong
  3    up to date but for the records that are listed
  130  stopped with Ctrl-C; the same command resumes
"""
EXPECTED: Final = (
    InvalidFileError, UnusableCacheError, LockedError, RefusedError, PyMongoError, BotoCoreError, ClientError, OSError,
    sqlite3.Error, ValueError,
)  # fmt: skip
"""Errors reported as one sentence, without a traceback."""
app = make_app()


@app.command(epilog=verbatim(EPILOG))
def refresh_database(  # noqa: PLR0913, PLR0917 (a parameter for each option)
    database: Annotated[
        str,
        typer.Option(metavar="PLACE", help="A MongoDB URI, or its variable; default: MONGODB_CONNECTION_STRING."),
    ] = "",
    model: ModelFolder = MODEL_FOLDER,
    output: IndexOutput = None,
    cache: Cache = VECTOR_CACHE,
    neighbors: Annotated[int, typer.Option(min=1, help="Similar incidents of an incident.")] = 3,
    max_loss_percent: Annotated[
        float,
        typer.Option(min=0, max=100, help="Write nothing if this many percent fewer incidents would have a vector."),
    ] = DEFAULT_MAX_LOSS_PERCENT,
    bucket: Annotated[
        str | None, typer.Option(envvar="INDEX_BUCKET", help="Where to publish; without it, nothing is published.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write only the cache; say what would change.")] = False,
) -> None:
    """Bring the AI Incident Database's vectors and similar incidents up to date, and publish the index they make.

    New and edited reports are embedded. An incident's vector is the mean of its reports' vectors; its similar incidents
    are those with the closest vectors. Only differences are written, and of a document only `embedding` and
    `nlp_similar_incidents`. Vectors are cached as soon as they are computed, so an interrupted run resumes when you
    repeat the command.
    """
    console = error_console()
    options = Options(output or model / INDEX_FILENAME, neighbors, max_loss_percent, bucket, dry_run)
    with reporting("Stopped", EXPECTED, _reason):
        pool = EncoderPool(model)
        if not options.output.parent.is_dir():
            raise FileNotFoundError(f"expected --output in an existing folder, got {options.output}")
        with (
            connect(database, os.environ) as connected,
            VectorCache(cache, made_by=pool.made_by, width=pool.encoder.width) as vectors,
        ):
            problems = refresh(connected, pool, vectors, options, partial(print_list, console), BuildProgress(console))
    for problem in problems:
        console.print(problem)
    raise typer.Exit(3 if problems else 0)


def _reason(error: Exception) -> str:
    """What went wrong; of a database error, only what cannot contain a text."""
    if isinstance(error, OperationFailure):
        details = error.details or {}
        return f"{type(error).__name__}: the database refused, with code {error.code} {details.get('codeName', '')}"
    if isinstance(error, PyMongoError):
        return f"{type(error).__name__}: the database could not be used: {error}"
    return str(error)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; for the exit status see EPILOG."""
    return run(app, argv)


if __name__ == "__main__":
    sys.exit(main())
