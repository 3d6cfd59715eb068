"""From a source to the rows of an index: which texts or vectors make up which incident, and what is left out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from operator import attrgetter

import torch
from torch import Tensor

from incidents.index.incident_index import EncoderInfo, IncidentIndex
from incidents.model.encoder import Embedding
from incidents.model.text import prepare
from scripts.indexing.embedding import PendingTexts
from scripts.indexing.vector_cache import VectorCache
from scripts.sources.incident import Incident, Source
from scripts.sources.plain_text import strip_markdown


@dataclass(frozen=True)
class LeftOut:
    """A report that is not in an index, or a whole incident, and why; `report` is 0 for an incident."""

    incident_id: int
    report: int
    reason: str

    def __str__(self) -> str:
        return f"incident {self.incident_id}{f', report {self.report}' if self.report else ''}: {self.reason}"


@dataclass
class Plan:
    """What has to be averaged: for each incident the numbers of its reports and the keys of their vectors."""

    incidents: list[tuple[Incident, list[tuple[int, bytes]]]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    @property
    def keys(self) -> list[bytes]:
        """The keys of all reports."""
        return [key for _, reports in self.incidents for _, key in reports]


@dataclass
class Rows:
    """The means of incidents, one after the other; `truncated` counts reports of which only the beginning was read."""

    incidents: list[Incident] = field(default_factory=list)
    means: list[Tensor] = field(default_factory=list)
    report_counts: list[int] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    truncated: int = 0

    def add(self, incident: Incident, vectors: Iterable[tuple[Tensor, int]]) -> None:
        """Give an incident the plain mean of its reports' vectors; with each, of how many reports it is the mean.

        Shape: each vector (width,), float32.
        """
        total, count = torch.zeros((), dtype=torch.float64), 0
        for vector, n_reports in vectors:
            total = total + vector.double() * n_reports
            count += n_reports
        if count == 0:
            self.left_out.append(LeftOut(incident.incident_id, 0, "none of its reports can be used"))
            return
        self.incidents.append(incident)
        self.means.append((total / count).float())
        self.report_counts.append(count)

    def index(self, encoder: EncoderInfo, source: str, built_at: str) -> IncidentIndex:
        """The rows as an index, by incident id.

        Raises:
            ValueError: there are none, or they do not fit together.
        """
        if not self.incidents:
            raise ValueError("expected at least one incident with a report that can be used, got none")
        order = sorted(range(len(self.incidents)), key=lambda row: self.incidents[row].incident_id)
        return IncidentIndex(
            ids=torch.tensor([self.incidents[row].incident_id for row in order]),
            vectors=torch.stack([self.means[row] for row in order]),
            report_counts=torch.tensor([self.report_counts[row] for row in order]),
            titles=[self.incidents[row].title for row in order],
            encoder=encoder,
            source=source,
            built_at=built_at,
        )


def make_plan(source: Source, cache: VectorCache, pending: PendingTexts, advance: Callable[[], None]) -> Plan:
    """Read a source once; let the texts wait that have no vector yet. `advance` is called at every incident.

    Raises:
        OSError: the source cannot be read.
        ValueError: the source is not what it should be, or has an incident twice.
        UnusableCacheError: the cache cannot be used.
    """
    plan, seen = Plan(), set()
    for incident in source.incidents():
        if incident.incident_id in seen:
            raise ValueError(f"expected every incident once, got {incident.incident_id} twice")
        seen.add(incident.incident_id)
        keys = []
        for report in source.reports(incident):
            text = prepare(strip_markdown(report.text))
            if report.left_out or not text:
                reason = report.left_out or "it has no text"
                plan.left_out.append(LeftOut(incident.incident_id, report.number, reason))
                continue
            keys.append((report.number, key := cache.key(text)))
            if key in cache:
                continue
            if report.vector is None:
                pending.add(key, text)
            else:
                cache.put([(key, Embedding(report.vector, tokens=0, tokens_used=0))])
        plan.incidents.append((incident, keys))
        advance()
    return plan


def average(plan: Plan, cache: VectorCache, empty: set[bytes]) -> Rows:
    """Average what was planned, now that everything is embedded but the texts with `empty` keys.

    Raises:
        UnusableCacheError: the cache cannot be used.
    """
    rows = Rows(left_out=plan.left_out)
    for incident, reports in plan.incidents:
        vectors = []
        for number, key in reports:
            if key in empty:
                rows.left_out.append(LeftOut(incident.incident_id, number, "it has no text that the model can read"))
                continue
            embedding = cache.get(key)
            rows.truncated += embedding.tokens_used < embedding.tokens
            vectors.append((embedding.vector, 1))
        rows.add(incident, vectors)
    rows.left_out.sort(key=attrgetter("incident_id", "report"))
    return rows


def import_vectors(source: Source, width: int | None) -> Rows:
    """Take over the vectors of a source that has no texts; of `width` numbers, or of as many as the first.

    Raises:
        OSError: the source cannot be read.
        ValueError: the source is not what it should be, or vectors are of different widths.
    """
    rows, seen = Rows(), set()
    for incident in source.incidents():
        if incident.incident_id in seen:
            raise ValueError(f"expected every incident once, got {incident.incident_id} twice")
        seen.add(incident.incident_id)
        vectors = []
        for report in source.reports(incident):
            vector = report.vector if report.vector is not None else torch.empty(0)
            width = vector.numel() if width is None else width
            if vector.shape != (width,):
                raise ValueError(
                    f"incident {incident.incident_id}: expected a vector of {width} numbers, got {tuple(vector.shape)}"
                )
            if not vector.isfinite().all():
                raise ValueError(f"incident {incident.incident_id}: expected a vector of finite numbers, got others")
            vectors.append((vector, report.n_texts))
        rows.add(incident, vectors)
    return rows
