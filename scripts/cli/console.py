"""How a command starts: arguments by typer, messages as plain lines, the exit status as a number."""

import typer


def make_app() -> typer.Typer:
    """A typer application with plain messages: boxes and colors would break them across lines."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def run(app: typer.Typer, argv: list[str] | None) -> int:
    """Run a command and return its exit status: 0, 2 for invalid arguments, or what the command raised.

    Arguments: `argv` without the program's name; None takes those of the process.
    """
    try:
        app(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0
