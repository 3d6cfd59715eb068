"""The parts of the cases that are measured apart."""

import numpy as np
import torch

from scripts.evaluation.slices import in_other_half, slices


def test_incidents_with_one_report_are_a_part_and_lengths_are_thirds_of_the_questions() -> None:
    report_counts = torch.tensor([1, 2, 3])
    rows = np.array([0, 1, 1, 2, 2, 2, 2])
    questions = np.array([0, 1, 1, 2, 2, 3, 3])  # all but the first are asked in both ways
    n_words = np.array([10, 20, 20, 30, 30, 40, 40])
    masks = slices(rows, questions, n_words, report_counts)
    assert {name: np.flatnonzero(mask).tolist() for name, mask in masks.items()} == {
        "all": [0, 1, 2, 3, 4, 5, 6],
        "incidents with one report": [0],
        "incidents with more reports": [1, 2, 3, 4, 5, 6],
        "texts of up to 19 words": [0],
        "texts of 20 to 29 words": [1, 2],
        "texts of 30 words or more": [3, 4, 5, 6],
    }


def test_a_part_that_would_be_all_is_left_out() -> None:
    assert list(slices(np.array([0]), np.array([0]), np.array([7]), torch.tensor([1]))) == ["all"]


def test_the_other_half_is_fixed() -> None:
    halves = in_other_half(np.arange(1, 2001))
    assert 900 < halves.sum() < 1100
    assert halves.tolist() == [bool(incident * 2654435761 % 2**32 >> 7 & 1) for incident in range(1, 2001)]
