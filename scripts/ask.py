"""Rank the known AI incidents by similarity to a text, with the service's own handler on this machine."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from scripts.cli.arguments import IndexFile, ModelFolder
from scripts.cli.command import checking_arguments, make_app, run
from scripts.cli.paths import MODEL_FOLDER
from scripts.local.service import call, configure, hide_log

EPILOG = "Exit status: 0 with an answer, 1 without an answer, 2 for invalid arguments."

app = make_app()


@app.command(epilog=EPILOG)
def ask(  # noqa: PLR0913, PLR0917 (a parameter for each option)
    text: Annotated[
        str,
        typer.Argument(envvar="TEXT", show_default=False, help="A text, @FILE, or - to read standard input."),
    ] = "",
    num: Annotated[str, typer.Option(help="Number of incidents; a negative number means all.")] = "3",
    rank: Annotated[
        Literal["hybrid", "cosine"],
        typer.Option(help="Order by all that is known, or by the similarity of the vectors alone."),
    ] = "hybrid",
    url: Annotated[str, typer.Option(help="The text's address, compared with those of known reports.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")] = False,
    model: ModelFolder = MODEL_FOLDER,
    index: IndexFile = None,
) -> None:
    """Rank the known AI incidents by similarity to a text."""
    content = _read_text(text)
    with checking_arguments():
        configure(model, index)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    hide_log()
    answer = call("similar", {"text": content, "num": num, "rank": rank} | ({"url": url} if url else {}))
    body = answer["body"]
    if answer["statusCode"] != 200:
        typer.echo(body["msg"], err=True)
        raise typer.Exit(1)
    if as_json:
        typer.echo(json.dumps(body, indent=2, ensure_ascii=False))
    else:
        from scripts.cli.answer import print_answer  # noqa: PLC0415 (rich is slow to import)

        print_answer(body, content)


def _read_text(argument: str) -> str:
    if not argument:
        raise typer.BadParameter('expected a text, as an argument or in the variable TEXT: make similar TEXT="…"')
    try:
        if argument == "-":
            return sys.stdin.buffer.read().decode("utf-8")
        if argument.startswith("@"):
            return Path(argument[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = "pass a text that starts with @ through -"
        raise typer.BadParameter(f"expected a readable UTF-8 text, got {error}; {hint}") from error
    return argument


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit status is 0 with an answer, 1 without one, 2 for invalid arguments."""
    return run(app, argv)


if __name__ == "__main__":
    sys.exit(main())
