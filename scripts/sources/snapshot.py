"""Incidents from the public weekly snapshot of the AI Incident Database: its archive, a link to it, or its folder.

The archive is backup-YYYYMMDDhhmmss.tar.bz2 with one folder that holds incidents.csv, duplicates.csv and reports.csv,
as `mongoexport` writes them, among much that is not needed here.
"""

import csv
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

from sources.download import download
from sources.staging import StagedIncidents

INCIDENTS, DUPLICATES, REPORTS = "incidents.csv", "duplicates.csv", "reports.csv"
UNPACKED_FOLDER: Final = "mongodump_full_snapshot"


@contextmanager
def open_snapshot(place: str, downloads: Path) -> Iterator[StagedIncidents]:
    """Take in a snapshot from a path, or from an http(s) URL by way of the folder `downloads`.

    Raises:
        OSError: a file cannot be read, or the archive not be downloaded.
        ValueError: a file is damaged or not what a snapshot has; the message names it and says what was expected.
    """
    path = download(place, downloads) if place.startswith(("http://", "https://")) else Path(place)
    with StagedIncidents(f"snapshot:{path.resolve().name}") as staged:
        if path.is_dir():
            inner = path / UNPACKED_FOLDER
            _take_in(inner if inner.is_dir() else path, staged)
        else:
            with TemporaryDirectory(prefix="snapshot-") as temporary:
                _unpack(path, Path(temporary))
                _take_in(Path(temporary), staged)
        yield staged


def _unpack(archive: Path, folder: Path) -> None:
    """Write the needed files of an archive, and only those, into a folder."""
    missing = {INCIDENTS, DUPLICATES, REPORTS}
    try:
        with tarfile.open(archive, "r|*") as members:  # a stream: the archive is read once, from front to end
            for member in members:
                path = PurePosixPath(member.name)
                if path.name in missing and len(path.parts) <= 2 and (content := members.extractfile(member)):
                    with (folder / path.name).open("wb") as file:
                        shutil.copyfileobj(content, file)
                    missing.remove(path.name)
                if not missing:
                    return
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(f"{archive}: damaged or foreign, expected a snapshot as .tar.bz2: {error}") from error


def _take_in(folder: Path, staged: StagedIncidents) -> None:
    has_reports = (folder / REPORTS).is_file()

    def take_incident(row: dict[str, str]) -> None:
        incident_id = int(row["incident_id"])
        if has_reports:
            staged.add_incident(incident_id, row["title"], _numbers(row["reports"]))
        else:
            staged.add_incident(incident_id, row["title"], [incident_id])
            staged.add_report(incident_id, f"{row['title']}\n\n{row['description']}")

    def take_report(row: dict[str, str]) -> None:
        is_incident_report = row.get("is_incident_report", "").lower() != "false"
        staged.add_report(int(row["report_number"]), row["text"], is_incident_report=is_incident_report)

    def take_duplicate(row: dict[str, str]) -> None:
        duplicates.append((int(row["duplicate_incident_number"]), int(row["true_incident_number"])))

    duplicates: list[tuple[int, int]] = []
    _read(folder / INCIDENTS, ("incident_id", "title", "reports" if has_reports else "description"), take_incident)
    if has_reports:
        _read(folder / REPORTS, ("report_number", "text"), take_report)
    else:
        staged.name += ", titles and descriptions"
        staged.notes.append(f"{REPORTS} is not there: an incident's title and description stand in for its reports")
    if (folder / DUPLICATES).is_file():
        _read(folder / DUPLICATES, ("duplicate_incident_number", "true_incident_number"), take_duplicate)
        staged.fold(duplicates)
    else:
        staged.notes.append(f"{DUPLICATES} is not there: duplicates were not folded")


def _read(path: Path, columns: tuple[str, ...], take: Callable[[dict[str, str]], None]) -> None:
    csv.field_size_limit(2**31 - 1)  # a report can be longer than the default of 131,072 characters
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, strict=True)  # a file that ends within quotes was cut
        try:
            if not set(columns) <= set(rows.fieldnames or []):
                raise ValueError(f"expected the columns {', '.join(columns)}, got {rows.fieldnames}")
            for row in rows:
                if None in row or None in row.values():
                    raise ValueError(f"expected {len(rows.fieldnames or [])} columns, got another number")
                take(row)
        except (csv.Error, ValueError, RecursionError) as error:
            raise ValueError(f"{path.name}, line {rows.line_num}: {error}") from error


def _numbers(text: str) -> list[int]:
    numbers = json.loads(text) if text else []
    if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
        raise ValueError(f"expected a list of report numbers, got {text!r}")
    return numbers
