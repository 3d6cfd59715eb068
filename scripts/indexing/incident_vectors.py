"""The vectors of incidents: means of their reports' vectors, collected into the rows of an index."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from incidents.index.encoder_info import EncoderInfo
from incidents.index.incident_index import IncidentIndex
from scripts.sources.incident import VectorSource


@dataclass(frozen=True)
class Skipped:
    """A report, or a whole incident, that is not in an index, and why; `report` is 0 for an incident."""

    incident_id: int
    report: int
    reason: str

    def __str__(self) -> str:
        return f"incident {self.incident_id}{f', report {self.report}' if self.report else ''}: {self.reason}"


@dataclass
class IncidentMeans:
    """The means of incidents in the order in which they were added, and what was skipped."""

    ids: list[int] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    means: list[Tensor] = field(default_factory=list)
    report_counts: list[int] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def add(self, incident_id: int, title: str, vectors: Iterable[tuple[Tensor, int]]) -> None:
        """Add the plain mean of an incident's report vectors; each comes with the number of reports it is the mean of.

        Shape: each vector (width,), float32.
        """
        total, count = torch.zeros((), dtype=torch.float64), 0
        for vector, n_reports in vectors:
            total = total + vector.double() * n_reports
            count += n_reports
        if count == 0:
            self.skipped.append(Skipped(incident_id, 0, "none of its reports can be used"))
            return
        self.ids.append(incident_id)
        self.titles.append(title)
        self.means.append((total / count).float())
        self.report_counts.append(count)

    def index(self, encoder: EncoderInfo, source: str, built_at: str) -> IncidentIndex:
        """An index of the incidents, sorted by id.

        Raises:
            ValueError: there are none, or they do not fit together.
        """
        if not self.ids:
            raise ValueError("expected at least one incident with a report that can be used, got none")
        order = sorted(range(len(self.ids)), key=self.ids.__getitem__)
        return IncidentIndex(
            ids=torch.tensor([self.ids[row] for row in order]),
            vectors=torch.stack([self.means[row] for row in order]),
            report_counts=torch.tensor([self.report_counts[row] for row in order]),
            titles=[self.titles[row] for row in order],
            encoder=encoder,
            source=source,
            built_at=built_at,
        )


def import_vectors(source: VectorSource, width: int | None) -> IncidentMeans:
    """Take the vectors of a source that has no texts: of `width` numbers, or of as many as its first vector has.

    Raises:
        OSError: the source cannot be read.
        ValueError: the source is invalid, repeats an incident, or has vectors of different widths.
    """
    found, seen = IncidentMeans(), set()
    for incident in source.incidents():
        if incident.incident_id in seen:
            raise ValueError(f"expected every incident once, got {incident.incident_id} twice")
        seen.add(incident.incident_id)
        for vector, _ in incident.vectors:
            width = vector.numel() if width is None else width
            if vector.shape != (width,):
                raise ValueError(
                    f"incident {incident.incident_id}: expected a vector of {width} numbers, got {tuple(vector.shape)}"
                )
            if not vector.isfinite().all():
                raise ValueError(f"incident {incident.incident_id}: expected a vector of finite numbers, got others")
        found.add(incident.incident_id, incident.title, incident.vectors)
    return found
