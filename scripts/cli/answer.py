"""The service's answer as a table."""

from typing import Any, Final

from rich.table import Table

from scripts.cli.console import answer_console

MIN_COLUMNS: Final = 80
"""Width of the table in a narrow terminal: below, the links leave no room for the titles."""


def print_answer(body: dict[str, Any]) -> None:
    """Print the `body` of a /similar answer: its warnings, a row for each incident, and the index it comes from."""
    console = answer_console(MIN_COLUMNS)
    for warning in body["warnings"]:
        console.print(f"Note: {warning}")
    if body["similar"]:
        console.print(_make_table(body["similar"]))
    index = body["index"]
    console.print(f"Out of {index['incidents']} incidents, indexed {index['built_at']} with {index['encoder']}.")


def _make_table(matches: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("rank", justify="right")
    table.add_column("similarity", justify="right")
    table.add_column("id", justify="right")
    table.add_column("title", overflow="fold")
    table.add_column("link", no_wrap=True)
    for rank, match in enumerate(matches, start=1):
        similarity = f"{match['similarity']:.6f}"
        table.add_row(str(rank), similarity, str(match["incident_id"]), match["title"], match["url"])
    return table
