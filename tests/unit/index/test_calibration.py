"""Probabilities that can be checked in the head."""

import dataclasses
from math import exp, log
from typing import Any

import pytest

from incidents.index.calibration import NEVER, Calibration, Curve

CURVE = Curve("mean", knots=[0.0, 1.0, 3.0], values=[-1.0, 1.0, 0.0])


@pytest.fixture
def calibration() -> Calibration:
    """Log-odds of ln 3 where the mean is 1, of 0 where it is 0."""
    return Calibration(
        curves=[Curve("mean", [0.0, 1.0], [0.0, log(3)]), Curve("reports", [2.0], [0.0])],
        intercept=0.0,
        n=364,
        auroc=0.91,
        ece=0.03,
        known_from=0.75,
        new_below=0.5,
        built_at="2026-01-02T03:04:05+00:00",
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, -1.0), (0.25, -0.5), (0.5, 0.0), (1.0, 1.0), (2.0, 0.5), (3.0, 0.0)],
)
def test_a_curve_is_straight_between_its_knots(value: float, expected: float) -> None:
    assert CURVE(value) == pytest.approx(expected)


@pytest.mark.parametrize(("value", "expected"), [(-0.1, -1.0), (-1e300, -1.0), (3.1, 0.0), (float("inf"), 0.0)])
def test_a_curve_is_constant_outside_its_knots(value: float, expected: float) -> None:
    assert CURVE(value) == expected


def test_a_curve_of_one_knot_is_constant() -> None:
    curve = Curve("mean", [0.5], [2.0])
    assert [curve(value) for value in (-1.0, 0.5, 1.0)] == [2.0, 2.0, 2.0]


def test_a_probability_is_the_logistic_function_of_the_sum(calibration: Calibration) -> None:
    assert calibration.probability({"mean": 0.0, "reports": 2.0}) == pytest.approx(0.5)
    assert calibration.probability({"mean": 1.0, "reports": 9.0, "best": 5.0}) == pytest.approx(3 / 4)
    assert calibration.probability({"mean": 0.5, "reports": 2.0}) == pytest.approx(1 / (1 + exp(-log(3) / 2)))


@pytest.mark.parametrize(("intercept", "expected"), [(1000.0, 1.0), (-1000.0, 0.0), (1e308, 1.0), (-1e308, 0.0)])
def test_no_log_odds_are_too_large(calibration: Calibration, intercept: float, expected: float) -> None:
    certain = dataclasses.replace(calibration, intercept=intercept)
    assert certain.probability({"mean": 0.0, "reports": 0.0}) == expected


@pytest.mark.parametrize(
    ("probability", "label"),
    [(1.0, "known"), (0.75, "known"), (0.7499, "possible"), (0.5, "possible"), (0.4999, "new"), (0.0, "new")],
)
def test_a_label_says_on_which_side_of_the_thresholds(calibration: Calibration, probability: float, label: str) -> None:
    assert calibration.label(probability) == label


def test_without_certain_cases_everything_is_possible(calibration: Calibration) -> None:
    unsure = dataclasses.replace(calibration, known_from=NEVER, new_below=0.0)
    assert {unsure.label(probability) for probability in (0.0, 0.5, 1.0)} == {"possible"}
    assert unsure.summary()["known_from"] == 1.0


def test_an_answer_says_what_it_was_fitted_on_and_how_good_it_was(calibration: Calibration) -> None:
    assert calibration.summary() == {
        "n": 364,
        "auroc": 0.91,
        "ece": 0.03,
        "built_at": "2026-01-02T03:04:05+00:00",
        "odds": "equal",
        "known_from": 0.75,
        "known_error": 0.05,
        "new_below": 0.5,
        "new_error": 0.1,
    }


@pytest.mark.parametrize(
    ("knots", "values", "message"),
    [
        ([], [], "expected a value for each knot of mean, got 0"),
        ([0.0, 1.0], [0.0], "expected a value for each knot of mean, got 1"),
        ([1.0, 0.0], [0.0, 0.0], "expected the knots of mean to ascend, got [1.0, 0.0]"),
        ([1.0, 1.0], [0.0, 0.0], "expected the knots of mean to ascend, got [1.0, 1.0]"),
        ([0.0, float("nan")], [0.0, 0.0], "expected the knots and values of mean to be finite"),
        ([0.0, 1.0], [0.0, float("inf")], "expected the knots and values of mean to be finite"),
    ],
)
def test_an_impossible_curve_is_refused(knots: list[float], values: list[float], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the message is compared as it is)
        Curve("mean", knots, values)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"intercept": float("nan")}, "expected the calibration's intercept to be a finite number, got nan"),
        ({"known_from": "0.9"}, "expected the calibration's known_from to be a finite number, got '0.9'"),
        ({"new_below": None}, "expected the calibration's new_below to be a finite number, got None"),
        ({"n": True}, "expected the calibration's n to be a finite number, got True"),
        ({"built_at": 5}, "expected the calibration's built_at to be a string, got 5"),
    ],
)
def test_an_impossible_calibration_is_refused(calibration: Calibration, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the message is compared as it is)
        dataclasses.replace(calibration, **change)
    assert message in str(caught.value)
