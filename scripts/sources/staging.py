"""Incidents on their way into an index: taken in from a source once, then read incident by incident.

They wait in a temporary SQLite file: memory does not grow with the texts, a report is found by its number, and a
mistake in a source's last line is reported before anything is embedded.
"""

import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import torch

from scripts.sources.dates import iso_date
from scripts.sources.incident import LARGEST_NUMBER, Incident, Report, StoredVector
from scripts.sources.plain_text import strip_markdown

ISSUE_REPORT: Final = "it reports on an issue, not on an incident"
"""Why a report on an issue is excluded."""
SCHEMA: Final = """
CREATE TABLE incidents (incident_id INTEGER PRIMARY KEY, true_id INTEGER, title TEXT, date TEXT, url TEXT);
CREATE INDEX incidents_by_true_id ON incidents (true_id);
CREATE TABLE listed (incident_id INTEGER, number INTEGER, row INTEGER, PRIMARY KEY (incident_id, row));
CREATE TABLE reports (
    row INTEGER PRIMARY KEY, text TEXT, title TEXT, url TEXT, date TEXT, excluded TEXT,
    vector BLOB, text_hash TEXT, fingerprint TEXT
);
"""
INCIDENTS: Final = """
SELECT true_id, title, date, url FROM incidents AS one
WHERE incident_id = (
    SELECT incident_id FROM incidents WHERE true_id = one.true_id ORDER BY incident_id <> true_id, incident_id LIMIT 1
) ORDER BY true_id
"""
REPORTS: Final = """
SELECT number, row, text, title, url, date, excluded, vector, text_hash, fingerprint
FROM (SELECT DISTINCT number, row FROM incidents JOIN listed USING (incident_id) WHERE true_id = ?)
LEFT JOIN reports USING (row) ORDER BY number
"""


@dataclass(frozen=True)
class NewReport:
    """A report as a source has it.

    `text` may be Markdown. `title`, `url` and `date` are empty where the source does not say them, and a date that is
    not ISO 8601 is dropped. `excluded` says why the report must not be used; it is empty if it may. `stored` is
    (vector, text hash, fingerprint), if there is one.
    """

    number: int
    text: str
    title: str = ""
    url: str = ""
    date: str = ""
    excluded: str = ""
    stored: tuple[Sequence[float], str, str] | None = None


