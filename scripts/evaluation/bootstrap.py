"""Intervals by resampling incidents: reports of one incident are not independent (Efron and Tibshirani 1993)."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, TypeVar

import numpy as np

RESAMPLES: Final = 1000
CONFIDENCE: Final = 0.95
AT_ONCE: Final = 100
"""Resamples computed at once, which bounds memory."""
DECIMALS: Final = 3

Interval = list[float | None]
"""The value of all cases, and the lower and upper end of its interval; None where there is no case."""


Key = TypeVar("Key", bound=Hashable)


def intervals(
    incidents: Any, measure: Callable[[Any], Mapping[Key, Any]], seed: int, resamples: int = RESAMPLES
) -> dict[Key, Interval]:
    """The measures of all cases with percentile intervals; a resample draws as many incidents as there are.

    `measure` gives for weights (n_rows, n_cases) each measure of each row. Shape: incidents (n_cases,), any numbers, at
    least one.
    """
    own, groups = np.unique(incidents, return_inverse=True)
    n_incidents = len(own)
    draws = np.random.default_rng(seed).multinomial(n_incidents, np.full(n_incidents, 1 / n_incidents), resamples)
    counts = np.concatenate([np.ones((1, n_incidents)), draws])
    measured = [measure(some[:, groups]) for some in np.array_split(counts, -(-len(counts) // AT_ONCE))]
    return {key: _interval(np.concatenate([part[key] for part in measured])) for key in measured[0]}


def _interval(values: Any) -> Interval:
    if not np.isfinite(values[0]):
        return [None, None, None]
    tail = (1 - CONFIDENCE) / 2
    ends = np.nanquantile(values[1:], [tail, 1 - tail]) if np.isfinite(values[1:]).any() else [np.nan, np.nan]
    return [round(float(value), DECIMALS) if np.isfinite(value) else None for value in (values[0], *ends)]
