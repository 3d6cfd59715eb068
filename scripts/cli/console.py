"""What a command prints for people: plain lines and tables, as wide as the terminal."""

import sys
from collections.abc import Sequence
from typing import Final

from rich.console import Console

PIPED_COLUMNS: Final = 120
"""Width of a table where there is no terminal."""
LISTED: Final = 20
"""Most lines that are printed of a list."""


def error_console() -> Console:
    """Standard error: what a command says besides its answer."""
    return Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)


def answer_console(min_columns: int = 0) -> Console:
    """Standard output."""
    width = None if sys.stdout.isatty() else PIPED_COLUMNS
    console = Console(width=width, markup=False, emoji=False, highlight=False, soft_wrap=True)
    console.width = max(console.width, min_columns)
    return console


def print_list(console: Console, lines: Sequence[str], more: str = "and {} more") -> None:
    """Print the first lines of a list, and how many more there are."""
    for line in lines[:LISTED]:
        console.print(line)
    if len(lines) > LISTED:
        console.print(more.format(len(lines) - LISTED))
