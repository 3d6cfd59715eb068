"""From evidence to the probability that a known incident is meant: a generalized additive logistic model.

Each feature adds a piecewise linear curve to the log-odds (Hastie and Tibshirani, Generalized Additive Models, 1990).
Outside its knots, a curve is constant, so that no strange text gets an extreme probability. It is fitted when an index
is built, from the index's own reports; see scripts/indexing/calibration.py.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from incidents.index.checks import check

KNOWN_ERROR: Final = 0.05
"""Share of new texts among those that are called known: 1 in 20."""
NEW_ERROR: Final = 0.1
"""Share of known incidents among the texts that are called new: 1 in 10."""
NEVER: Final = 2.0
"""A threshold that no probability reaches, where too few cases are as certain as the error allows."""


@dataclass(frozen=True)
class Curve:
    """What a feature adds to the log-odds: `values` at ascending `knots`, straight lines between them.

    Raises:
        ValueError: knots and values do not make a curve.
    """

    feature: str
    knots: list[float]
    values: list[float]

    def __post_init__(self) -> None:
        check(f"a value for each knot of {self.feature}", 0 < len(self.knots) == len(self.values), len(self.values))
        is_finite = all(map(math.isfinite, [*self.knots, *self.values]))
        check(f"the knots and values of {self.feature} to be finite", is_finite, "others")
        check(f"the knots of {self.feature} to ascend", self.knots == sorted(set(self.knots)), self.knots)

    def __call__(self, value: float) -> float:
        """The curve at a value."""
        after = bisect_right(self.knots, value)
        if after in {0, len(self.knots)}:
            return self.values[min(after, len(self.knots) - 1)]
        low, high = self.knots[after - 1], self.knots[after]
        share = (value - low) / (high - low)
        return self.values[after - 1] * (1 - share) + self.values[after] * share


@dataclass(frozen=True)
class Calibration:
    """The fitted model, and how good it was on reports that it was not fitted on.

    `n` cases were judged, half of the weight known and half new; `auroc` and `ece` (expected calibration error, ten
    bins) are from 0 to 1. From the probability `known_from` on, at most KNOWN_ERROR were new; below `new_below`, at
    most NEW_ERROR were known. `built_at` is a UTC time in ISO 8601.

    Raises:
        ValueError: a number is not finite, or of another type.
    """

    curves: list[Curve]
    intercept: float
    n: int
    auroc: float
    ece: float
    known_from: float
    new_below: float
    built_at: str

    def __post_init__(self) -> None:
        for name in ("intercept", "n", "auroc", "ece", "known_from", "new_below"):
            number = getattr(self, name)
            is_finite = type(number) in {int, float} and math.isfinite(number)
            check(f"the calibration's {name} to be a finite number", is_finite, repr(number))
        check("the calibration's built_at to be a string", isinstance(self.built_at, str), repr(self.built_at))

    def probability(self, features: Mapping[str, float]) -> float:
        """The probability that a known incident is meant, at equal odds of known and new before looking."""
        log_odds = self.intercept + sum(curve(features[curve.feature]) for curve in self.curves)
        return 1 / (1 + math.exp(-log_odds)) if log_odds >= 0 else 1 - 1 / (1 + math.exp(log_odds))

    def label(self, probability: float) -> str:
        """`known`, `possible` or `new`."""
        if probability >= self.known_from:
            return "known"
        return "new" if probability < self.new_below else "possible"

    def summary(self) -> dict[str, Any]:
        """The calibration as an answer describes it, as JSON."""
        return {
            "n": self.n,
            "auroc": self.auroc,
            "ece": self.ece,
            "built_at": self.built_at,
            "odds": "equal",
            "known_from": min(1.0, self.known_from),
            "known_error": KNOWN_ERROR,
            "new_below": self.new_below,
            "new_error": NEW_ERROR,
        }
