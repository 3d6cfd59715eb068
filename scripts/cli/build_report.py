"""What `build_index` shows: progress while it works, then what it did."""

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from incidents.index.incident_index import IncidentIndex
from scripts.indexing.diff import IndexDiff
from scripts.indexing.embedding import PendingTexts
from scripts.indexing.incident_vectors import LeftOut

LISTED: Final = 20
"""At most, of a list on the screen; --json has all."""
PIPED_COLUMNS: Final = 120
"""Width of what is printed where there is no terminal to fit it to."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """An index that was built or checked, and what there is to say about it.

    Of the reports in the index, `new` were embedded now, and `truncated` are longer than what the encoder reads; None
    where nothing was embedded. `pruned` counts vectors that left the cache.
    """

    path: Path
    index: IncidentIndex
    notes: list[str]
    left_out: list[LeftOut] = dataclasses.field(default_factory=list)
    new: int | None = None
    truncated: int | None = None
    pruned: int = 0
    seconds: float = 0.0
    diff: IndexDiff | None = None

    @property
    def reports(self) -> int:
        """Reports in the index."""
        return int(self.index.report_counts.sum())

    @property
    def reused(self) -> int | None:
        """Reports whose vector was known, or is that of another report with the same text."""
        return None if self.new is None else self.reports - self.new


@contextmanager
def reading_progress(console: Console) -> Iterator[Callable[[], None]]:
    """A count of incidents read, for who is watching."""
    columns = (SpinnerColumn(), TextColumn("reading incidents: {task.completed}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda: progress.advance(task)


@contextmanager
def embedding_progress(console: Console, pending: PendingTexts) -> Iterator[Callable[[Sequence[str], int], None]]:
    """A bar of characters, which time is more proportional to than to reports; with reports and tokens per second."""
    columns = (
        TextColumn("embedding"),
        BarColumn(),
        TextColumn("{task.fields[texts]} of " + f"{pending.n_texts} reports"),
        TextColumn("{task.fields[speed]} tokens/s"),
        TimeRemainingColumn(),
    )
    started, texts, tokens = time.monotonic(), 0, 0
    with Progress(*columns, console=console, disable=pending.n_texts == 0) as progress:
        task = progress.add_task("", total=pending.n_characters, texts=0, speed=0)

        def advance(batch: Sequence[str], n_tokens: int) -> None:
            nonlocal texts, tokens
            texts, tokens = texts + len(batch), tokens + n_tokens
            speed = round(tokens / (time.monotonic() - started))
            progress.update(task, advance=sum(map(len, batch)), texts=texts, speed=f"{speed:,}")

        yield advance


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
        "skipped": [dataclasses.asdict(left_out) for left_out in outcome.left_out],
        "pruned": outcome.pruned,
        "seconds": round(outcome.seconds, 3),
        "source": index.source,
        "built_at": index.built_at,
        "encoder": dataclasses.asdict(index.encoder),
        "notes": outcome.notes,
        "diff": dataclasses.asdict(outcome.diff) if outcome.diff else None,
    }
    return json.dumps(answer, indent=2)


def as_tables(outcome: Outcome) -> str:
    """What a person wants to read, in the colours of standard output if that is a terminal."""
    console = Console(
        width=None if sys.stdout.isatty() else PIPED_COLUMNS, markup=False, emoji=False, highlight=False, soft_wrap=True
    )
    with console.capture() as captured:
        _print_tables(console, outcome)
    return captured.get().removesuffix("\n")


def _print_tables(console: Console, outcome: Outcome) -> None:
    index, encoder = outcome.index, outcome.index.encoder
    for note in outcome.notes:
        console.print(f"Note: {note}")
    for left_out in outcome.left_out[:LISTED]:
        console.print(f"Skipped {left_out}")
    if (more := len(outcome.left_out) - LISTED) > 0:
        console.print(f"Skipped {more} more; --json lists all")
    if outcome.diff:
        _print_diff(console, outcome.diff)
    table = Table("incidents", "reports", "new", "reused", "skipped", "truncated", box=None, pad_edge=False)
    counts = (len(index), outcome.reports, outcome.new, outcome.reused, len(outcome.left_out), outcome.truncated)
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
