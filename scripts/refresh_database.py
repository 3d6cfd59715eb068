"""Bring the AI Incident Database's vectors and similar incidents up to date, and publish the index they make.

Reports that are new or were edited are embedded; an incident's vector is the mean of its reports'; its similar
incidents are those whose vectors are closest. Only what differs from what is stored is written, and of a document only
`embedding` and `nlp_similar_incidents`. Every vector is kept in a cache as soon as it is there, so a run that was
stopped, however it was, is gone on with by the same command.
"""

import argparse
import os
import sqlite3
import sys
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError
from rich.console import Console

from incidents.cpus import available_cpus
from incidents.errors import InvalidFileError
from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from incidents.model.encoder import Encoder
from incidents.names import INDEX_FILENAME
from scripts.build_index import build_time, encoder_info
from scripts.cli.build_report import LISTED, embedding_progress, reading_progress
from scripts.cli.paths import MODEL_FOLDER, VECTOR_CACHE
from scripts.database.changes import incident_changes, report_changes, stored_incidents
from scripts.database.lock import LockedError, locked
from scripts.database.writer import DatabaseWriter
from scripts.indexing.embedding import PendingTexts, embed, load_verified
from scripts.indexing.incident_vectors import average, make_plan
from scripts.indexing.vector_cache import UnusableCacheError, VectorCache
from scripts.publish_index import DEFAULT_MAX_LOSS_PERCENT, PublishedIndex, RefusedError, percentage
from scripts.sources.mongo import LEFT_OUT, connect, take_in

EPILOG: Final = """\
exit status:
  0    the database is up to date, and so is the published index
  1    stopped by what is said last; what was written stays, and the same command goes on from there
  2    the arguments do not fit together
  3    up to date but for the records that are listed
  130  stopped with Ctrl-C; the same command goes on from there
"""
DEFAULT_NEIGHBOURS: Final = 3


def main() -> int:
    """Run the command line; for the exit status see EPILOG."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--database", default="", metavar="PLACE", help="a MongoDB URI or the variable that holds it "
        "(default: MONGODB_CONNECTION_STRING)")  # fmt: skip
    add("--model", type=Path, default=MODEL_FOLDER, metavar="FOLDER", help="default: %(default)s")
    add("--output", type=Path, metavar="FILE", help=f"of the index (default: {INDEX_FILENAME} in the model's folder)")
    add("--cache", type=Path, default=VECTOR_CACHE, metavar="FILE", help="of vectors (default: %(default)s)")
    add("--neighbours", type=int, default=DEFAULT_NEIGHBOURS, metavar="N", help="of an incident (default: %(default)s)")
    add("--max-loss-percent", type=percentage, default=DEFAULT_MAX_LOSS_PERCENT, metavar="N",
        help="write and publish nothing if over N %% fewer incidents have a vector (default: %(default)s)")  # fmt: skip
    add("--bucket", default=os.environ.get("INDEX_BUCKET"), help="to publish in (default: the variable INDEX_BUCKET)")
    add(
        "--key", default=os.environ.get("INDEX_KEY") or INDEX_FILENAME, help="of the index there (default: %(default)s)"
    )
    add("--dry-run", action="store_true", help="write nothing but the cache of vectors; say what would be written")
    arguments = parser.parse_args()
    if arguments.neighbours < 1:
        parser.error(f"expected --neighbours to be 1 or more, got {arguments.neighbours}")
    console = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)
    try:
        problems = _refresh(arguments, console)
    except (InvalidFileError, UnusableCacheError, LockedError, RefusedError, PyMongoError, BotoCoreError, ClientError,
            OSError, sqlite3.Error, ValueError) as error:  # fmt: skip
        console.print(f"Stopped: {_reason(error)}")
        return 1
    except KeyboardInterrupt:
        console.print("Stopped: the same command goes on from here")
        return 130
    for problem in problems:
        console.print(problem)
    return 3 if problems else 0


def _refresh(arguments: argparse.Namespace, console: Console) -> list[str]:
    """Do it all; gives the records that could not be read or written."""
    encoder = load_verified(arguments.model)
    output = arguments.output or arguments.model / INDEX_FILENAME
    if not output.parent.is_dir():
        raise FileNotFoundError(f"expected --output in a folder that is there, got {output}")
    with (
        connect(arguments.database, os.environ) as database,
        nullcontext() if arguments.dry_run else locked(database, console.print) as lock,
        VectorCache(arguments.cache, fingerprint=encoder.fingerprint, width=encoder.width) as cache,
        take_in(database, encoder) as source,
        PendingTexts() as pending,
    ):
        with reading_progress(console) as advance:
            plan = make_plan(source, cache, pending, advance)
        n_encoders = max(1, min(pending.n_texts, available_cpus(os.environ)))
        encoders = [encoder, *(Encoder.load(arguments.model) for _ in range(n_encoders - 1))]
        with embedding_progress(console, pending) as embedded:
            empty = embed(pending, cache, encoders, 1, embedded)
        rows = average(plan, cache, empty)
        index = rows.index(encoder_info(encoder), source.name, build_time(os.environ))
        console.print(f"{len(index)} incidents, {pending.n_texts - len(empty)} texts embedded")
        _list(console, [f"Skipped {left_out}" for left_out in rows.left_out])
        problems = [note for note in source.notes if note.startswith(LEFT_OUT)]
        reports = {
            incident.incident_id: [number for number, key in keys if key not in empty]
            for incident, keys in plan.incidents
        }
        changes = chain(
            report_changes(database, source, plan, cache, empty),
            incident_changes(
                stored_incidents(database, problems), index, reports, source.true_ids(), arguments.neighbours
            ),
        )
        if lock is None:
            would_change = [str(change) for change in changes]
            console.print(f"{len(would_change)} documents would change; nothing was written or published")
            _list(console, would_change)
            return problems
        _refuse_great_loss(database, index, arguments.max_loss_percent)
        writer = DatabaseWriter(database, lock.extend)
        for change in changes:
            writer.write(change)
        writer.flush()
        console.print(f"{writer.n_written} documents changed")
        save_index(index, output)
        if arguments.bucket:
            lock.extend()
            published = PublishedIndex(arguments.bucket, arguments.key)
            console.print(published.publish(output, arguments.max_loss_percent, force=False))
        return problems + writer.problems


def _list(console: Console, lines: list[str]) -> None:
    for line in [*lines[:LISTED], *([f"and {len(lines) - LISTED} more"] if lines[LISTED:] else [])]:
        console.print(line)


def _reason(error: Exception) -> str:
    """What went wrong; of what the server of the database says only what cannot hold a text."""
    if isinstance(error, OperationFailure):
        details = error.details or {}
        return f"{type(error).__name__}: the database refused, with code {error.code} {details.get('codeName', '')}"
    if isinstance(error, PyMongoError):
        return f"{type(error).__name__}: the database could not be used: {error}"
    return str(error)


def _refuse_great_loss(database: Database[dict[str, Any]], index: IncidentIndex, max_loss_percent: float) -> None:
    """Raise RefusedError if far fewer incidents have a vector than before, as when reports are missing."""
    before = len(list(database["incidents"].find({"embedding": {"$ne": None}}, {"incident_id": True})))
    if len(index) < before * (1 - max_loss_percent / 100):
        raise RefusedError(
            f"expected at most {max_loss_percent:g} % fewer incidents with a vector than the {before} of the database, "
            f"got {len(index)}; nothing was written, and --max-loss-percent allows it"
        )


if __name__ == "__main__":
    sys.exit(main())