class StagedIncidents:
    """Incidents with their reports, and which incident is a duplicate of which.

    A database gives incidents with the numbers of their reports, and the reports apart: `add_incident`, `add_report`.
    A file gives an incident with its reports: `add_incident_with_texts`. One source uses one of the two ways.

    `name` is what an index says it was built from; `notes` are what its builder should know about the source.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.notes: list[str] = []
        self._duplicates: dict[int, int] = {}
        self._database = sqlite3.connect("", isolation_level=None)  # "" is a temporary file that closing removes
        self._database.executescript(SCHEMA)
        self._database.execute("BEGIN")  # never committed: nothing else reads it, and writing is faster

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add_incident(
        self, incident_id: int, title: str, report_numbers: Iterable[int], *, date: str = "", url: str = ""
    ) -> None:
        """Take in an incident and the numbers of its reports; a date that is not ISO 8601 is dropped.

        Raises:
            ValueError: the incident was added before, or a number is not from 1 to 2^63 - 1; nothing was added.
        """
        _check_number("an incident id", incident_id)
        listed = [_check_number(f"a report of incident {incident_id} to have a number", n) for n in report_numbers]
        self._insert_incident(incident_id, title, date, url, [(number, number) for number in listed])

    def add_report(self, report: NewReport) -> None:
        """Take in a report; its text becomes plain here, and its date YYYY-MM-DD.

        Raises:
            ValueError: the report was added before, or its number is not from 1 to 2^63 - 1.
        """
        self._insert_report(_check_number("a report number", report.number), report)

    def add_incident_with_texts(
        self, incident_id: int, title: str, reports: Sequence[NewReport], *, date: str = "", url: str = ""
    ) -> None:
        """Take in an incident and its reports; their numbers need to differ only within the incident.

        Raises:
            ValueError: the incident was added before, a number is there twice, or one is not from 1 to 2^63 - 1;
                nothing was added.
        """
        _check_number("an incident id", incident_id)
        seen: set[int] = set()
        for report in reports:
            number = _check_number(f"a report of incident {incident_id} to have a number", report.number)
            if number in seen:
                raise ValueError(
                    f"expected every report of incident {incident_id} to have its own number, got {number} twice"
                )
            seen.add(number)
        (last,) = self._database.execute("SELECT COALESCE(MAX(row), 0) FROM reports").fetchone()
        rows = range(last + 1, last + 1 + len(reports))
        listed = [(report.number, row) for report, row in zip(reports, rows, strict=True)]
        self._insert_incident(incident_id, title, date, url, listed)
        for row, report in zip(rows, reports, strict=True):
            self._insert_report(row, report)

    def add_duplicate(self, duplicate: int, true_id: int) -> None:
        """Take in that an incident is a duplicate of another, which can itself be one; `fold` applies it.

        Raises:
            ValueError: it is already a duplicate of another incident, or a circle leads back to it, or an id is not
                from 1 to 2^63 - 1; nothing was added.
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

    def true_ids(self) -> dict[int, int]:
        """For every incident that was added: the incident it was folded into, or itself."""
        return dict(self._database.execute("SELECT incident_id, true_id FROM incidents"))

    def incidents(self) -> Iterator[Incident]:
        """The true incidents by id, each with its and its duplicates' reports by number, every report once.

        A true incident that was not added itself has the title, date and url of its first duplicate.
        """
        for incident_id, title, date, url in self._database.execute(INCIDENTS):
            rows = self._database.execute(REPORTS, (incident_id,))
            yield Incident(incident_id, title, tuple(_report(row) for row in rows), date, url)

    def text(self, row: int) -> str:
        """The plain text of a report, by `Report.row`."""
        return str(self._database.execute("SELECT text FROM reports WHERE row = ?", (row,)).fetchone()[0])

    def _insert_incident(
        self, incident_id: int, title: str, date: str, url: str, reports: Iterable[tuple[int, int]]
    ) -> None:
        """`reports` are pairs of a number and a row."""
        columns = (incident_id, incident_id, title, iso_date(date), url)
        try:
            self._database.execute("INSERT INTO incidents VALUES (?, ?, ?, ?, ?)", columns)
        except sqlite3.IntegrityError as error:
            raise ValueError(f"expected every incident once, got {incident_id} twice") from error
        listed = [(incident_id, number, row) for number, row in reports]
        self._database.executemany("INSERT OR IGNORE INTO listed VALUES (?, ?, ?)", listed)

    def _insert_report(self, row: int, report: NewReport) -> None:
        vector, text_hash, fingerprint = report.stored or (None, "", "")
        blob = None if vector is None else array("f", vector).tobytes()
        told = (strip_markdown(report.text), report.title, report.url, iso_date(report.date), report.excluded)
        columns = (row, *told, blob, text_hash, fingerprint)
        try:
            self._database.execute("INSERT INTO reports VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", columns)
        except sqlite3.IntegrityError as error:
            raise ValueError(f"expected every report once, got {report.number} twice") from error

    def _last_of(self, incident_id: int) -> int:
        """The incident at the end of a chain of duplicates."""
        while incident_id in self._duplicates:
            incident_id = self._duplicates[incident_id]
        return incident_id


def _report(columns: tuple[Any, ...]) -> Report:
    number, row, text, title, url, date, excluded, vector, text_hash, fingerprint = columns
    if text is None:
        return Report(number, row, "", "it is listed, but not there")
    stored = None
    if vector is not None and not excluded:
        numbers = torch.frombuffer(bytearray(vector), dtype=torch.float32)
        stored = StoredVector(numbers, text_hash, fingerprint)
    return Report(number, row, text, excluded, stored, title, url, date)


def _check_number(name: str, number: int) -> int:
    if not 0 < number <= LARGEST_NUMBER:
        raise ValueError(f"expected {name} from 1 to 2^63 - 1, got {number}")
    return number
