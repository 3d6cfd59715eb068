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
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{path}, line {number}: expected an object with incident_id (number), title (string) and reports "
                    f"(list of objects with a text), got something else: {error!r}"
                ) from error


def _incident(fields: dict[str, Any]) -> Incident:
    incident_id, title, texts = fields["incident_id"], fields["title"], [report["text"] for report in fields["reports"]]
    if not isinstance(incident_id, int) or not isinstance(title, str) or not all(isinstance(t, str) for t in texts):
        raise TypeError("a field is of another type")
    return Incident(incident_id, title, tuple(texts))
