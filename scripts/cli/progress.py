"""The progress of a build in a terminal."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import track as rich_track


class BuildProgress:
    """Counts incidents while they are planned, then draws a bar of characters, which the time is proportional to."""

    def __init__(self, console: Console) -> None:
        self._console = console
        planning = (SpinnerColumn(), TextColumn("planning incidents: {task.completed}"))
        self._bar = Progress(*planning, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=None)
        self._started, self._n_texts, self._n_tokens = 0.0, 0, 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def planned_incident(self) -> None:
        """Count an incident."""
        self._bar.advance(self._task)

    def start_embedding(self, n_texts: int, n_characters: int) -> None:
        """Replace the count by a bar."""
        self._bar.stop()
        columns = (
            TextColumn("embedding"),
            BarColumn(),
            TextColumn("{task.fields[texts]} of " + f"{n_texts} reports"),
            TextColumn("{task.fields[speed]} tokens/s"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=self._console, disable=n_texts == 0)
        self._task = self._bar.add_task("", total=n_characters, texts=0, speed=0)
        self._bar.start()
        self._started = time.monotonic()

    def embedded(self, texts: Sequence[str], n_tokens: int) -> None:
        """Move the bar."""
        self._n_texts += len(texts)
        self._n_tokens += n_tokens
        speed = round(self._n_tokens / (time.monotonic() - self._started))
        characters = sum(map(len, texts))
        self._bar.update(self._task, advance=characters, texts=self._n_texts, speed=f"{speed:,}")


def track(console: Console) -> Callable[[Sequence[Any]], Iterable[Any]]:
    """A function that goes through questions with a bar."""
    return lambda asked: rich_track(asked, "asking", console=console, transient=True, disable=not console.is_terminal)
