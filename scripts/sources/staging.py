"""A database on its way into an index: taken in once as a stream, then looked up incident by incident.

It waits in a temporary file, not in memory: the texts of the AI Incident Database alone are some 32 MB.
"""

import sqlite3
from array import array
from collections.abc import Iterable, Iterator
from typing import Final, Self

import torch

from scripts.sources.incident import LARGEST_NUMBER, Incident, Report

SCHEMA: Final = """
CREATE TABLE incidents (incident_id INTEGER PRIMARY KEY, true_id INTEGER, title TEXT);
CREATE INDEX incidents_by_true_id ON incidents (true_id);
CREATE TABLE listed (incident_id INTEGER, report_number INTEGER, PRIMARY KEY (incident_id, report_number));
CREATE TABLE reports (report_number INTEGER PRIMARY KEY, text TEXT, is_incident_report INTEGER, vector BLOB);
"""
INCIDENTS: Final = """
SELECT true_id,
       (SELECT title FROM incidents WHERE true_id = ids.true_id ORDER BY incident_id <> true_id, incident_id LIMIT 1)
FROM (SELECT DISTINCT true_id FROM incidents) AS ids ORDER BY true_id
"""
REPORTS: Final = """
SELECT report_number, reports.report_number IS NOT NULL, text, is_incident_report, vector
FROM (SELECT DISTINCT report_number FROM incidents JOIN listed USING (incident_id) WHERE true_id = ?)
LEFT JOIN reports USING (report_number) ORDER BY report_number
"""


class StagedIncidents:
    """Incidents with the numbers of their reports, reports by number, and which incident is a duplicate of which."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.notes: list[str] = []
        self._duplicates: dict[int, int] = {}
        self._database = sqlite3.connect("", isolation_level=None)  # "" is a temporary file that closing removes
        self._database.executescript(SCHEMA)
        self._database.execute("BEGIN")  # never committed: nobody else reads it, and it is faster

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add_incident(self, incident_id: int, title: str, report_numbers: Iterable[int]) -> None:
        """Take in an incident.

        Raises:
            ValueError: it is there already, or a number is not from 1 to 2^63 - 1; nothing was taken in.
        """
        _check_number("an incident id", incident_id)
        listed = [
            (incident_id, _check_number(f"a report of incident {incident_id} to have a number", number))
            for number in report_numbers
        ]
        try:
            self._database.execute("INSERT INTO incidents VALUES (?, ?, ?)", (incident_id, incident_id, title))
        except sqlite3.IntegrityError as error:
            raise ValueError(f"expected every incident once, got {incident_id} twice") from error
        self._database.executemany("INSERT OR IGNORE INTO listed VALUES (?, ?)", listed)

    def add_report(
        self, number: int, text: str, *, is_incident_report: bool = True, vector: list[float] | None = None
    ) -> None:
        """Take in a report, with the vector that is stored for its text, if any.

        Raises:
            ValueError: it is there already, or its number is not from 1 to 2^63 - 1.
        """
        _check_number("a report number", number)
        blob = None if vector is None else array("f", vector).tobytes()
        try:
            self._database.execute("INSERT INTO reports VALUES (?, ?, ?, ?)", (number, text, is_incident_report, blob))
        except sqlite3.IntegrityError as error:
            raise ValueError(f"expected every report once, got {number} twice") from error

    def add_duplicate(self, duplicate: int, true_id: int) -> None:
        """Take in that an incident is a duplicate of another, which can be one itself; `fold` makes use of it.

        Raises:
            ValueError: it is a duplicate of another one already, or in the end of itself, or an id is not from 1 to
                2^63 - 1; nothing was taken in.
        """
        _check_number("the id of a duplicate", duplicate)
        _check_number(f"the true incident of {duplicate} to have an id", true_id)
        if (known := self._duplicates.get(duplicate, true_id)) != true_id:
            raise ValueError(f"expected {duplicate} to be a duplicate of one incident, got {known} and {true_id}")
        if self._last_of(true_id) == duplicate:
            raise ValueError(f"expected {duplicate} to be a duplicate of another, got a circle by {true_id}")
        self._duplicates[duplicate] = true_id

    def fold(self) -> None:
        """Give the reports of every duplicate to its true incident."""
        folded = [(self._last_of(duplicate), duplicate) for duplicate in self._duplicates]
        self._database.executemany("UPDATE incidents SET true_id = ? WHERE incident_id = ?", folded)

    def _last_of(self, incident_id: int) -> int:
        """The incident at the end of a chain of duplicates."""
        while incident_id in self._duplicates:
            incident_id = self._duplicates[incident_id]
        return incident_id

    def true_ids(self) -> dict[int, int]:
        """For every incident that was taken in the one it was folded into, or itself."""
        return dict(self._database.execute("SELECT incident_id, true_id FROM incidents"))

    def incidents(self) -> Iterator[Incident]:
        """The true incidents by id; one without a row of its own has the title of its first duplicate."""
        for row in self._database.execute(INCIDENTS):
            yield Incident(*row)

    def reports(self, incident: Incident) -> Iterator[Report]:
        """The reports of an incident and of its duplicates by number, each once."""
        for number, found, text, is_incident_report, blob in self._database.execute(REPORTS, (incident.incident_id,)):
            if not found:
                yield Report(number, left_out="it is listed, but not there")
            elif not is_incident_report:
                yield Report(number, left_out="it reports on an issue, not on an incident")
            else:
                vector = None if blob is None else torch.frombuffer(bytearray(blob), dtype=torch.float32)
                yield Report(number, text, vector)


def _check_number(name: str, number: int) -> int:
    if not 0 < number <= LARGEST_NUMBER:
        raise ValueError(f"expected {name} from 1 to 2^63 - 1, got {number}")
    return number
