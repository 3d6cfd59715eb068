"""The measures, against numbers that a reader can compute in the head, and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from scripts.evaluation import metrics
from scripts.indexing.calibration import equal_odds, expected_calibration_error

ONCE = np.ones((1, 4))


def test_recall_counts_the_incidents_among_the_first() -> None:
    measured = metrics.ranking(ONCE, np.array([1, 2, 4, 20]))
    assert {name: float(value[0]) for name, value in measured.items()} == {
        "R@1": 0.25,
        "R@3": 0.5,
        "R@10": 0.75,
        "MRR": pytest.approx((1 + 1 / 2 + 1 / 4 + 1 / 20) / 4),
    }
    assert metrics.recall_curve(np.array([1, 2, 4, 20]), (1, 2, 20)) == [0.25, 0.5, 1.0]


def test_a_case_that_is_drawn_twice_counts_twice() -> None:
    weights = np.array([[1, 1, 1, 1], [2, 0, 1, 1], [0, 0, 0, 0]])
    measured = metrics.ranking(weights, np.array([1, 2, 1, 2]))["R@1"]
    assert measured[:2].tolist() == [0.5, 0.75]
    assert np.isnan(measured[2])


def test_the_area_is_the_share_of_pairs_in_the_right_order() -> None:
    known = np.array([[1.0, 1, 0, 0]])
    false, true, thresholds = metrics.roc(np.array([0.9, 0.4, 0.6, 0.1]), known, 1 - known)
    assert thresholds.tolist() == [np.inf, 0.9, 0.6, 0.4, 0.1]
    assert false.tolist() == [[0, 0, 0.5, 0.5, 1]]
    assert true.tolist() == [[0, 0.5, 0.5, 1, 1]]
    assert metrics.area(false, true).tolist() == [0.75]  # three of the four pairs


def test_a_tie_is_half_a_pair() -> None:
    known = np.array([[1.0, 0]])
    assert metrics.area(*metrics.roc(np.array([0.3, 0.3]), known, 1 - known)[:2]).tolist() == [0.5]


def test_the_curve_and_its_area_are_those_of_scikit_learn() -> None:
    generator = np.random.default_rng(1)
    scores = generator.integers(0, 20, 200) / 20  # with ties
    is_known = generator.random(200) < scores
    weights = generator.integers(0, 4, (5, 200))
    false, true, thresholds = metrics.roc(scores, weights * is_known, weights * ~is_known)
    for row, weight in enumerate(weights):
        expected = roc_auc_score(is_known, scores, sample_weight=weight)
        assert metrics.area(false, true)[row] == pytest.approx(expected, abs=1e-12)
        their_false, their_true, theirs = sklearn_roc_curve(
            is_known, scores, sample_weight=weight, drop_intermediate=False
        )
        assert thresholds.tolist() == theirs.tolist()
        assert false[row] == pytest.approx(their_false)
        assert true[row] == pytest.approx(their_true)


def test_without_one_of_the_two_kinds_there_is_no_area() -> None:
    nothing = np.zeros((1, 2))
    assert np.isnan(metrics.area(*metrics.roc(np.array([0.3, 0.4]), nothing, nothing + 1)[:2])).all()


def test_the_threshold_lets_one_new_text_in_twenty_pass() -> None:
    scores = np.arange(20) / 20
    new = np.ones((1, 20))
    false, _, thresholds = metrics.roc(scores, np.zeros((1, 20)) + 1, new)
    assert metrics.limits(false, thresholds).tolist() == [0.95]
    # With a new text twice, its threshold would let two of 21 pass.
    twice = np.append(np.ones((1, 19)), [[2.0]], axis=1)
    false, _, thresholds = metrics.roc(scores, np.ones((1, 20)), twice)
    assert metrics.limits(false, thresholds).tolist() == [np.inf]


def test_equal_odds_give_each_kind_half() -> None:
    weights = metrics.at_equal_odds(np.array([[1, 1, 1, 3]]), np.array([True, True, True, False]))
    assert weights.tolist() == [[1 / 6, 1 / 6, 1 / 6, 1 / 2]]


def test_the_calibration_error_is_the_mean_distance_in_ten_bins() -> None:
    is_known = np.array([True, True, False, False])
    weights = metrics.at_equal_odds(ONCE, is_known)
    # Where 0.8 was told three of four are known, where 0.3 was told none is: (0.5 + 0.25 of the weight).
    told = np.array([0.8, 0.8, 0.8, 0.3])
    expected = 3 / 4 * abs(0.8 - 2 / 3) + 1 / 4 * 0.3
    assert metrics.calibration_error(weights, told, is_known)[0] == pytest.approx(expected)
    assert metrics.calibration_error(weights, is_known.astype(float), is_known).tolist() == [0]


def test_the_calibration_error_is_the_one_that_an_index_states() -> None:
    generator = np.random.default_rng(2)
    told = np.append(generator.random(300), [0.0, 1.0])
    is_known = np.append(generator.random(300) < 0.3, [True, False])
    stated = expected_calibration_error(told, is_known, equal_odds(is_known))
    weights = metrics.at_equal_odds(np.ones((1, 302)), is_known)
    assert metrics.calibration_error(weights, told, is_known)[0] == pytest.approx(stated, abs=1e-12)
