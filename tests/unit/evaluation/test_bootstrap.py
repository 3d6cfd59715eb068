"""Intervals: the same seed gives the same, and they are as wide as theory says."""

from typing import Any

import numpy as np
import pytest

from scripts.evaluation.bootstrap import intervals
from scripts.evaluation.metrics import mean

HITS = np.random.default_rng(3).random(400) < 0.5


def recall(hits: Any) -> Any:
    return lambda weights: {"recall": mean(weights, hits)}


def test_the_value_is_of_all_cases_and_the_interval_that_of_a_mean() -> None:
    value, low, high = intervals(np.arange(400), recall(HITS), seed=0)["recall"]
    assert (value, low, high) != (None, None, None)
    assert value == round(float(HITS.mean()), 3)
    assert low is not None
    assert high is not None
    assert (high - low) / 2 == pytest.approx(1.96 * 0.5 / np.sqrt(400), rel=0.1)


def test_a_seed_gives_the_same_numbers_again_and_another_one_others() -> None:
    drawn = [intervals(np.arange(30), recall(1 / np.arange(1, 31)), seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0]["recall"][0] == drawn[2]["recall"][0]


def test_what_is_computed_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = intervals(np.arange(400), recall(HITS), seed=0)
    monkeypatch.setattr("scripts.evaluation.bootstrap.AT_ONCE", 7)
    assert intervals(np.arange(400), recall(HITS), seed=0) == whole


def test_cases_of_one_incident_are_drawn_together() -> None:
    incidents = np.repeat([5, 9], 100)
    assert intervals(incidents, recall(incidents == 5), seed=0) == {"recall": [0.5, 0.0, 1.0]}


def test_a_single_incident_has_no_interval_to_tell() -> None:
    assert intervals(np.zeros(3, dtype=int), recall(np.array([1, 0, 0])), seed=0)["recall"] == [0.333, 0.333, 0.333]


def test_what_has_no_case_is_not_a_number() -> None:
    nothing = {"recall": [None, None, None]}
    assert intervals(np.arange(3), lambda weights: {"recall": np.full(len(weights), np.nan)}, seed=0) == nothing
