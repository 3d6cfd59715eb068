"""Ask an index about its own reports, each as if it were not in the index: alone, or with its whole incident."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from incidents.index.comparison import CANDIDATES, Comparison, best_rows, fit
from incidents.index.incident_index import IncidentIndex
from incidents.index.lexicon import Lexicon, Overlap
from scripts.indexing.words import WordCounts, document_frequencies, most_incidents


@dataclass(frozen=True)
class Case:
    """A report that was asked, with what the index says without it.

    `row` is its incident's; `overlap` is None for the vector alone. Shape: cosines (n_incidents,), not corrected.
    """

    row: int
    comparison: Comparison
    cosines: Tensor
    coverage: Callable[[int], float]


class LeaveOneOut:
    """The reports of an index as questions to it.

    What is left out changes its incident's mean, closest report and words, and how many incidents have a word. The
    corpus mean and other incidents' lengths stay as they are: one report changes them by less than their rounding.

    Shape: vectors (n_reports, width), float32, in the order of the index's reports.
    """

    def __init__(self, index: IncidentIndex, vectors: Tensor, counts: WordCounts, lexicon: Lexicon) -> None:
        self._index = index
        self._counts = counts
        self._lexicon = lexicon
        self._vectors = vectors.double()
        self._owners = torch.from_numpy(counts.owners)
        mean = index.corpus_mean
        self._directions = _unit(self._vectors - mean)
        self._sums = torch.zeros(len(index), vectors.shape[1], dtype=torch.float64).index_add_(
            0, self._owners, self._vectors
        )
        self._centered = _unit(index.vectors.double() - mean)
        self._plain = _unit(index.vectors.double())
        self._incidents = counts.incidents
        self._frequencies = document_frequencies(self._incidents)
        self._common = most_incidents(len(index))
        self._last: tuple[int, list[Tensor]] = (-1, [])

    def __len__(self) -> int:
        """The number of reports."""
        return len(self._vectors)

    def has_others(self, report: int) -> bool:
        """Whether the incident of a report has other reports."""
        return int(self._index.report_counts[self._owners[report]]) > 1

    def ask(self, report: int, *, without_incident: bool, dense_only: bool = False) -> Case:
        """The answer to a report's text, or to its vector alone, without the report or its whole incident."""
        row = int(self._owners[report])
        vector, direction = self._vectors[report], self._directions[report]
        dense, cosines, reports = self._products(report)
        if without_incident:
            dense[row] = cosines[row] = -1.0
            reports[self._owners == row] = -1.0
        else:
            rest = (self._sums[row] - vector) / (int(self._index.report_counts[row]) - 1)
            dense[row] = _unit(rest - self._index.corpus_mean) @ direction
            cosines[row] = _unit(rest) @ _unit(vector)
            reports[report] = -1.0
        lexical = torch.zeros(len(dense), dtype=torch.float64)
        coverage: Callable[[int], float] = _covers_nothing
        if not dense_only:
            lexical, coverage = self._compare_words(report, row, without_incident=without_incident)
        best = torch.full_like(dense, -1.0).scatter_reduce_(0, self._owners, reports, "amax")
        rows = best_rows(dense, lexical, CANDIDATES)
        if without_incident:
            rows = rows[rows != row]
        comparison = Comparison(dense, lexical, rows, best[rows], fit(dense[rows], best[rows], lexical[rows]))
        return Case(row, comparison, cosines, coverage)

    def _products(self, report: int) -> list[Tensor]:
        """A report's cosines, corrected and plain, with all incidents, and corrected with all reports.

        In float64: the rounding of float32 depends on the number of threads. Those of the last report are kept, as each
        is asked in two ways.
        """
        if self._last[0] != report:
            direction, vector = self._directions[report], _unit(self._vectors[report])
            factors = ((self._centered, direction), (self._plain, vector), (self._directions, direction))
            self._last = report, [matrix @ query for matrix, query in factors]
        return [products.clone() for products in self._last[1]]

    def _compare_words(self, report: int, row: int, *, without_incident: bool) -> tuple[Tensor, Callable[[int], float]]:
        asked = self._counts.texts[report]
        positions = torch.from_numpy(asked.indices.astype(np.int64))
        rest = self._incidents[row]
        if not without_incident:
            rest = rest - asked - self._counts.report_titles[report]
        left = torch.from_numpy(np.asarray(rest[:, asked.indices].todense()).ravel().astype(np.float64))
        if without_incident:
            left = torch.zeros_like(left)
        frequencies = torch.from_numpy(self._frequencies[asked.indices].astype(np.float64)) - (left <= 0).double()
        idf = torch.log((1 + len(self._index)) / (1 + frequencies))
        idf = torch.where(torch.from_numpy(self._frequencies[asked.indices]) <= self._common, idf, 0.0)
        counts = torch.from_numpy(asked.data.astype(np.float64))
        overlap = self._lexicon.compare([""] * len(counts), counts, positions, idf)
        scores = overlap.scores.clone()
        scores[row] = 0.0 if without_incident else self._score(overlap, left, counts, rest)
        return scores, _coverage_without(overlap, row, left)

    def _score(self, overlap: Overlap, left: Tensor, counts: Tensor, rest: Any) -> float:
        """The score of an incident that has `left` of each word of a text, and the words `rest` in all."""
        has = left > 0
        products = (counts.log() + 1)[has] * overlap.idf[has].square() * (left[has].log() + 1)
        rest.eliminate_zeros()
        weights = (np.log(rest.data) + 1) * self._lexicon.idf.numpy()[rest.indices]
        length = torch.tensor([float(np.sqrt((weights**2).sum()))], dtype=torch.float64)
        return float(products.sum()) / (float(self._lexicon.divisors(length)) * overlap.divisor)


def _coverage_without(overlap: Overlap, row: int, left: Tensor) -> Callable[[int], float]:
    def coverage(asked: int) -> float:
        if asked != row:
            return overlap.coverage(asked)
        total = float(overlap.weights.sum())
        return float(overlap.weights[left > 0].sum()) / total if total else 0.0

    return coverage


def _covers_nothing(_: int) -> float:
    return 0.0


def _unit(vectors: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vectors, dim=-1)
