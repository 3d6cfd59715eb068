"""Probabilities by models that were fitted on other incidents, and what they are worth."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scripts.evaluation.answers import RANKERS, Answers
from scripts.evaluation.slices import in_other_half
from scripts.evaluation.verdicts import (
    measure_verdicts,
    predict_half,
    predict_held_out,
    reliability,
    roc_curve,
    training_cases,
)
from scripts.indexing.calibration import Judged

ROWS = np.repeat(np.arange(40), 8)


def judged(rows: Any = ROWS, seed: int = 0) -> Judged:
    """Cases with two features, of which the first tells something."""
    generator = np.random.default_rng(seed)
    is_known = generator.random(len(rows)) < 0.5
    features = generator.normal(size=(len(rows), 2))
    features[:, 0] += is_known
    return Judged(features, is_known, rows)


def answered(cases: Judged, winners: Any = None) -> Answers:
    n_cases = len(cases.rows)
    ranks = np.zeros((n_cases, len(RANKERS)), dtype=np.int64)
    return Answers(cases, np.arange(n_cases), np.ones(n_cases), cases.rows if winners is None else winners, ranks)


def contradicted(cases: Judged, which: Any) -> Judged:
    """The cases with the opposite answer for some."""
    return Judged(cases.features, np.where(which, ~cases.is_known, cases.is_known), cases.rows)


def test_a_probability_does_not_depend_on_the_answers_for_its_own_incident() -> None:
    training = judged()
    told = predict_held_out(training, answered(training))
    without = predict_held_out(contradicted(training, training.rows == 7), answered(training))
    own = training.rows == 7
    assert told[own].tolist() == without[own].tolist()
    assert (told[~own] != without[~own]).any()
    assert told[training.is_known].mean() > told[~training.is_known].mean() + 0.1


def test_other_texts_about_an_incident_are_judged_by_models_without_it() -> None:
    training, asked = judged(), judged(np.array([7, 7, 39, 99]), seed=1)
    told = predict_held_out(training, answered(asked))
    without = predict_held_out(contradicted(training, training.rows == 7), answered(asked))
    assert told[:2].tolist() == without[:2].tolist()
    assert ((told > 0) & (told < 1)).all()


def test_half_of_the_incidents_is_judged_by_the_other_half() -> None:
    training, is_other = judged(), in_other_half(np.arange(1, 41))
    others = answered(training.take(is_other[ROWS]))
    told = predict_half(training, others, is_other)
    assert told.tolist() == predict_half(contradicted(training, is_other[ROWS]), others, is_other).tolist()
    assert told.tolist() != predict_half(contradicted(training, ~is_other[ROWS]), others, is_other).tolist()


def test_too_few_cases_tell_nothing() -> None:
    few = judged(np.arange(20))
    assert predict_held_out(few, answered(few)) is None
    assert predict_half(few, answered(few), np.ones(20, dtype=bool)) is None


def test_a_calibration_is_fitted_on_the_cases_of_the_reports_that_an_index_draws() -> None:
    every = replace(judged(np.repeat(np.arange(50), 100)), is_known=np.arange(5000) % 2 == 0)
    answers = Answers(every, np.arange(5000) // 2, every.rows, every.rows, np.zeros((5000, 4)))
    assert len(training_cases(answers).rows) == 4000  # 2,000 reports in both ways
    few = judged()
    assert training_cases(answered(few)).rows.tolist() == ROWS[few.is_known].tolist()


def test_the_measures_of_four_known_and_twenty_new_texts() -> None:
    is_known = np.arange(24) < 4
    rows, winners = np.zeros(24, dtype=int), np.where(np.arange(24) < 3, 0, 1)  # for the fourth, another is named
    told = np.concatenate([[0.99, 0.95, 0.5, 0.2], [0.97], np.full(19, 0.3)])
    answers = answered(Judged(np.zeros((24, 1)), is_known, rows), winners)
    masks = {"all": np.ones(24, dtype=bool), "new": ~is_known}
    found = measure_verdicts(np.ones((1, 24)), answers, told, masks)
    assert {name: round(float(value[0]), 6) for (mask, name), value in found.items() if mask == "all"} == {
        "AUROC": round((20 + 19 + 19 + 0) / 80, 6),
        # Three right ones against the other known text, with half of the known weight's quarter, and 20 new ones.
        "AUROC named": round((0.125 * 3 + 0.5 * (20 + 19 + 19) / 20) / (0.625 * 3), 6),
        "ECE": 0.32175,  # |0.125 * -0.06 + 0.025 * 0.97| + 0.125 * 0.5 + 0.125 * 0.8 + 0.475 * 0.3
        "false-new": 0.25,  # one new text in twenty is above 0.5, and only 0.2 is below
        "false-known": 0.05,
    }
    assert found["new", "false-known"].tolist() == [0.05]
    assert all(np.isnan(found["new", name]).all() for name in ("AUROC", "AUROC named", "ECE", "false-new"))


def test_the_curve_is_read_at_shares_of_new_texts() -> None:
    told, is_known = np.array([0.9, 0.4, 0.6, 0.1]), np.array([True, True, False, False])
    assert roc_curve(told, is_known, np.array([0.25, 0.75, 1.0])) == [0.5, 1.0, 1.0]


def test_reliability_is_at_equal_odds() -> None:
    told = np.array([0.82, 0.88, 0.85, 0.31])
    points = reliability(told, np.array([True, False, False, False]))
    weight = 1 / 2 + 1 / 6 + 1 / 6
    assert points[0] == pytest.approx((0.31, 0, 1))
    assert points[1] == pytest.approx(((0.82 / 2 + 0.88 / 6 + 0.85 / 6) / weight, 1 / 2 / weight, 3))
    assert len(points) == 2
