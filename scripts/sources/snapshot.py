"""Incidents from the public weekly snapshot of the AI Incident Database: its archive, a link to it, or its folder.

The archive is backup-YYYYMMDDhhmmss.tar.bz2. Its one folder holds incidents.csv, duplicates.csv and reports.csv, as
`mongoexport` writes them, and other files, which are skipped.
"""

import bz2
import csv
import json
import reprlib
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

from scripts.sources.download import download
from scripts.sources.staging import ISSUE_REPORT, NewReport, StagedIncidents

INCIDENTS, DUPLICATES, REPORTS = "incidents.csv", "duplicates.csv", "reports.csv"
END_BLOCK: Final = b"\0" * tarfile.BLOCKSIZE
"""The second of the two blocks that end an archive (POSIX.1-2017, pax, ustar format); tarfile accepts any end."""
UNPACKED_FOLDER: Final = "mongodump_full_snapshot"


@contextmanager
def open_snapshot(place: str, downloads: Path) -> Iterator[StagedIncidents]:
    """Take in a snapshot from a path, or from an http(s) URL by way of the folder `downloads`.

    Raises:
        OSError: a file cannot be read, or the archive not be downloaded.
        ValueError: a file is damaged or not a snapshot's; the message names it and says what was expected.
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
    """Write the needed files of an archive into a folder."""
    try:
        # tarfile's own decompression stops at the end of the first of several streams, which pbzip2 writes.
        with bz2.open(archive) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as members:
            missing = _write_needed(members, folder)
            is_whole = not missing or (members.fileobj and members.fileobj.read(tarfile.BLOCKSIZE)) == END_BLOCK
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # bz2 raises OSError without errno for damage
            raise
        raise ValueError(f"{archive}: damaged or foreign, expected a snapshot as .tar.bz2: {error}") from error
    if not is_whole:
        raise ValueError(f"{archive}: cut, expected {' and '.join(sorted(missing))} or the archive's end")
    if INCIDENTS in missing:
        raise ValueError(f"{archive}: expected a snapshot, got no {INCIDENTS} in it")


def _write_needed(members: tarfile.TarFile, folder: Path) -> set[str]:
    """Read until all needed files were found; return the names of those that were not."""
    missing = {INCIDENTS, DUPLICATES, REPORTS}
    for member in members:
        path = PurePosixPath(member.name)
        if path.name in missing and len(path.parts) <= 2:
            if not member.isfile() or (content := members.extractfile(member)) is None:
                raise tarfile.ReadError(f"{path.name} is no file")
            with (folder / path.name).open("wb") as file:
                shutil.copyfileobj(content, file)
            missing.remove(path.name)
        if not missing:
            break
    return missing


def _take_in(folder: Path, staged: StagedIncidents) -> None:
    has_reports = (folder / REPORTS).exists()

    def take_incident(row: dict[str, str]) -> None:
        incident_id, date = _whole(row, "incident_id"), row.get("date", "")
        if has_reports:
            staged.add_incident(incident_id, row["title"], _numbers(row["reports"]), date=date)
        else:
            staged.add_incident(incident_id, row["title"], [incident_id], date=date)
            staged.add_report(NewReport(incident_id, f"{row['title']}\n\n{row['description']}"))

    def take_report(row: dict[str, str]) -> None:
        is_issue_report = row.get("is_incident_report", "").lower() == "false"
        excluded = ISSUE_REPORT if is_issue_report else ""
        title, url, date = (row.get(column, "") for column in ("title", "url", "date_published"))
        staged.add_report(NewReport(_whole(row, "report_number"), row["text"], title, url, date, excluded=excluded))

    def take_duplicate(row: dict[str, str]) -> None:
        staged.add_duplicate(_whole(row, "duplicate_incident_number"), _whole(row, "true_incident_number"))

    _read(folder / INCIDENTS, ("incident_id", "title", "reports" if has_reports else "description"), take_incident)
    if has_reports:
        _read(folder / REPORTS, ("report_number", "text"), take_report)
    else:
        staged.name += ", titles and descriptions"
        staged.notes.append(f"{REPORTS} is not there: an incident's title and description stand in for its reports")
    if (folder / DUPLICATES).exists():
        _read(folder / DUPLICATES, ("duplicate_incident_number", "true_incident_number"), take_duplicate)
        staged.fold()
    else:
        staged.notes.append(f"{DUPLICATES} is not there: duplicates were not folded")


def _read(path: Path, columns: tuple[str, ...], take: Callable[[dict[str, str]], None]) -> None:
    csv.field_size_limit(2**31 - 1)  # a report can be longer than the default of 131,072 characters
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, strict=True)  # raises an error for a file that ends within quotes
        try:
            if not set(columns) <= set(rows.fieldnames or []):
                # Shortened, as a report can stand in place of the columns.
                raise ValueError(f"expected the columns {', '.join(columns)}, got {reprlib.repr(rows.fieldnames)}")
            for row in rows:
                if None in row or None in row.values():
                    raise ValueError(f"expected {len(rows.fieldnames or [])} columns, got another number")
                take(row)
        except (csv.Error, ValueError, RecursionError) as error:
            raise ValueError(f"{path.name}, line {rows.line_num}: {error}") from error


def _numbers(text: str) -> list[int]:
    numbers = json.loads(text) if text else []
    if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
        raise ValueError(f"expected a list of report numbers, got {reprlib.repr(text)}")
    return numbers


def _whole(row: dict[str, str], column: str) -> int:
    try:
        return int(row[column])
    except ValueError:  # its message would quote the text that may stand there
        raise ValueError(f"expected {column} to be a whole number, got {reprlib.repr(row[column])}") from None
