"""The service's answer for people: the verdict, then the matches, each with its reasons.

Older services and indexes without reports give less; whatever is missing is left out.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scripts.cli.console import answer_console
from scripts.cli.verdict import describe, format_probability

MIN_COLUMNS: Final = 80
"""Width of the table in a narrow terminal: below, the numbers leave no room for the titles."""
INDENT: Final = " " * 6
PASSAGE_CHARACTERS: Final = 160
KINDS: Final = {"same_text": "same text", "near_text": "nearly the same text", "same_url": "same address"}


def print_answer(body: dict[str, Any], text: str) -> None:
    """Print the `body` of a /similar answer to a text; a passage that is the whole text is not repeated."""
    console = answer_console(MIN_COLUMNS)
    if verdict := body.get("verdict"):
        decision, *meaning = describe(verdict)
        console.print(decision, style="bold")
        _print_wrapped(console, meaning)
    for warning in body["warnings"]:
        console.print(f"Note: {warning}")
    _print_wrapped(console, map(_describe_duplicate, body.get("duplicates", [])))
    _print_matches(console, body["similar"], text)
    for found in body.get("also", []):
        probability = format_probability(found["probability"])
        _print_wrapped(console, [f"Also: incident {found['incident_id']}, {found['title']}, probability {probability}"])
        _print_wrapped(console, [found["url"], *_quote(found.get("passage", ""), text)], INDENT)
    index = body["index"]
    console.print(f"Out of {index['incidents']} incidents, indexed {index['built_at']} with {index['encoder']}.")


def _print_matches(console: Console, matches: list[dict[str, Any]], text: str) -> None:
    """A table in which each row is followed by lines of the full width: the link and the reasons."""
    columns = _columns(matches)
    for at, match in enumerate(matches):
        table = Table(box=None, pad_edge=False, show_header=at == 0)
        for name, cells in columns.items():
            table.add_column(name, justify="right", width=max(map(len, [name, *cells])))
        table.add_column("title", overflow="fold")
        table.add_row(*(cells[at] for cells in columns.values()), match["title"])
        console.print(table)
        _print_wrapped(console, [match["url"], *_reasons(match.get("why", {}), text)], INDENT)


def _columns(matches: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The cells of each column by its name; a column that no match has is missing."""
    hybrid = any("relevance" in match for match in matches)
    # Similarities of some encoders differ only in the fourth decimal; the relevance is spread from 0 to 1.
    decimals = 2 if hybrid else 6
    columns = {
        "rank": [str(rank) for rank, _ in enumerate(matches, start=1)],
        "relevance": [f"{match['relevance']:.2f}" if "relevance" in match else "" for match in matches],
        "similarity": [f"{match['similarity']:.{decimals}f}" for match in matches],
        "id": [str(match["incident_id"]) for match in matches],
        "date": [match.get("date", "") for match in matches],
        "reports": [str(match.get("reports", "")) for match in matches],
    }
    return {name: cells for name, cells in columns.items() if any(cells)}


def _reasons(why: dict[str, Any], text: str) -> Iterator[str]:
    report = [f"closest is {_name(why['report'])}{_title(why['report'], ', ')}"] if "report" in why else []
    terms = [f"shared terms: {', '.join(why['terms'])}"] if why.get("terms") else []
    if report or terms:
        yield f"why: {'; '.join(report + terms)}"
    yield from _quote(why.get("passage", ""), text)


def _describe_duplicate(duplicate: dict[str, Any]) -> str:
    report, kind = duplicate["report"], KINDS.get(duplicate["kind"], duplicate["kind"])
    overlap = f" (overlap {duplicate['overlap']:.2f})" if duplicate["kind"] == "near_text" else ""
    found = f"{_name(report)} of incident {duplicate['incident_id']}"
    return f"Already in: {found}, {kind}{overlap}{_title(report, ': ')}"


def _name(report: dict[str, Any]) -> str:
    return f"report {report['number']}" if "number" in report else "a report"


def _title(report: dict[str, Any], before: str) -> str:
    """A report's title in quotes; empty if it is not known."""
    return f'{before}"{title}"' if (title := report.get("title")) else ""


def _quote(passage: str, text: str) -> list[str]:
    """The beginning of a passage, cut between two words; nothing if it is the whole text."""
    passage, text = " ".join(passage.split()), " ".join(text.split())
    if passage in ("", text):
        return []
    if len(passage) > PASSAGE_CHARACTERS:
        passage = re.sub(r"\s+\S*$", "", passage[:PASSAGE_CHARACTERS]) + "…"
    return [f'"{passage}"']


def _print_wrapped(console: Console, lines: Iterable[str], indent: str = "") -> None:
    for line in lines:
        for part in Text(line).wrap(console, console.width - len(indent)):
            part.rstrip()
            console.print(Text(indent) + part)
