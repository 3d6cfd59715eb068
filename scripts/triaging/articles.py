"""A queue of articles, from a CSV file with a header or from JSON Lines."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

OPTIONAL: Final = ("title", "url", "date")
LARGEST_CELL: Final = 2**31 - 1
"""Characters in a cell of CSV; the csv module's own limit of 131,072 is less than the service takes."""


@dataclass(frozen=True)
class Article:
    """An article to judge; what is not known about it is empty."""

    id: str
    text: str
    title: str = ""
    url: str = ""
    date: str = ""

    @property
    def content(self) -> str:
        """What is judged: the title, a blank line and the text."""
        return f"{self.title}\n\n{self.text}" if self.title else self.text


def read_articles(path: Path) -> list[Article]:
    """Read the articles of a file, in order. Without an id, an article has the number of its first line.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not such a queue; the message names the line and quotes no text.
    """
    rows = FORMATS.get(path.suffix.lower())
    if rows is None:
        raise ValueError(f"expected a file named {', '.join(f'*{suffix}' for suffix in FORMATS)}, got {path.name}")
    articles: list[Article] = []
    line_of: dict[str, int] = {}
    line = 1
    try:
        for line, fields in rows(_decode(path.read_bytes())):
            article = _parse(fields, default_id=str(line))
            if article.id in line_of:
                raise ValueError(f"expected each id once, got the id of line {line_of[article.id]} again")
            line_of[article.id] = line
            articles.append(article)
    except _LineError as error:
        raise ValueError(f"{path}, line {error.line}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}, line {line}: {error}") from error
    if not articles:
        raise ValueError(f"{path}: expected at least one article, got none")
    return articles


class _LineError(ValueError):
    """A line cannot be read at all."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def _decode(content: bytes) -> str:
    """UTF-8 with or without a byte order mark, as spreadsheets write it."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _LineError(line, f"expected UTF-8, got the byte 0x{content[error.start]:02x}") from error


def _csv_rows(content: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The cells of each row by column, with the number of its first line."""
    csv.field_size_limit(LARGEST_CELL)
    rows = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        if header.count("text") != 1:
            raise _LineError(1, f"expected a header with one column text, got {header.count('text')} of {len(header)}")
        line = rows.line_num + 1
        for cells in rows:
            if cells and len(cells) != len(header):
                raise _LineError(line, f"expected {len(header)} cells, as in the header, got {len(cells)}")
            if cells:
                yield line, dict(zip(header, cells, strict=True))
            line = rows.line_num + 1
    except csv.Error as error:
        raise _LineError(rows.line_num, f"expected CSV, got something else: {error}") from error


def _json_rows(content: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The object on each line that is not blank, with the line's number."""
    for line, text in enumerate(content.split("\n"), start=1):
        if not text.strip():
            continue
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:  # a number of over 4,300 digits is a ValueError too
            raise _LineError(line, f"expected a JSON object, got something else: {type(error).__name__}") from error
        if not isinstance(fields, dict):
            raise _LineError(line, f"expected a JSON object, got JSON of type {type(fields).__name__}")
        yield line, fields


FORMATS: Final[Mapping[str, Callable[[str], Iterable[tuple[int, dict[str, Any]]]]]] = {
    ".csv": _csv_rows,
    ".jsonl": _json_rows,
    ".ndjson": _json_rows,
}
"""How to read a file, by the end of its name."""


def _parse(fields: Mapping[str, Any], default_id: str) -> Article:
    if "text" not in fields:
        raise ValueError("expected a text, got none")
    text = _string(fields, "text")
    if not text:
        raise ValueError("expected a text, got an empty one")
    number = fields.get("id")
    own_id = str(number) if type(number) is int else _string(fields, "id")
    return Article(own_id or default_id, text, *(_string(fields, name) for name in OPTIONAL))


def _string(fields: Mapping[str, Any], name: str) -> str:
    """A field without surrounding whitespace; null and a missing field are empty."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"expected {name} to be a string, got {type(value).__name__}")
    # JSON can carry lone surrogates, which UTF-8 cannot.
    return value.encode("utf-8", "ignore").decode().strip()
