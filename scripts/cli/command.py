"""A module of scripts/ as a command line."""

import re
import sys

import typer


def make_app(description: str | None, *, epilog: str = "") -> typer.Typer:
    """A typer application in plain text: `description` is its help, `epilog` stands below it as it is written."""
    return typer.Typer(
        help=description,
        epilog="\n\n".join(f"\b\n{paragraph}" for paragraph in re.split(r"\n{2,}", epilog)),  # \b: not wrapped
        add_completion=False,
        no_args_is_help=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def run(app: typer.Typer, argv: list[str] | None) -> int:
    """Run a command line, by default the process's, and return its exit status; 2 if the arguments are wrong."""
    try:
        app(sys.argv[1:] if argv is None else argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    return 0
