"""Indexes with reports and words, made of texts and vectors without an encoder."""

import dataclasses
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from incidents.index.encoder_info import EncoderInfo
from incidents.index.incident_index import IncidentIndex
from incidents.model.text import fold, text_hash
from scripts.indexing.details import IndexedReport, add_details
from scripts.indexing.leave_one_out import LeaveOneOut
from scripts.indexing.words import WordCounts, count_words, fit_lexicon
from support.tiny import make_index

Told = tuple[str, Sequence[float]]
"""A report's text and vector."""


@dataclass(frozen=True)
class Corpus:
    """Incidents by id, each with its reports, in an order by id; titles are empty where they are not given."""

    incidents: Mapping[int, Sequence[Told]]
    titles: Mapping[int, str] = dataclasses.field(default_factory=dict)

    @property
    def reports(self) -> list[Told]:
        return [report for reports in self.incidents.values() for report in reports]

    @property
    def vectors(self) -> Tensor:
        return torch.tensor([list(vector) for _, vector in self.reports])

    @property
    def owners(self) -> list[int]:
        return [row for row, reports in enumerate(self.incidents.values()) for _ in reports]

    def plain(self) -> IncidentIndex:
        """The index of the means, without details."""
        counts = [len(reports) for reports in self.incidents.values()]
        means = [part.double().mean(dim=0) for part in torch.split(self.vectors, counts)]
        encoder = EncoderInfo("by hand", "1", "f" * 64, width=self.vectors.shape[1], token_limit=10)
        index = make_index(dict(zip(self.incidents, means, strict=True)), encoder)
        titles = [self.titles.get(incident_id, "") for incident_id in self.incidents]
        return dataclasses.replace(index, report_counts=torch.tensor(counts), titles=titles)

    def index(self) -> IncidentIndex:
        """The index as a build makes it; reports are numbered from 1 on."""
        reports = [
            IndexedReport(
                number=number,
                title=f"Report {number}",
                url=f"https://news.example/{number}",
                date="2025-06-07",
                text_hash=text_hash(text),
            )
            for number, (text, _) in enumerate(self.reports, start=1)
        ]
        n_incidents = len(self.incidents)
        texts = (text for text, _ in self.reports)
        return add_details(self.plain(), reports, self.vectors, texts, ["2025-01-02"] * n_incidents, [""] * n_incidents)

    def counts(self) -> WordCounts:
        """The words of texts and of incidents' titles; reports have no titles here."""
        titles = [fold(self.titles.get(incident_id, "")) for incident_id in self.incidents]
        return count_words([fold(text) for text, _ in self.reports], [""] * len(self.reports), titles, self.owners)

    def questions(self) -> LeaveOneOut:
        """The reports as questions."""
        counts = self.counts()
        return LeaveOneOut(self.plain(), self.vectors, counts, fit_lexicon(counts))

    def without(self, report: int) -> "Corpus":
        """The corpus without a report, and without its incident if it has no other."""
        left: dict[int, Sequence[Told]] = {}
        position = 0
        for incident_id, reports in self.incidents.items():
            kept = [told for at, told in enumerate(reports, start=position) if at != report]
            position += len(reports)
            left |= {incident_id: kept} if kept else {}
        return dataclasses.replace(self, incidents=left)


def random_corpus(
    seed: int, n_incidents: int, *, n_reports: int = 3, n_large: int | None = None, width: int = 16, own: float = 1.0
) -> Corpus:
    """Incidents with a direction and eight words of their own; with `own` = 0, nothing tells them apart.

    The first `n_large` of them, or all, have `n_reports` reports; the others have one.
    """
    numbers, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    incidents = {}
    for incident_id in range(1, n_incidents + 1):
        center = own * torch.randn(width, generator=generator)
        topic = [f"topic{incident_id}{letter}" for letter in "abcdefgh"] if own else [f"word{n}" for n in range(100)]
        incidents[incident_id] = [
            (
                " ".join(numbers.sample(topic, 3) + [f"word{numbers.randrange(100)}" for _ in range(8)]),
                (center + torch.randn(width, generator=generator)).tolist(),
            )
            for _ in range(n_reports if n_large is None or incident_id <= n_large else 1)
        ]
    return Corpus(incidents)
