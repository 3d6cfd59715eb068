"""Fit how probable it is that a known incident is meant, from an index's own reports.

A report that is left out is a text about a known incident; left out with its whole incident, about a new one.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from incidents.index.calibration import KNOWN_ERROR, NEVER, NEW_ERROR, Calibration, Curve
from incidents.index.evidence import DENSE_FEATURES, FEATURES, weigh
from incidents.index.incident_index import IncidentIndex
from scripts.indexing.leave_one_out import LeaveOneOut

MOST_REPORTS: Final = 2000
"""Reports asked at most, drawn with a fixed seed."""
FEWEST_CASES: Final = 50
"""Of known incidents, and as many of new ones; with fewer, nothing can be told."""
KNOTS: Final = 7
"""Of each curve, at quantiles."""
INVERSE_PENALTY: Final = 0.3
"""Of the squared coefficients (scikit-learn's C). Chosen on half of 1,367 real incidents; the other half agreed."""
FOLDS: Final = 5
BINS: Final = 10
DIGITS: Final = 5
"""Of fitted numbers: the order of summation must not show in an index."""
ROUNDING: Final = 1e-9
"""Of sums of weights, which may come out differently with more threads."""
FEWEST_CALLED: Final = 20
"""Cases that a threshold needs beyond it."""


@dataclass(frozen=True)
class Judged:
    """Cases with their features, whether a known incident was meant, and the row of the incident asked about.

    Shape: features (n_cases, n_features); is_known, rows (n_cases,).
    """

    features: Any
    is_known: Any
    rows: Any

    @property
    def is_enough(self) -> bool:
        """Whether a calibration can be fitted on these cases."""
        return int(self.is_known.sum()) >= FEWEST_CASES and len(set(self.rows)) >= FOLDS

    def take(self, which: Any) -> "Judged":
        """Some of the cases, by a mask or by their positions."""
        return Judged(self.features[which], self.is_known[which], self.rows[which])


def sample_reports(reports: Sequence[int]) -> list[int]:
    """The reports that a calibration is fitted on, of those that can be asked in both ways: all, or MOST_REPORTS."""
    if len(reports) <= MOST_REPORTS:
        return list(reports)
    return sorted(random.Random(0).sample(reports, MOST_REPORTS))  # noqa: S311 (a sample, not a secret)


def judge(questions: LeaveOneOut, index: IncidentIndex, names: Sequence[str]) -> Judged:
    """Ask reports without themselves and without their incidents; with DENSE_FEATURES only, by their vectors alone.

    Only reports whose incident has others can be asked in both ways. So known and new cases have the same texts, and
    the odds are equal for texts of every kind.
    """
    dense_only = tuple(names) == DENSE_FEATURES
    features, is_known, rows = [], [], []
    with_others = index.report_counts.repeat_interleave(index.report_counts) > 1
    for report in sample_reports(with_others.nonzero().squeeze(1).tolist()):
        question = questions.question(report)
        for known in (True, False):
            case = questions.ask(question, without_incident=not known, dense_only=dense_only)
            evidence = weigh(case.comparison, case.coverage)
            features.append([evidence.features[name] for name in names])
            is_known.append(known)
            rows.append(case.row)
    return Judged(np.array(features).reshape(-1, len(names)), np.array(is_known, dtype=bool), np.array(rows))


def calibrate(questions: LeaveOneOut, index: IncidentIndex, names: Sequence[str] = FEATURES) -> Calibration | None:
    """Fit a calibration on the features `names`; None if the index has too few reports to tell."""
    n_with_others = int(index.report_counts[index.report_counts > 1].sum())
    if len(index) < FOLDS or n_with_others < FEWEST_CASES:
        return None
    judged = judge(questions, index, names)
    if not judged.is_enough:
        return None
    weights = equal_odds(judged.is_known)
    probabilities = held_out(judged, judged)
    if probabilities is None:
        return None
    known_from, new_below = thresholds(probabilities, judged.is_known, weights)
    knots = _knots(judged.features)
    model = _fit(judged.features, judged.is_known, knots)
    return Calibration(
        curves=_curves(model, names, knots),
        intercept=_rounded(float(model.intercept_[0])),
        n=len(judged.is_known),
        auroc=round(float(roc_auc_score(judged.is_known, probabilities, sample_weight=weights)), 3),
        ece=round(expected_calibration_error(probabilities, judged.is_known, weights), 3),
        known_from=known_from,
        new_below=new_below,
        built_at=index.built_at,
    )


def held_out(judged: Judged, asked: Judged) -> Any:
    """Probabilities of the cases `asked`, each by a model that was fitted on four fifths of the incidents of `judged`.

    Its own incident is never among them. None if nearly all known cases are about one incident. Shape: (n_asked,).
    """
    probabilities = np.empty(len(asked.rows))
    for train, _ in GroupKFold(FOLDS).split(judged.features, groups=judged.rows):
        if not judged.is_known[train].any():
            return None
        own = ~np.isin(asked.rows, judged.rows[train])
        probabilities[own] = predict(judged.take(train), asked.take(own))
    return probabilities


def predict(judged: Judged, asked: Judged) -> Any:
    """Probabilities of the cases `asked` by a model that was fitted on those `judged`. Shape: (n_asked,)."""
    if not len(asked.rows):
        return np.empty(0)
    knots = _knots(judged.features)
    model = _fit(judged.features, judged.is_known, knots)
    return model.predict_proba(_ramps(asked.features, knots))[:, 1]


def equal_odds(is_known: Any) -> Any:
    """Weights that sum to 1, half of it for known cases. Shape: (n_cases,) -> (n_cases,)."""
    return np.where(is_known, 0.5 / max(1, is_known.sum()), 0.5 / max(1, (~is_known).sum()))


def expected_calibration_error(probabilities: Any, is_known: Any, weights: Any) -> float:
    """The mean distance of probabilities from what came true, in BINS equal bins (Naeini, Cooper and Hauskrecht 2015).

    Shape: each (n_cases,).
    """
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    distances = np.bincount(bins, weights * (probabilities - is_known), minlength=BINS)
    return float(np.abs(distances).sum() / weights.sum())


def thresholds(probabilities: Any, is_known: Any, weights: Any) -> tuple[float, float]:
    """From where on a text is called known, and below what it is called new, with the errors that are allowed.

    Of thresholds with three digits, just beyond a case, these are the lowest and the highest that keep to it.

    Shape: each (n_cases,).
    """
    steps = np.unique(np.floor(probabilities * 1000))
    from_, below = steps / 1000, (steps + 1) / 1000
    is_known_from, is_below = probabilities >= from_[:, np.newaxis], probabilities < below[:, np.newaxis]
    allowed = from_[_is_allowed(is_known_from, weights * ~is_known, weights, KNOWN_ERROR)]
    known_from = float(allowed[0]) if len(allowed) else NEVER
    allowed = below[_is_allowed(is_below, weights * is_known, weights, NEW_ERROR) & (below <= known_from)]
    return known_from, float(allowed[-1]) if len(allowed) else 0.0


def _is_allowed(called: Any, wrong: Any, weights: Any, error: float) -> Any:
    """Whether enough cases are called at each threshold, and at most the share `error` of their weight is wrong.

    Shape: called (n_thresholds, n_cases), wrong and weights (n_cases,) -> (n_thresholds,).
    """
    n_called, excess = called.sum(axis=1), called @ wrong - error * (called @ weights)
    return (n_called >= FEWEST_CALLED) & (excess <= ROUNDING)


def _knots(features: Any) -> list[Any]:
    """The knots of each feature's curve, at quantiles: distinct, rounded numbers. Shape: (n_cases, n_features)."""
    quantiles = np.quantile(features, np.linspace(0, 1, KNOTS), axis=0)
    return [np.unique([_rounded(float(knot)) for knot in column]) for column in quantiles.T]


def _ramps(features: Any, knots: list[Any]) -> Any:
    """For each knot but a feature's first: 0 up to the knot before it, 1 from it on, straight between.

    A column of zeros comes first: features that are all constant have no other. With these, the penalty is for steep
    curves. If it were for large values, a curve would return to 0 at its last knot, where cases are few, and a copy of
    a report would be less certainly known than an excerpt.

    Shape: (n_cases, n_features) -> (n_cases, 1 + n_knots - n_features).
    """
    columns = [
        np.interp(column, own, np.arange(len(own)) >= knot)
        for column, own in zip(features.T, knots, strict=True)
        for knot in range(1, len(own))
    ]
    return np.stack([np.zeros(len(features)), *columns], axis=1)


def _fit(features: Any, is_known: Any, knots: list[Any]) -> Any:
    """A logistic regression on ramps, so piecewise linear in each feature."""
    regression = LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced", max_iter=5000, tol=1e-8)
    return regression.fit(_ramps(features, knots), is_known)


def _curves(regression: Any, names: Sequence[str], knots: list[Any]) -> list[Curve]:
    """The fitted model as curves: the coefficient of a ramp is how much the curve rises to its knot."""
    rises = iter(regression.coef_[0][1:])
    curves = []
    for name, own in zip(names, knots, strict=True):
        values = np.cumsum([0.0, *(next(rises) for _ in own[1:])])
        curves.append(Curve(name, own.tolist(), [_rounded(float(value)) for value in values]))
    return curves


def _rounded(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")
