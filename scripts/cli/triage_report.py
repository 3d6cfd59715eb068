"""What `triage` prints: a bar while it judges, then how many articles have which verdict."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from scripts.cli.console import answer_console, error_console


@contextmanager
def articles_bar(n_articles: int) -> Iterator[Callable[[], None]]:
    """Draw a bar on standard error, if it is a terminal, and yield a function that moves it by one article."""
    console = error_console()
    columns = (TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TextColumn("articles"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=n_articles)
        yield lambda: bar.advance(task)


def print_summary(counts: Mapping[str, int], files: Sequence[Path]) -> None:
    """Print the numbers of articles by what was found, and the files that hold the results."""
    console = answer_console()
    table = Table(*counts, box=None, pad_edge=False)
    table.add_row(*map(str, counts.values()))
    console.print(table)
    for file in files:
        console.print(str(file))
