"""What every source of incidents gives, whatever it reads."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from torch import Tensor

LARGEST_NUMBER: Final = 2**63 - 1
"""Of incidents and reports: the largest integer of SQLite and of an index."""


@dataclass(frozen=True)
class Incident:
    """A known incident."""

    incident_id: int
    title: str


@dataclass(frozen=True)
class Report:
    """A report of an incident: its text, which may be markdown, or a vector somebody made of it, or both.

    Shape: vector (width,), float32; it is the mean of `n_texts` vectors. `number` is that of the source, or counts the
    reports of the incident. `left_out` says why a report must not be used, and is empty where it may.
    """

    number: int
    text: str = ""
    vector: Tensor | None = None
    n_texts: int = 1
    left_out: str = ""


class Source(Protocol):
    """Incidents, each once, and the reports of each; both as streams.

    `name` is what an index says it was built from; `notes` are what whoever builds it should know about the source.
    """

    name: str
    notes: list[str]

    def incidents(self) -> Iterator[Incident]:
        """All incidents."""
        ...

    def reports(self, incident: Incident) -> Iterator[Report]:
        """The reports of one of them, always in the same order."""
        ...
