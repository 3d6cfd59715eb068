"""A module of scripts/ as a command line: arguments by typer, plain messages, the exit status as a number."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer


def make_app(description: str | None = None) -> typer.Typer:
    """A typer application; `description` is for one with subcommands. Boxes and colors would break its messages."""
    return typer.Typer(help=description, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def verbatim(*paragraphs: str) -> str:
    """Paragraphs for an epilog whose lines are not wrapped."""
    text = "\n\n".join(paragraph.strip() for paragraph in paragraphs)
    return "\n\n".join(f"\b\n{paragraph}" for paragraph in re.split(r"\n{2,}", text))


@contextmanager
def checking_arguments() -> Iterator[None]:
    """Turn a ValueError about what the command was given into a message with exit status 2."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@contextmanager
def reporting(
    failed: str, errors: tuple[type[Exception], ...], explain: Callable[[Exception], str] = str
) -> Iterator[None]:
    """Print an expected error as one sentence after `failed`, and end the command.

    Raises:
        typer.Exit: with status 1 after one of `errors`, 130 after Ctrl-C.
    """
    try:
        yield
    except errors as error:
        typer.echo(f"{failed}: {explain(error)}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("Stopped; the same command resumes", err=True)
        raise typer.Exit(130) from None


def run(app: typer.Typer, argv: list[str] | None) -> int:
    """Run a command line, by default the process's, and return its exit status; 2 if the arguments are wrong."""
    try:
        app(sys.argv[1:] if argv is None else argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0
