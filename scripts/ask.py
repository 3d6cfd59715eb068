"""Which known AI incidents does a text resemble? Asks the service's own handler, on this machine."""

import argparse
import json
import logging
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from incidents.names import SERVICE
from scripts.local import service as local_service

PIPED_COLUMNS = 120
"""Width of the table where there is no terminal to fit it to."""
MIN_COLUMNS = 80
"""Width of the table in a narrow terminal: below, the links would leave no room for the rest."""


def main() -> int:
    """Run the command line; the exit status is 0 with an answer, 1 without, 2 when the arguments are off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", nargs="?", help="a text, @FILE, or - for standard input (default: the variable TEXT)")
    parser.add_argument("--num", default="3", help="how many incidents; below 0: all (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the service's answer as JSON")
    local_service.add_arguments(parser)
    arguments = parser.parse_args()
    argument = arguments.text if arguments.text is not None else os.environ.get("TEXT")
    if not argument:
        parser.error('expected a text, as an argument or in the variable TEXT: make similar TEXT="…"')
    try:
        text = _read_text(argument)
    except (OSError, UnicodeDecodeError) as error:
        parser.error(f"expected a readable UTF-8 text, got {error}; a text that starts with @ can come through -")
    local_service.configure(parser, arguments)

    import similar  # noqa: PLC0415 (imports torch: too slow for --help and for mistakes in the arguments)

    logging.getLogger(SERVICE).setLevel(logging.ERROR)  # its warnings say what the answer says too
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    answer = json.loads(similar.handler({"text": text, "num": arguments.num}, None)["body"])
    body = answer["body"]
    if answer["statusCode"] != 200:
        print(body["msg"], file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(body, indent=2, ensure_ascii=False))
    else:
        _print_table(body)
    return 0


def _read_text(argument: str) -> str:
    if argument == "-":
        return sys.stdin.buffer.read().decode("utf-8")
    if argument.startswith("@"):
        return Path(argument[1:]).read_text(encoding="utf-8")
    return argument


def _print_table(body: dict[str, Any]) -> None:
    width = max(shutil.get_terminal_size().columns, MIN_COLUMNS) if sys.stdout.isatty() else PIPED_COLUMNS
    console = Console(width=width, soft_wrap=True, markup=False, emoji=False, highlight=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("rank", justify="right")
    table.add_column("similarity", justify="right")
    table.add_column("id", justify="right")
    table.add_column("title", overflow="fold")
    table.add_column("link", no_wrap=True)
    for rank, match in enumerate(body["similar"], start=1):
        similarity = f"{match['similarity']:.6f}"
        table.add_row(str(rank), similarity, str(match["incident_id"]), match["title"], match["url"])
    for warning in body["warnings"]:
        console.print(f"Note: {warning}")
    if body["similar"]:
        console.print(table)
    index = body["index"]
    console.print(f"Out of {index['incidents']} incidents, indexed {index['built_at']} with {index['encoder']}.")


if __name__ == "__main__":
    sys.exit(main())
