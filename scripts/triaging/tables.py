"""The results as files: CSV for a spreadsheet, JSON Lines for a program, and a page to look at."""

import base64
import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from jinja2 import Environment

from scripts.triaging.results import COLUMNS, Result

PAGE: Final = Path(__file__).with_name("page.html")
FORMULA: Final = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""How a cell begins that a spreadsheet may run as a formula (OWASP, CSV Injection); the last four are full-width."""
NUMBER: Final = re.compile(r"-\d+(\.\d+)?")


def paths(prefix: Path) -> list[Path]:
    """The files that `write_tables` writes: PREFIX.csv, PREFIX.jsonl and PREFIX.html."""
    return [prefix.with_name(f"{prefix.name}.{kind}") for kind in ("csv", "jsonl", "html")]


def write_tables(results: Sequence[Result], counts: Mapping[str, int], name: str, prefix: Path) -> None:
    """Write the three files, each atomically; `name` is the queue's, for the page's heading.

    Raises:
        OSError: the folder is not writable, or the disk is full; a file is either the previous or the new one.
    """
    contents = [as_csv(results), as_json_lines(results), as_page(results, counts, name)]
    for path, content in zip(paths(prefix), contents, strict=True):
        _replace(path, content)


def as_csv(results: Sequence[Result]) -> str:
    """One row an article, after a header. The byte order mark makes Excel read UTF-8."""
    file = io.StringIO(newline="")
    rows = csv.writer(file)
    rows.writerow(COLUMNS)
    rows.writerows([_defuse(cell) for cell in result.as_cells()] for result in results)
    return f"\ufeff{file.getvalue()}"


def as_json_lines(results: Sequence[Result]) -> str:
    """One object an article."""
    return "".join(json.dumps(result.as_json(), ensure_ascii=False) + "\n" for result in results)


def as_page(results: Sequence[Result], counts: Mapping[str, int], name: str) -> str:
    """One HTML page that needs no other file; it is complete without JavaScript, which filters and sorts."""
    template = PAGE.read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.tests["web_link"] = _is_web_link
    rows = {result.article.id: row for row, result in enumerate(results, start=1)}
    hashes = {tag: _hash(tag, template) for tag in ("script", "style")}
    return environment.from_string(template).render(results=results, counts=counts, name=name, rows=rows, hashes=hashes)


def _defuse(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) and not NUMBER.fullmatch(cell) else cell


def _is_web_link(url: str) -> bool:
    """Whether an address may be a link: not javascript:, data: or a path."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no valid address
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _hash(tag: str, page: str) -> str:
    """The source expression that allows only the page's own element with this tag (CSP Level 3, section 2.3.1)."""
    (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _replace(path: Path, content: str) -> None:
    """Write a file atomically. The journal's lock keeps other processes from the temporary name."""
    temporary = path.with_name(f".{path.name}.unfinished")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
