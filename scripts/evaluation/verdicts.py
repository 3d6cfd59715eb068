"""How well probabilities tell texts about known incidents from texts about new ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from scripts.evaluation.answers import Answers
from scripts.evaluation.metrics import area, at_equal_odds, calibration_error, in_bins, limits, mean, roc
from scripts.indexing.calibration import Judged, equal_odds, held_out, predict, sample_reports


def training_cases(answers: Answers) -> Judged:
    """The cases that the calibration of an index is fitted on, out of those of all its reports."""
    reports = sample_reports(np.unique(answers.questions[answers.judged.is_known]).tolist())
    return answers.judged.take(np.isin(answers.questions, reports))


def predict_held_out(training: Judged, answers: Answers) -> Any:
    """Probabilities by models that were fitted on other incidents; None with too few cases. Shape: (n_cases,)."""
    return held_out(training, answers.judged) if training.is_enough else None


def predict_half(training: Judged, answers: Answers, is_other: Any) -> Any:
    """Probabilities by a model of the incidents that are not in the other half; None with too few cases.

    Shape: is_other (n_incidents,) -> (n_cases,).
    """
    half = training.take(~is_other[training.rows])
    return predict(half, answers.judged) if half.is_enough else None


def measure_verdicts(
    weights: Any, answers: Answers, probabilities: Any, masks: Mapping[str, Any]
) -> dict[tuple[str, ...], Any]:
    """The measures of the cases in each mask; `false-known` and `false-new` at the threshold of all cases.

    Shape: weights (n_rows, n_cases); probabilities and masks (n_cases,) -> each (n_rows,).
    """
    all_known = answers.judged.is_known
    false, _, thresholds = roc(probabilities, weights * all_known, weights * ~all_known)
    passes = probabilities >= limits(false, thresholds)[:, None]
    found: dict[tuple[str, ...], Any] = {}
    for name, mask in masks.items():
        own, is_known, is_right = weights[:, mask], all_known[mask], answers.is_right[mask]
        fair = at_equal_odds(own, is_known)
        told, passed = probabilities[mask], passes[:, mask]
        measured = {
            "AUROC": area(*roc(told, own * is_known, own * ~is_known)[:2]),
            "AUROC named": area(*roc(told, fair * is_right, fair * ~is_right)[:2]),
            "ECE": calibration_error(fair, told, is_known),
            "false-new": 1 - _share(passed, own * is_known),
            "false-known": _share(passed, own * ~is_known),
        }
        found |= {(name, measure): value for measure, value in measured.items()}
    return found


def _share(passed: Any, weights: Any) -> Any:
    """The share of the weights that passed. Shape: each (n_rows, n_cases) -> (n_rows,)."""
    with np.errstate(invalid="ignore"):
        return (passed * weights).sum(axis=1) / weights.sum(axis=1)


def roc_curve(probabilities: Any, is_known: Any, at: Any) -> list[float]:
    """The share of known cases that pass where a share `at` of the new ones does. Shape: at (n,)."""
    known = is_known[None, :].astype(float)
    false, true, _ = roc(probabilities, known, 1 - known)
    return [float(share) for share in np.interp(at, false[0], true[0])]


def reliability(probabilities: Any, is_known: Any) -> list[tuple[float, float, int]]:
    """Of each bin with cases: the mean probability, the share that is known, at equal odds, and the cases."""
    weights, bins = equal_odds(is_known), in_bins(probabilities)
    sums = [mean(bins.T * weights, values) for values in (probabilities, is_known)]
    return [
        (float(told), float(known), int(number))
        for told, known, number in zip(*sums, bins.sum(axis=0), strict=True)
        if number
    ]
