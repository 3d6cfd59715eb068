"""The types that every source produces."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from torch import Tensor

LARGEST_NUMBER: Final = 2**63 - 1
"""Of incidents and reports: the largest integer of SQLite and of an index."""


@dataclass(frozen=True)
class StoredVector:
    """The vector that a source holds for a report, with the text and the encoder that it was made from.

    `text_hash` is the hash of that text, see `incidents.model.text.text_hash`; `fingerprint` is the encoder's. Both say
    what the source says: whether they are up to date is for the caller to compare.

    Shape: vector (width,), float32.
    """

    vector: Tensor
    text_hash: str
    fingerprint: str


@dataclass(frozen=True)
class Report:
    """A report of an incident.

    `number` is the source's, or counts the incident's reports from 1. `row` finds the text again in `StagedIncidents`.
    `text` is plain: without markdown. `excluded` says why the report must not be used; it is empty if it may.
    `title`, `url` and `date` (YYYY-MM-DD) are empty where the source does not say them.
    """

    number: int
    row: int
    text: str
    excluded: str = ""
    stored: StoredVector | None = None
    title: str = ""
    url: str = ""
    date: str = ""


@dataclass(frozen=True)
class Incident:
    """A known incident with its reports; `date` (YYYY-MM-DD) and `url` are empty where the source does not say them."""

    incident_id: int
    title: str
    reports: tuple[Report, ...]
    date: str = ""
    url: str = ""


@dataclass(frozen=True)
class IncidentVectors:
    """A known incident of a source that has vectors instead of texts.

    Shape: each vector (width,), float32; with each, the number of reports that it is the mean of.
    """

    incident_id: int
    title: str
    vectors: tuple[tuple[Tensor, int], ...]


class VectorSource(Protocol):
    """Incidents with vectors, each incident once. `name` is what an index says it was built from."""

    name: str

    def incidents(self) -> Iterator[IncidentVectors]:
        """All incidents."""
        ...
