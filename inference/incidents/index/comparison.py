"""How well each incident fits a text: its mean, its closest report and its words together."""

import heapq
import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from incidents.index.incident_index import IncidentIndex, Match, Projection
from incidents.index.lexicon import Overlap
from incidents.measurements import timed

CANDIDATES: Final = 100
"""Incidents whose reports are compared one by one: the best by mean and words."""
LEXICAL_WEIGHT: Final = 1.5
"""Of the shared words, against the mean of the two cosines."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """The fit of the incidents in `rows`, the best by mean and words.

    Shape: dense, lexical (n_incidents,), of all incidents: the mean-corrected cosine of the mean, and the score of the
    words; rows (n_rows,), int64; best (n_rows,), the mean-corrected cosine of the closest report; fit (n_rows,),
    float64, what the hybrid order follows.
    """

    dense: Tensor
    lexical: Tensor
    rows: Tensor
    best: Tensor
    fit: Tensor


def compare(index: IncidentIndex, projection: Projection, overlap: Overlap | None, num: int = 0) -> Comparison:
    """Compare a query with all incidents, and with the reports of CANDIDATES of them or, if that is more, `num`.

    Without `overlap`, or in an index without reports, that part is left out of the fit. `num` < 0 means all.
    """
    with timed("compare_ms"):
        dense = projection.corrected
        lexical = torch.zeros(len(index), dtype=torch.float64) if overlap is None else overlap.scores
        rows = best_rows(dense, lexical, len(index) if num < 0 else max(CANDIDATES, num))
        best = dense[rows] if index.details is None else closest_reports(index, rows, projection.direction)[0]
        return Comparison(dense, lexical, rows, best, fit(dense[rows], best, lexical[rows]))


def best_rows(dense: Tensor, lexical: Tensor, number: int) -> Tensor:
    """The rows of at most `number` incidents, the best by mean and words. Shape: dense, lexical (n_incidents,)."""
    return (dense + LEXICAL_WEIGHT * lexical).topk(min(number, len(dense)), sorted=False).indices.sort().values


def fit(dense: Tensor, best: Tensor, lexical: Tensor) -> Tensor:
    """What the hybrid order follows. Shape: each (n,) -> (n,), float64."""
    return (dense.double() + best) / 2 + LEXICAL_WEIGHT * lexical


def relevance(fit: float) -> float:
    """The fit on a scale from 0 to 1, in the same order: 1 - exp(-fit); 0 for an incident that points away."""
    return 1 - math.exp(-max(0.0, fit))


def rank_hybrid(
    index: IncidentIndex, projection: Projection, comparison: Comparison, num: int
) -> list[tuple[Match, float]]:
    """The `num` incidents that fit best, each with its relevance; ties have the larger id first.

    `num` < 0 means all that were compared.
    """
    num = len(comparison.rows) if num < 0 else min(num, len(comparison.rows))
    ids = index.ids[comparison.rows].tolist()
    best = heapq.nlargest(num, zip(comparison.fit.tolist(), ids, range(len(ids)), strict=True))
    rows = comparison.rows[[position for _, _, position in best]]
    return list(zip(index.matches(rows, projection), [relevance(fit) for fit, _, _ in best], strict=True))


def report_positions(index: IncidentIndex, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The positions of the reports of incidents, and with each the position of its incident in `rows`.

    Shape: rows (n_rows,) -> two of (n_reports,).
    """
    counts = index.report_counts[rows]
    offsets = torch.arange(int(counts.sum())) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    owners = torch.arange(len(rows)).repeat_interleave(counts)
    return index.first_reports[rows][owners] + offsets, owners


def closest_reports(index: IncidentIndex, rows: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Of each incident in `rows`: the largest mean-corrected cosine of a report, and that report's position.

    Shape: rows (n_rows,), direction (width,) of length 1 -> two of (n_rows,).

    Raises:
        ValueError: the index has no reports.
    """
    if index.details is None:
        raise ValueError("expected an index with reports, got one without")
    positions, owners = report_positions(index, rows)
    cosines = index.details.reports.directions[positions].float() @ direction
    # In float16, a direction can be slightly longer than 1, and a cosine less than -1.
    best = torch.full((len(rows),), -torch.inf).scatter_reduce_(0, owners, cosines, "amax")
    # Of reports with equal vectors, the first is the closest.
    candidates = torch.where(cosines == best[owners], positions, torch.iinfo(torch.int64).max)
    closest = torch.full_like(rows, torch.iinfo(torch.int64).max).scatter_reduce_(0, owners, candidates, "amin")
    return best.clamp(-1, 1), closest
