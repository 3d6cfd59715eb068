"""Incidents from a JSON Lines file: one incident a line, as sample/README.md describes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Incident:
    """An incident and the texts of its reports."""

    incident_id: int
    title: str
    texts: tuple[str, ...]


def read_incidents(path: Path) -> Iterator[Incident]:
    """Read a file's incidents, a line at a time.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is not an incident; the message names the line and what was expected.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield _incident(json.loads(line))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise ValueError(
                    f"{path}, line {number}: expected an object with incident_id (positive whole number), title "
                    f"(string) and reports (list of objects with a text), got something else: {error!r}"
                ) from error


def _incident(fields: dict[str, Any]) -> Incident:
    incident_id, title, texts = fields["incident_id"], fields["title"], [report["text"] for report in fields["reports"]]
    if type(incident_id) is not int or not 0 < incident_id < 2**63:
        raise TypeError(f"incident_id is {incident_id!r}")
    if not isinstance(title, str) or not all(isinstance(text, str) for text in texts):
        raise TypeError("title or a text is of another type")
    return Incident(incident_id, title, tuple(texts))
