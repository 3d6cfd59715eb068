"""What speaks for and against the best incident being the one that a text is about."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from incidents.index.comparison import Comparison

DENSE_FEATURES: Final = ("mean", "best", "margin_second", "margin_five", "mean_margin")
"""Features that an embedding alone has."""
FEATURES: Final = (*DENSE_FEATURES, "lexical", "lexical_z", "coverage")
"""Features of a text: the cosines of the winner's mean and closest report; its fit less the second's and less the mean
of the next five; its mean's cosine less the largest other one; the score of the words, also in standard deviations of
all incidents' scores, and the share of the text's words that it covers.

Its number of reports is none of them. A report that is left out always has an incident with others, so a calibration
would learn that incidents with a single report are never meant."""


@dataclass(frozen=True)
class Evidence:
    """The row of the incident that fits best, and the features."""

    row: int
    features: dict[str, float]


def weigh(comparison: Comparison, coverage: Callable[[int], float]) -> Evidence:
    """The evidence for the incident that fits best; `coverage` gives the share of the words that a row covers.

    Of incidents that fit equally well it is the last: in an index sorted by id, the first of the hybrid order.
    """
    best = comparison.fit.topk(min(6, len(comparison.rows)))
    winner = int((comparison.fit == best.values[0]).nonzero()[-1])
    row = int(comparison.rows[winner])
    fits = best.values.tolist()
    others = fits[1:] or [0.0]
    means = comparison.dense.topk(min(2, len(comparison.dense)))
    rival = next(
        (mean for mean, at in zip(means.values.tolist(), means.indices.tolist(), strict=True) if at != row), 0.0
    )
    mean, lexical = float(comparison.dense[row]), float(comparison.lexical[row])
    deviation = float(comparison.lexical.std(correction=0))
    features = {
        "mean": mean,
        "best": float(comparison.best[winner]),
        "margin_second": fits[0] - others[0],
        "margin_five": fits[0] - sum(others) / len(others),
        "mean_margin": mean - rival,
        "lexical": lexical,
        "lexical_z": (lexical - float(comparison.lexical.mean())) / deviation if deviation else 0.0,
        "coverage": coverage(row),
    }
    return Evidence(row, features)
