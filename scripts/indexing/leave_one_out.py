"""Ask an index about its own reports, each as if it were not in the index: alone, or with its whole incident."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from incidents.index.comparison import CANDIDATES, Comparison, best_rows, fit
from incidents.index.incident_index import IncidentIndex
from incidents.index.lexicon import Lexicon, Overlap, words_of
from scripts.indexing.words import WordCounts, document_frequencies, most_incidents


@dataclass(frozen=True, eq=False)
class Question:
    """A text to ask, about the incident of `row`.

    `reports` are the positions of that incident's reports that are the text; without them it is asked. Shape: vector
    (width,), float64; positions (n_words,), int64, of the text's words in the lexicon, or MISSING; counts (n_words,),
    float64, how often it has each.
    """

    row: int
    vector: Tensor
    positions: Tensor
    counts: Tensor
    reports: tuple[int, ...] = ()


@dataclass(frozen=True)
class Case:
    """A text that was asked, with what the index says without the reports that it is.

    `row` is its incident's. Shape: cosines (n_incidents,), not corrected.
    """

    row: int
    comparison: Comparison
    cosines: Tensor
    coverage: Callable[[int], float]


class LeaveOneOut:
    """An index that answers each of its reports, and other texts about its incidents, as if it did not know them.

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
        frequencies = torch.from_numpy(document_frequencies(self._incidents).astype(np.float64))
        self._frequencies = torch.cat([frequencies, frequencies.new_zeros(1)])  # MISSING is the last position
        self._common = most_incidents(len(index))
        self._last: tuple[Question | None, list[Tensor]] = (None, [])

    def __len__(self) -> int:
        """The number of reports."""
        return len(self._vectors)

    def question(self, report: int) -> Question:
        """The text of a report as a question."""
        asked = self._counts.texts[report]
        positions = torch.from_numpy(asked.indices.astype(np.int64))
        counts = torch.from_numpy(asked.data.astype(np.float64))
        return Question(int(self._owners[report]), self._vectors[report], positions, counts, (report,))

    def other_question(self, row: int, folded: str, vector: Tensor, reports: tuple[int, ...] = ()) -> Question:
        """A text about the incident of a row, folded to ASCII, as a question. Shape: vector (width,)."""
        found = Counter(words_of(folded))
        counts = torch.tensor([float(count) for count in found.values()], dtype=torch.float64)
        return Question(row, vector.double(), self._lexicon.find(list(found)), counts, reports)

    def has_others(self, question: Question) -> bool:
        """Whether the question's incident has other reports than those that are the question."""
        return int(self._index.report_counts[question.row]) > len(question.reports)

    def ask(self, question: Question, *, without_incident: bool, dense_only: bool = False) -> Case:
        """The answer to a text, or to its vector alone, without the reports that it is or the whole incident."""
        row, out = question.row, list(question.reports)
        dense, cosines, reports = self._products(question)
        if without_incident:
            dense[row] = cosines[row] = -1.0
            reports[self._owners == row] = -1.0
        elif out:
            rest = (self._sums[row] - self._vectors[out].sum(dim=0)) / (int(self._index.report_counts[row]) - len(out))
            dense[row] = _unit(rest - self._index.corpus_mean) @ self._direction(question)
            cosines[row] = _unit(rest) @ _unit(question.vector)
            reports[out] = -1.0
        lexical = torch.zeros(len(dense), dtype=torch.float64)
        coverage: Callable[[int], float] = _covers_nothing
        if not dense_only:
            lexical, coverage = self._compare_words(question, without_incident=without_incident)
        best = torch.full_like(dense, -1.0).scatter_reduce_(0, self._owners, reports, "amax")
        rows = best_rows(dense, lexical, CANDIDATES)
        if without_incident:
            rows = rows[rows != row]
        comparison = Comparison(dense, lexical, rows, best[rows], fit(dense[rows], best[rows], lexical[rows]))
        return Case(row, comparison, cosines, coverage)

    def _products(self, question: Question) -> list[Tensor]:
        """A question's cosines, corrected and plain, with all incidents, and corrected with all reports.

        In float64: the rounding of float32 depends on the number of threads. Those of the last question are kept, as
        each is asked in two ways.
        """
        if self._last[0] is not question:
            direction, vector = self._direction(question), _unit(question.vector)
            factors = ((self._centered, direction), (self._plain, vector), (self._directions, direction))
            self._last = question, [matrix @ query for matrix, query in factors]
        return [products.clone() for products in self._last[1]]

    def _direction(self, question: Question) -> Tensor:
        return _unit(question.vector - self._index.corpus_mean)

    def _compare_words(self, question: Question, *, without_incident: bool) -> tuple[Tensor, Callable[[int], float]]:
        row, positions, counts = question.row, question.positions, question.counts
        rest = self._incidents[row]
        had = _counts_at(rest, positions)
        for report in () if without_incident else question.reports:
            rest = rest - self._counts.texts[report] - self._counts.report_titles[report]
        left = torch.zeros_like(had) if without_incident else _counts_at(rest, positions)
        before = self._frequencies[positions]
        frequencies = before - ((had > 0) & (left <= 0)).double()
        idf = torch.log((1 + len(self._index)) / (1 + frequencies))
        idf = torch.where(before <= self._common, idf, 0.0)
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


def _counts_at(counts: Any, positions: Tensor) -> Tensor:
    """How often an incident has the words at some positions. Shape: counts (1, n), sparse; positions (n_words,)."""
    whole = torch.zeros(counts.shape[1] + 1, dtype=torch.float64)  # MISSING is the last position
    whole[torch.from_numpy(counts.indices.astype(np.int64))] = torch.from_numpy(counts.data.astype(np.float64))
    return whole[positions]


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
