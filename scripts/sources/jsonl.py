"""Incidents from a JSON Lines file: one incident a line, as sample/README.md describes."""

import json
import reprlib
from pathlib import Path
from typing import Any, Final

from scripts.sources.dates import iso_date
from scripts.sources.incident import LARGEST_NUMBER
from scripts.sources.staging import NewReport, StagedIncidents

LONGEST_QUOTE: Final = 30
"""Characters of a wrong date that a message quotes; what is longer may be a text, which must not be logged."""


def stage_json_lines(path: Path, staged: StagedIncidents) -> None:
    """Take in the incidents of a file, a line at a time.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is not an incident, or repeats one; the message names the line and what was expected.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                fields = _parse(line)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise ValueError(
                    f"{path}, line {number}: expected an object with incident_id (positive whole number), "
                    f"title (string) and reports (list of objects with a text), got something else: "
                    f"{type(error).__name__}: {error}"  # its repr can hold the line, and a text must not be logged
                ) from error
            try:
                reports, date, url = _reports(fields["reports"]), _date(fields, "date"), _string(fields, "url")
                staged.add_incident_with_texts(
                    fields["incident_id"], _encodable(fields["title"]), reports, date=date, url=url
                )
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error


def _parse(line: bytes) -> dict[str, Any]:
    """An incident's fields; those that every incident has are of the right types."""
    fields: dict[str, Any] = json.loads(line)
    incident_id, title, texts = fields["incident_id"], fields["title"], [report["text"] for report in fields["reports"]]
    if type(incident_id) is not int or not 0 < incident_id <= LARGEST_NUMBER:
        raise TypeError(f"incident_id is {reprlib.repr(incident_id)}")
    if not isinstance(title, str) or not all(isinstance(text, str) for text in texts):
        raise TypeError("title or a text is of another type")
    return fields


def _reports(reports: list[dict[str, Any]]) -> list[NewReport]:
    """An incident's reports, with the numbers that they say or, if none says one, counted from 1."""
    unnumbered = [position for position, report in enumerate(reports) if "number" not in report]
    if unnumbered and len(unnumbered) < len(reports):
        raise ValueError(f"expected a number in all reports or in none, got none in reports[{unnumbered[0]}]")
    found: list[NewReport] = []
    for position, report in enumerate(reports):
        place = f"reports[{position}]."
        number = report.get("number", position + 1)
        if type(number) is not int:
            raise ValueError(f"expected {place}number to be a whole number, got {type(number).__name__}")
        title, url, date = _string(report, "title", place), _string(report, "url", place), _date(report, "date", place)
        found.append(NewReport(number, _encodable(report["text"]), title, url, date))
    return found


def _string(fields: dict[str, Any], name: str, place: str = "") -> str:
    """A field that may be missing; `place` names what it is a field of."""
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"expected {place}{name} to be a string, got {type(value).__name__}")
    return _encodable(value)


def _date(fields: dict[str, Any], name: str, place: str = "") -> str:
    value = _string(fields, name, place)
    if value and not iso_date(value):
        got = repr(value) if len(value) <= LONGEST_QUOTE else f"a string of {len(value)} characters"
        raise ValueError(f"expected {place}{name} to be YYYY-MM-DD, got {got}")
    return value


def _encodable(text: str) -> str:
    """Without lone surrogates: JSON can carry them, neither UTF-8 nor SQLite can."""
    return text.encode("utf-8", "ignore").decode()
