"""How often an incident appears among those most similar to others: some never do, some do too often (hubs)."""

from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from incidents.index.incident_index import IncidentIndex
from scripts.evaluation.bootstrap import Interval, intervals
from scripts.evaluation.metrics import mean

NEAREST: Final = 3
BLOCK: Final = 1024
"""Incidents ranked at once."""


def measure_appearances(index: IncidentIndex, seed: int) -> dict[str, dict[str, Interval]]:
    """By ranker: the share of incidents never shown, and the correlation of appearances with reports (Pearson's).

    Every incident's vector is asked, and it is counted who is among the NEAREST others. Resamples draw incidents with
    these counts.
    """
    reports = index.report_counts.double().numpy()
    vectors = index.vectors.double()
    found = {}
    for ranker, compared in (("cosine", vectors), ("mean-corrected", vectors - index.corpus_mean)):
        times = count_appearances(compared)

        def measure(weights: Any, times: Any = times) -> dict[str, Any]:
            return {"never shown": mean(weights, times == 0), "correlation": correlation(weights, times, reports)}

        found[ranker] = intervals(np.arange(len(index)), measure, seed)
    return found


def count_appearances(vectors: Tensor) -> Any:
    """How often each vector is among the NEAREST others of a vector, by cosine. Shape: (n, width) -> (n,)."""
    unit = F.normalize(vectors, dim=1)
    times = torch.zeros(len(unit), dtype=torch.float64)
    nearest = min(NEAREST, len(unit) - 1)
    for rows in torch.split(torch.arange(len(unit)), BLOCK):
        cosines = unit[rows] @ unit.T
        cosines[torch.arange(len(rows)), rows] = -torch.inf
        shown = cosines.topk(nearest, dim=1).indices.ravel()
        times.index_add_(0, shown, torch.ones(len(shown), dtype=torch.float64))
    return times.numpy()


def correlation(weights: Any, one: Any, other: Any) -> Any:
    """Weighted correlations; NaN where all numbers are equal.

    Shape: weights (n_rows, n), one and other (n,) -> (n_rows,).
    """
    one_mean, other_mean = mean(weights, one), mean(weights, other)
    spread = (mean(weights, one**2) - one_mean**2).clip(0) * (mean(weights, other**2) - other_mean**2).clip(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 0, (mean(weights, one * other) - one_mean * other_mean) / np.sqrt(spread), np.nan)
