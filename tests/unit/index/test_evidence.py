"""Evidence that can be checked in the head."""

import pytest
import torch

from incidents.index.comparison import Comparison, compare, fit, rank_hybrid
from incidents.index.evidence import DENSE_FEATURES, FEATURES, Evidence, weigh
from support.corpus import Corpus


def comparison(
    dense: list[float], best: list[float], lexical: list[float], rows: list[int] | None = None
) -> Comparison:
    """A comparison with the incidents of `rows`, or with all."""
    chosen = torch.tensor(range(len(dense)) if rows is None else rows)
    every, words, closest = torch.tensor(dense), torch.tensor(lexical, dtype=torch.float64), torch.tensor(best)
    return Comparison(every, words, chosen, closest, fit(every[chosen], closest, words[chosen]))


def weigh_it(compared: Comparison, coverage: float = 0.0) -> Evidence:
    return weigh(compared, lambda _: coverage)


def test_the_winner_is_weighed_against_the_others() -> None:
    # The fits are 0.55 + 0.15, 0.2 and 0.45 + 0.45.
    evidence = weigh_it(comparison([0.5, 0.2, 0.4], [0.6, 0.2, 0.5], [0.1, 0.0, 0.3]), coverage=0.25)
    assert evidence.row == 2
    assert evidence.features == pytest.approx(
        {
            "mean": 0.4,
            "best": 0.5,
            "margin_second": 0.9 - 0.7,
            "margin_five": 0.9 - (0.7 + 0.2) / 2,
            "mean_margin": 0.4 - 0.5,
            "lexical": 0.3,
            "lexical_z": (0.3 - 0.4 / 3) / (0.14 / 9) ** 0.5,
            "coverage": 0.25,
        }
    )


def test_all_features_are_told_even_of_an_embedding_alone() -> None:
    evidence = weigh_it(comparison([0.5, 0.2], [0.5, 0.2], [0.0, 0.0]))
    assert tuple(evidence.features) == FEATURES
    assert set(DENSE_FEATURES) < set(FEATURES)
    assert [evidence.features[name] for name in ("lexical", "lexical_z", "coverage")] == [0, 0, 0]


def test_only_the_next_five_are_averaged() -> None:
    evidence = weigh_it(comparison([0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0], [0.9, *[0.5] * 5, 0.0, 0.0], [0.0] * 8))
    assert evidence.features["margin_five"] == pytest.approx(0.4)


def test_the_largest_other_mean_need_not_have_been_compared() -> None:
    evidence = weigh_it(comparison([0.1, 0.8, 0.6], [0.9, 0.1], [0.5, 0.0, 0.0], rows=[0, 2]))
    assert evidence.row == 0
    assert evidence.features["mean_margin"] == pytest.approx(0.1 - 0.8)


def test_an_only_incident_has_nothing_to_be_weighed_against() -> None:
    evidence = weigh_it(comparison([0.5], [0.7], [0.2]))
    assert evidence.row == 0
    assert evidence.features == pytest.approx(
        {
            "mean": 0.5, "best": 0.7, "margin_second": 0.9, "margin_five": 0.9, "mean_margin": 0.5,
            "lexical": 0.2, "lexical_z": 0.0, "coverage": 0.0,
        }
    )  # fmt: skip


def test_of_equal_incidents_the_one_that_is_shown_first_is_judged() -> None:
    reports = [("uber", [1.0, 0.0]), ("tempe", [0.0, 1.0])]
    for n_equal in (2, 3, 24):
        incidents = dict.fromkeys(range(1, n_equal + 1), reports)
        index = Corpus(incidents | {999: [("boeing", [-1.0, 0.0])]}).index()
        assert index.details is not None
        projection = index.project(torch.tensor([1.0, 1.0]))
        compared = compare(index, projection, index.details.lexicon.overlap("uber"), -1)
        ((first, _),) = rank_hybrid(index, projection, compared, 1)
        evidence = weigh(compared, lambda _: 0.0)
        assert (evidence.row, first.incident_id) == (n_equal - 1, n_equal)
        assert evidence.features["margin_second"] == 0
