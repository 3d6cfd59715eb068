"""Measures of rankings and verdicts, each for many weightings of the same cases at once.

Weights have a row for each weighting and a column for each case, so every measure gives a number for each row. It is
NaN where the weights leave no case.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from scripts.indexing.calibration import BINS

FALSE_KNOWN: Final = 0.05
"""Share of new texts that the threshold of `false-new` lets pass as known."""
DEPTHS: Final = (1, 3, 10)
"""Of recall."""


def ranking(weights: Any, ranks: Any) -> dict[str, Any]:
    """Recall at DEPTHS, and the mean reciprocal rank. Shape: weights (n_rows, n_cases), ranks (n_cases,), from 1."""
    found = {f"R@{depth}": mean(weights, ranks <= depth) for depth in DEPTHS}
    return found | {"MRR": mean(weights, 1 / ranks)}


def recall_curve(ranks: Any, depths: Sequence[int]) -> list[float]:
    """Recall at each depth. Shape: ranks (n_cases,), at least one."""
    return [float(np.mean(ranks <= depth)) for depth in depths]


def mean(weights: Any, values: Any) -> Any:
    """Weighted means. Shape: weights (n_rows, n_cases), values (n_cases,) -> (n_rows,)."""
    with np.errstate(invalid="ignore"):
        return (weights @ values.astype(np.float64)) / weights.sum(axis=1)


def roc(scores: Any, positives: Any, negatives: Any) -> tuple[Any, Any, Any]:
    """The shares of the negatives and of the positives at or above each threshold, and the thresholds, falling.

    Shape: scores (n_cases,), positives and negatives (n_rows, n_cases), weights -> shares (n_rows, n_thresholds);
    thresholds (n_thresholds,), infinite and then each distinct score.
    """
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    ends = np.flatnonzero(np.append(np.diff(falling) != 0, len(falling) > 0))
    with np.errstate(invalid="ignore"):
        above = [_shares(weights[:, order].cumsum(axis=1)[:, ends]) for weights in (negatives, positives)]
    return above[0], above[1], np.append(np.inf, falling[ends])


def _shares(sums: Any) -> Any:
    """Cumulative sums as shares of the last one, after a 0. Shape: (n_rows, n) -> (n_rows, n + 1)."""
    total = sums[:, -1:] if sums.shape[1] else np.zeros((len(sums), 1))
    return np.concatenate([np.zeros((len(sums), 1)), sums], axis=1) / total


def area(false: Any, true: Any) -> Any:
    """The area under curves, by trapezoids. Shape: each (n_rows, n_thresholds) -> (n_rows,)."""
    return (np.diff(false) * (true[:, 1:] + true[:, :-1]) / 2).sum(axis=1)


def limits(false: Any, thresholds: Any) -> Any:
    """The lowest thresholds that let at most FALSE_KNOWN of the negatives pass. Shape: as in `roc` -> (n_rows,)."""
    return thresholds[np.maximum((false <= FALSE_KNOWN).sum(axis=1) - 1, 0)]


def at_equal_odds(weights: Any, is_known: Any) -> Any:
    """Weights of which known cases have half. Shape: weights (n_rows, n_cases), is_known (n_cases,) -> as weights."""
    known, new = weights * is_known, weights * ~is_known
    with np.errstate(invalid="ignore"):
        return (known / known.sum(axis=1, keepdims=True) + new / new.sum(axis=1, keepdims=True)) / 2


def calibration_error(weights: Any, probabilities: Any, is_known: Any) -> Any:
    """The expected calibration error, in BINS equal bins. Shape: weights (n_rows, n_cases), of sum 1 -> (n_rows,)."""
    distances = in_bins(probabilities) * (probabilities - is_known)[:, None]
    return np.abs(weights @ distances).sum(axis=1)


def in_bins(probabilities: Any) -> Any:
    """Which of BINS equal bins each probability is in. Shape: (n_cases,) -> (n_cases, BINS), of 0 and 1."""
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    return np.eye(BINS)[bins]
