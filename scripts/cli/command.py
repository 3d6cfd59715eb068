"""A module of scripts/ as a command line: arguments by typer, plain messages, the exit status as a number."""

import re
import sys

import typer


def make_app(description: str | None = None, *, epilog: str | None = None) -> typer.Typer:
    """A typer application; help and epilog are for one with subcommands. Boxes and colors would break its messages."""
    return typer.Typer(
        help=description,
        epilog=epilog,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def verbatim(text: str) -> str:
    """A text for an epilog whose lines are not wrapped."""
    return "\n\n".join(f"\b\n{paragraph}" for paragraph in re.split(r"\n{2,}", text))


def run(app: typer.Typer, argv: list[str] | None) -> int:
    """Run a command line, by default the process's, and return its exit status; 2 if the arguments are wrong."""
    try:
        app(sys.argv[1:] if argv is None else argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0
