"""A verdict in words."""

from typing import Any

import pytest

from scripts.cli.verdict import describe, format_probability
from support.answers import CALIBRATION, verdict

BASIS = "Calibrated at equal odds of known and new on 364 cases"


@pytest.mark.parametrize(
    ("given", "decision", "meaning"),
    [
        (verdict("known", 0.93, 4), "Known: incident 4, probability 0.93", "1 in 20 called known is new"),
        (
            verdict("possible", 0.5, 4),
            "Possibly known: incident 4, probability 0.50",
            "known from 0.87, new below 0.41",
        ),
        (
            verdict("new", 0.07),
            "New: no known incident matches; the probability of one is 0.07",
            "1 in 10 called new is known",
        ),
    ],
)
def test_the_decision_comes_with_what_its_label_means(given: dict[str, Any], decision: str, meaning: str) -> None:
    assert describe(given) == [decision, f"{BASIS}: {meaning}"]


@pytest.mark.parametrize(
    ("error", "meaning"), [(0.03, "1 in 33 called known is new"), (0.5, "1 in 2 called known is new")]
)
def test_an_error_rate_is_one_in_a_whole_number(error: float, meaning: str) -> None:
    given = verdict("known", 0.93, 4) | {"calibration": CALIBRATION | {"known_error": error}}
    assert describe(given)[1] == f"{BASIS}: {meaning}"


@pytest.mark.parametrize("label", ["known", "possible", "new"])
def test_a_calibration_may_say_only_what_it_was_made_of(label: str) -> None:
    calibration = {"n": 364, "auroc": 0.91, "ece": 0.03, "built_at": "2026-11-21T10:00:00+00:00"}
    assert describe({"label": label, "probability": 0.5, "calibration": calibration})[1] == BASIS


def test_no_error_at_all_is_not_said_as_a_rate() -> None:
    given = verdict("known", 0.93, 4) | {"calibration": CALIBRATION | {"known_error": 0.0}}
    assert describe(given)[1] == BASIS


def test_without_calibration_no_probability_is_claimed() -> None:
    given = {"label": "possible", "probability": 0.5, "incident_id": 4}
    assert describe(given) == ["Possibly known: incident 4, of unknown probability because the index is not calibrated"]


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (1, "over 0.99"),
        (0.995, "over 0.99"),
        (0.994, "0.99"),
        (0.006, "0.01"),
        (0.004, "under 0.01"),
        (0, "under 0.01"),
    ],
)
def test_a_probability_never_reads_as_certainty(probability: float, words: str) -> None:
    assert format_probability(probability) == words
