"""Incidents from the original service's state.csv: incident_id, count, and the mean of `count` reports' vectors."""

import csv
import json
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch

from scripts.sources.incident import LARGEST_NUMBER, IncidentVectors

COLUMNS: Final = ("incident_id", "count", "mean")


class StateCsv:
    """The vectors of a file, which has neither texts nor titles."""

    def __init__(self, path: Path) -> None:
        self.name = f"state-csv:{path.name}"
        self._path = path

    def incidents(self) -> Iterator[IncidentVectors]:
        """Read the file's incidents.

        Raises:
            OSError: the file cannot be read.
            ValueError: a row is not an incident; the message names the line and what was expected.
        """
        csv.field_size_limit(2**31 - 1)  # a mean has some 16,000 characters
        with self._path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, strict=True)
            try:
                if not set(COLUMNS) <= set(rows.fieldnames or []):
                    raise ValueError(f"the columns are {reprlib.repr(rows.fieldnames)}")
                for row in rows:
                    incident_id, count = int(row["incident_id"]), int(row["count"])
                    if not (0 < incident_id <= LARGEST_NUMBER and 0 <= count <= LARGEST_NUMBER):
                        raise ValueError(f"incident_id is {incident_id}, count is {count}")
                    mean = torch.tensor(json.loads(row["mean"]), dtype=torch.float32)
                    yield IncidentVectors(incident_id, f"Incident {incident_id}", ((mean, count),))
            except (csv.Error, ValueError, TypeError, OverflowError, RecursionError) as error:
                raise ValueError(
                    f"{self._path}, line {rows.line_num}: expected incident_id and count (whole numbers in 64 bits) "
                    f"and mean (a JSON list of numbers), got something else: {error}"
                ) from error
