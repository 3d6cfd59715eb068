"""Bring the AI Incident Database up to date with its texts, and publish the index that they make."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from pymongo.database import Database

from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from scripts.database.changes import incident_changes, report_changes, stored_incidents
from scripts.database.lock import locked
from scripts.database.writer import Change, DatabaseWriter
from scripts.indexing.build import Build, Progress, build, build_time
from scripts.indexing.embedding import EncoderPool
from scripts.indexing.publishing import PublishedIndex, RefusedError
from scripts.indexing.vector_cache import VectorCache
from scripts.sources.mongo import SKIPPED, take_in


@dataclass(frozen=True)
class Options:
    """What a refresh does: where it writes the index, and when it refuses to write.

    `max_loss_percent` is how many incidents with a vector may disappear, in percent; `bucket` None publishes nothing;
    with `dry_run` nothing but the vector cache is written.
    """

    output: Path
    n_neighbors: int
    max_loss_percent: float
    bucket: str | None
    dry_run: bool


def refresh(
    database: Database[dict[str, Any]],
    pool: EncoderPool,
    cache: VectorCache,
    options: Options,
    say: Callable[[Sequence[str]], None],
    progress: Progress,
) -> list[str]:
    """Embed, write, save and publish; return the records that could not be read or written. `say` prints lines.

    Raises:
        InvalidModelError: the model gives invalid vectors.
        LockedError: another run is writing to the database.
        RefusedError: far fewer incidents have a vector than before; nothing was written.
        OSError, PyMongoError, BotoCoreError, ClientError: database, disk or S3 failed.
    """
    with (
        nullcontext() if options.dry_run else locked(database, lambda line: say([line])) as lock,
        take_in(database) as source,
    ):
        built = build(source, pool, cache, build_time(os.environ), progress)
        say([f"{len(built.index)} incidents, {built.n_embedded} texts embedded"])
        say([f"Skipped {skipped}" for skipped in built.skipped])
        problems = [note for note in source.notes if note.startswith(SKIPPED)]
        changes = _changes(database, built, cache, source.true_ids(), options.n_neighbors, problems)
        if lock is None:
            would_change = [str(change) for change in changes]
            say([f"{len(would_change)} documents would change; nothing was written or published"])
            say(would_change)
            return problems
        _refuse_great_loss(database, built.index, options.max_loss_percent)
        writer = DatabaseWriter(database, lock.extend)
        for change in changes:
            writer.write(change)
        writer.flush()
        say([f"{writer.n_written} documents changed"])
        save_index(built.index, options.output)
        if options.bucket:
            lock.extend()
            say([PublishedIndex(options.bucket).publish(options.output, options.max_loss_percent, force=False)])
        return problems + writer.problems


def _changes(
    database: Database[dict[str, Any]],
    built: Build,
    cache: VectorCache,
    true_ids: dict[int, int],
    n_neighbors: int,
    problems: list[str],
) -> Iterator[Change]:
    stored = stored_incidents(database, problems)
    return chain(report_changes(database, built, cache), incident_changes(stored, built, true_ids, n_neighbors))


def _refuse_great_loss(database: Database[dict[str, Any]], index: IncidentIndex, max_loss_percent: float) -> None:
    """Raise RefusedError if far fewer incidents have a vector than before, as when reports are missing."""
    before = database["incidents"].count_documents({"embedding": {"$ne": None}})
    if len(index) < before * (1 - max_loss_percent / 100):
        raise RefusedError(
            f"expected at most {max_loss_percent:g} % fewer incidents with a vector than the {before} of the database, "
            f"got {len(index)}; nothing was written, and --max-loss-percent allows it"
        )
