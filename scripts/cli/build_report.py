"""What `build_index` prints: as JSON for machines, as tables for people."""

import dataclasses
import json as json_module
import os
import sqlite3
import sys
from collections.abc import Callable
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Table

from incidents.errors import InvalidFileError
from scripts.cli.command import reporting
from scripts.cli.console import LISTED, answer_console, print_list
from scripts.indexing.diff import IndexDiff
from scripts.indexing.jobs import Outcome
from scripts.indexing.vector_cache import UnusableCacheError

EXIT_STATUS: Final = """\
Exit status:
  0    the index is written, or the checked one is valid
  1    nothing was written: the source, the model, the cache or an index is unusable, or the disk is full
  2    the arguments are wrong
  3    the index is written, or valid, but the report could not be printed
  130  stopped with Ctrl-C; vectors computed so far are kept
"""


def run_and_report(job: Callable[[], Outcome], *, json: bool, failed: str) -> None:
    """Run a job and print its outcome; `failed` begins the message if it fails.

    Raises:
        typer.Exit: with status 1 if the job failed, 3 if only printing failed, 130 after Ctrl-C.
    """
    with reporting(failed, (InvalidFileError, UnusableCacheError, OSError, sqlite3.Error, ValueError)):
        outcome = job()
    try:
        typer.echo(as_json(outcome) if json else as_tables(outcome))
    except (OSError, UnicodeError) as error:  # a full disk, a closed pipe, a terminal without such characters
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or flushing it at exit would fail again
        typer.echo(f"{outcome.path} is valid, but the report could not be printed: {error}", err=True)
        raise typer.Exit(3) from None


def as_json(outcome: Outcome) -> str:
    """Everything as one JSON object."""
    index = outcome.index
    answer: dict[str, Any] = {
        "path": str(outcome.path),
        "incidents": len(index),
        "reports": outcome.reports,
        "new": outcome.new,
        "reused": outcome.reused,
        "truncated": outcome.truncated,
        "skipped": [dataclasses.asdict(skipped) for skipped in outcome.skipped],
        "pruned": outcome.pruned,
        "seconds": round(outcome.seconds, 3),
        "source": index.source,
        "built_at": index.built_at,
        "encoder": dataclasses.asdict(index.encoder),
        "notes": outcome.notes,
        "diff": dataclasses.asdict(outcome.diff) if outcome.diff else None,
    }
    return json_module.dumps(answer, indent=2)


def as_tables(outcome: Outcome) -> str:
    """The text for a person, in color if standard output is a terminal."""
    console = answer_console()
    with console.capture() as captured:
        _print_tables(console, outcome)
    return captured.get().removesuffix("\n")


def _print_tables(console: Console, outcome: Outcome) -> None:
    index, encoder = outcome.index, outcome.index.encoder
    for note in outcome.notes:
        console.print(f"Note: {note}")
    print_list(console, [f"Skipped {skipped}" for skipped in outcome.skipped], "Skipped {} more; --json lists all")
    if outcome.diff:
        _print_diff(console, outcome.diff)
    table = Table("incidents", "reports", "new", "reused", "skipped", "truncated", box=None, pad_edge=False)
    counts = (len(index), outcome.reports, outcome.new, outcome.reused, len(outcome.skipped), outcome.truncated)
    table.add_row(*("" if count is None else f"{count:,}" for count in counts))
    console.print(table)
    console.print(f"{outcome.path}: {index.source}, {index.built_at}, vectors of {encoder.width} numbers")
    console.print(f"by {encoder.name} {encoder.revision or '(no revision)'}, {encoder.token_limit} tokens")
    console.print(f"fingerprint {encoder.fingerprint}")
    if outcome.pruned:
        console.print(f"{outcome.pruned} vectors were pruned from the cache")


def _print_diff(console: Console, diff: IndexDiff) -> None:
    for verb, ids in (("came", diff.came), ("went", diff.went)):
        more = [f"and {len(ids) - LISTED} more"] if len(ids) > LISTED else []
        console.print(f"{len(ids)} incidents {verb}{': ' if ids else ''}{', '.join([*map(str, ids[:LISTED]), *more])}")
    if diff.n_moved is None:
        console.print("The vectors cannot be compared: another encoder made them")
        return
    console.print(f"{diff.n_moved} incidents moved{', most of all' if diff.moved_most else ''}")
    table = Table("similarity", "id", "title", box=None, pad_edge=False)
    for move in diff.moved_most:
        table.add_row(f"{move.similarity:.8f}", str(move.incident_id), move.title)
    if diff.moved_most:
        console.print(table)
