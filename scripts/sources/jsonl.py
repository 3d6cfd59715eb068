"""Incidents from a JSON Lines file: one incident a line, as sample/README.md describes."""

import json
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.sources.incident import LARGEST_NUMBER, Incident, Report


class JsonLines:
    """A file of which one line is in memory at a time."""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self.notes: list[str] = []
        self._path = path
        self._offsets: dict[int, int] = {}

    def incidents(self) -> Iterator[Incident]:
        """Read the file's incidents.

        Raises:
            OSError: the file cannot be read.
            ValueError: a line is not an incident; the message names the line and what was expected.
        """
        offset = 0
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    incident_id, title, _ = _parse(line)
                except (ValueError, KeyError, TypeError, RecursionError) as error:
                    raise ValueError(
                        f"{self._path}, line {number}: expected an object with incident_id (positive whole number), "
                        f"title (string) and reports (list of objects with a text), got something else: "
                        f"{type(error).__name__}: {error}"  # its repr can hold the line, and a text must not be logged
                    ) from error
                self._offsets[incident_id] = offset
                offset += len(line)
                yield Incident(incident_id, title)

    def reports(self, incident: Incident) -> Iterator[Report]:
        """The reports of an incident that `incidents` has given."""
        with self._path.open("rb") as lines:
            lines.seek(self._offsets[incident.incident_id])
            texts = _parse(lines.readline())[2]
        for number, text in enumerate(texts, start=1):
            yield Report(number, text)


def _parse(line: bytes) -> tuple[int, str, list[str]]:
    fields: dict[str, Any] = json.loads(line)
    incident_id, title, texts = fields["incident_id"], fields["title"], [report["text"] for report in fields["reports"]]
    if type(incident_id) is not int or not 0 < incident_id <= LARGEST_NUMBER:
        raise TypeError(f"incident_id is {reprlib.repr(incident_id)}")
    if not isinstance(title, str) or not all(isinstance(text, str) for text in texts):
        raise TypeError("title or a text is of another type")
    title = title.encode("utf-8", "ignore").decode()  # without lone surrogates, which JSON can carry and nobody print
    return incident_id, title, texts
