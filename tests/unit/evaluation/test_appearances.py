"""How often incidents appear: a hub that everybody sees, and the real vectors of the original service."""

from pathlib import Path

import numpy as np
import pytest
import torch

from incidents.index.encoder_info import EncoderInfo
from scripts.evaluation.appearances import correlation, count_appearances, measure_appearances
from scripts.indexing.incident_vectors import import_vectors
from scripts.sources.spec import open_vectors

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "nlp-lambdas"


def test_an_incident_amid_others_appears_for_each_of_them() -> None:
    middle = torch.ones(1, 6)
    around = torch.eye(6) * 10 + 1
    times = count_appearances(torch.cat([middle, around]).double())
    assert times[0] == 6
    assert times.sum() == 7 * 3


def test_of_four_incidents_everybody_sees_the_other_three() -> None:
    assert count_appearances(torch.rand(4, 8, generator=torch.manual_seed(1)).double()).tolist() == [3, 3, 3, 3]
    assert count_appearances(torch.ones(1, 8).double()).tolist() == [0]


def test_the_correlation_is_pearsons_with_weights_as_repetitions() -> None:
    generator = np.random.default_rng(4)
    one, other = generator.random(30), generator.random(30)
    weights = generator.integers(0, 3, (2, 30))
    for row, weight in enumerate(weights):
        expected = np.corrcoef(np.repeat(one, weight), np.repeat(other, weight))[0, 1]
        assert correlation(weights, one, other)[row] == pytest.approx(expected)
    assert np.isnan(correlation(weights, one, np.ones(30))).all()


@pytest.mark.skipif(not DATA.is_dir(), reason="the original vectors are not available")
def test_subtracting_the_mean_shows_incidents_that_were_never_shown() -> None:
    means = import_vectors(open_vectors(f"state-csv:{DATA / 'state.csv'}"), None)
    encoder = EncoderInfo("allenai/longformer-base-4096", "", "", 768, 2000)
    found = measure_appearances(means.index(encoder, "state.csv", "2022-01-01T00:00:00+00:00"), seed=0)
    assert {name: (numbers["never shown"][0], numbers["correlation"][0]) for name, numbers in found.items()} == {
        "cosine": (0.489, 0.579),
        "mean-corrected": (0.118, 0.185),
    }
