"""Small indexes by hand."""

import dataclasses

import pytest
import torch

from incidents.index.calibration import Calibration, Curve
from incidents.index.encoder_info import EncoderInfo
from incidents.index.incident_index import IncidentIndex
from support.corpus import Corpus
from support.tiny import make_index

ENCODER = EncoderInfo(name="by hand", revision="1", fingerprint="f" * 64, width=2, token_limit=10)


@pytest.fixture
def index() -> IncidentIndex:
    """Vectors of different lengths at 0, 45, 90 and 180 degrees, and another at 45."""
    vectors = {1: [5.0, 0.0], 2: [1.0, 1.0], 3: [0.0, 0.5], 4: [-2.0, 0.0], 7: [3.0, 3.0]}
    return make_index({incident_id: torch.tensor(vector) for incident_id, vector in vectors.items()}, ENCODER)


@pytest.fixture
def detailed() -> IncidentIndex:
    """Three incidents with six reports, words and a calibration for texts."""
    index = Corpus(
        {
            5: [("Quokka, a zebrafish.", [-1.0, 0.0]), ("quokka 49", [-1.0, 2.0])],
            6: [("axolotl", [2.0, 0.0])],
            9: [("numbat", [-2.0, -1.0]), ("numbat", [0.5, 0.0]), ("okapi", [-1.0, -2.0])],
        },
        titles={5: "Tempe\ud800", 9: "The 49th of Boeing"},
    ).index()
    assert index.details is not None
    calibration = Calibration(
        [Curve("mean", [0.0, 0.5], [-1.0, 1.5])], -0.25, 364, 0.91, 0.03, 0.9, 0.25, index.built_at
    )
    return dataclasses.replace(index, details=dataclasses.replace(index.details, calibration=calibration))
