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
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from pymongo.database import Database
from pymongo.errors import PyMongoError
from rich.console import Console
from torch import Tensor

from build_index import build_time, encoder_info
from build_report import embedding_progress, reading_progress
from database_lock import LockedError, locked
from database_writer import DatabaseWriter
from defaults import INDEX_FILENAME, MODEL_FOLDER, VECTOR_CACHE
from embedding import PendingTexts, embed
from incident_vectors import Plan, average, make_plan
from incidents.encoder import Encoder
from incidents.errors import InvalidFileError
from incidents.index import IncidentIndex
from incidents.manifest import verify_files
from incidents.text import prepare, text_hash
from incidents.threads import available_cpus
from plain_text import strip_markdown
from publish_index import DEFAULT_MAX_LOSS_PERCENT, PublishedIndex, RefusedError
from sources.mongo import FINGERPRINT_FIELD, LEFT_OUT, connect, take_in, whole
from sources.staging import StagedIncidents
from vector_cache import UnusableCacheError, VectorCache

EPILOG: Final = """\
exit status:
  0    the database is up to date, and so is the published index
  1    stopped by what is said last; what was written stays, and the same command goes on from there
  2    the arguments do not fit together
  3    up to date but for the records that are listed
  130  stopped with Ctrl-C; the same command goes on from there
"""
DEFAULT_NEIGHBOURS: Final = 3
LISTED: Final = 20
"""At most, of a list on the screen."""


@dataclass(frozen=True)
class Change:
    """Fields of one document that are not what they should be; `number` is a report number or an incident id."""

    collection: str
    number: int
    fields: dict[str, Any]

    @property
    def which(self) -> dict[str, Any]:
        """The filter that finds the document."""
        return {"report_number" if self.collection == "reports" else "incident_id": self.number}

    def __str__(self) -> str:
        return f"{self.collection.removesuffix('s')} {self.number}: {', '.join(self.fields)}"


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
        console.print(f"Stopped: {error if not isinstance(error, PyMongoError) else type(error).__name__}")
        return 1
    except KeyboardInterrupt:
        console.print("Stopped: the same command goes on from here")
        return 130
    for problem in problems:
        console.print(problem)
    return 3 if problems else 0


def _refresh(arguments: argparse.Namespace, console: Console) -> list[str]:
    """Do it all; gives the records that could not be read or written."""
    verify_files(arguments.model)
    encoder = Encoder.load(arguments.model)
    with (
        connect(arguments.database, os.environ) as database,
        nullcontext() if arguments.dry_run else locked(database) as lock,
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
        index = average(plan, cache, empty).index(encoder_info(encoder), source.name, build_time(os.environ))
        console.print(f"{len(index)} incidents, {pending.n_texts - len(empty)} texts embedded")
        problems = [note for note in source.notes if note.startswith(LEFT_OUT)]
        writer = DatabaseWriter(database, lock.extend) if lock is not None else None
        changes: list[str] = []
        for change in chain(
            _reports(plan, source, cache, encoder, empty),
            _incidents(database, index, _used_reports(plan, empty), arguments.neighbours, problems),
        ):
            changes.append(str(change))
            if writer is not None:
                writer.set(change.collection, change.which, change.fields)
        if writer is not None:
            writer.flush()
            problems += writer.problems
    if arguments.dry_run:
        console.print(f"{len(changes)} documents would change; nothing was written or published")
        for line in [*changes[:LISTED], *(["…"] if changes[LISTED:] else [])]:
            console.print(line)
        return problems
    console.print(f"{len(changes)} documents changed")
    output = arguments.output or arguments.model / INDEX_FILENAME
    index.save(output)
    if arguments.bucket:
        published = PublishedIndex(arguments.bucket, arguments.key)
        console.print(published.publish(output, DEFAULT_MAX_LOSS_PERCENT, force=False))
    return problems


def _reports(
    plan: Plan, source: StagedIncidents, cache: VectorCache, encoder: Encoder, empty: set[bytes]
) -> Iterator[Change]:
    """The reports whose stored vector is not this encoder's of the text as it is now, each once."""
    seen: set[int] = set()
    for incident, _ in plan.incidents:
        for report in source.reports(incident):
            text = strip_markdown(report.text)
            key = cache.key(prepare(text))
            known = report.left_out or report.vector is not None or key in empty or not prepare(text)
            if known or report.number in seen:
                continue
            seen.add(report.number)
            vector = cache.get(key).vector.tolist()
            embedding = {"vector": vector, "from_text_hash": text_hash(text), FINGERPRINT_FIELD: encoder.fingerprint}
            yield Change("reports", report.number, {"embedding": embedding})


def _used_reports(plan: Plan, empty: set[bytes]) -> dict[int, list[int]]:
    """For each incident the numbers of the reports that its vector is the mean of."""
    return {
        incident.incident_id: [number for number, key in keys if key not in empty] for incident, keys in plan.incidents
    }


def _incidents(
    database: Database[dict[str, Any]],
    index: IncidentIndex,
    reports: dict[int, list[int]],
    n_neighbours: int,
    problems: list[str],
) -> Iterator[Change]:
    """The incidents whose stored vector, of their `reports`, or stored neighbours are not what the index says.

    Documents that cannot be used are left out, and added to `problems`.
    """
    rows = {incident_id: row for row, incident_id in enumerate(index.ids.tolist())}
    read = ("incident_id", "embedding", "nlp_similar_incidents", "editor_dissimilar_incidents")
    for document in database["incidents"].find({}, {"_id": False} | dict.fromkeys(read, True)):
        try:
            incident_id = whole(document.get("incident_id"), "incident_id")
            dissimilar = [
                whole(number, f"editor_dissimilar_incidents of incident {incident_id}")
                for number in document.get("editor_dissimilar_incidents") or []
            ]
        except (ValueError, TypeError) as error:
            if f"{LEFT_OUT} incidents: {error}" not in problems:
                problems.append(f"{LEFT_OUT} incidents: {error}")
            continue
        if incident_id not in rows:
            continue
        vector = index.vectors[rows[incident_id]]
        wanted: dict[str, Any] = {
            "embedding": {
                "vector": vector.tolist(),
                "from_reports": reports[incident_id],
                FINGERPRINT_FIELD: index.encoder.fingerprint,
            },
            "nlp_similar_incidents": _neighbours(index, vector, {incident_id, *dissimilar}, n_neighbours),
        }
        if fields := {name: value for name, value in wanted.items() if document.get(name) != value}:
            yield Change("incidents", incident_id, fields)


def _neighbours(index: IncidentIndex, vector: Tensor, without: set[int], num: int) -> list[dict[str, Any]]:
    """The `num` incidents closest to a vector of shape (width,), best first, `without` some."""
    matches = (match for match in index.rank(vector, num + len(without)) if match.incident_id not in without)
    return [{"incident_id": match.incident_id, "similarity": match.similarity} for match in islice(matches, num)]


if __name__ == "__main__":
    sys.exit(main())
