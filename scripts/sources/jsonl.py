"""Incidents from a JSON Lines file: one incident a line, as sample/README.md describes."""

import json
import reprlib
from pathlib import Path
from typing import Any

from scripts.sources.incident import LARGEST_NUMBER
from scripts.sources.staging import StagedIncidents


def stage_json_lines(path: Path, staged: StagedIncidents) -> None:
    """Take in the incidents of a file, a line at a time.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is not an incident, or repeats one; the message names the line and what was expected.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                incident_id, title, texts = _parse(line)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise ValueError(
                    f"{path}, line {number}: expected an object with incident_id (positive whole number), "
                    f"title (string) and reports (list of objects with a text), got something else: "
                    f"{type(error).__name__}: {error}"  # its repr can hold the line, and a text must not be logged
                ) from error
            try:
                staged.add_incident_with_texts(incident_id, title, texts)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error


def _parse(line: bytes) -> tuple[int, str, list[str]]:
    fields: dict[str, Any] = json.loads(line)
    incident_id, title, texts = fields["incident_id"], fields["title"], [report["text"] for report in fields["reports"]]
    if type(incident_id) is not int or not 0 < incident_id <= LARGEST_NUMBER:
        raise TypeError(f"incident_id is {reprlib.repr(incident_id)}")
    if not isinstance(title, str) or not all(isinstance(text, str) for text in texts):
        raise TypeError("title or a text is of another type")
    # JSON can carry lone surrogates, which neither UTF-8 nor SQLite can.
    title, *texts = (text.encode("utf-8", "ignore").decode() for text in (title, *texts))
    return incident_id, title, texts
