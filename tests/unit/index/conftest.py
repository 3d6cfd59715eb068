"""A small index by hand."""

import pytest
import torch

from incidents.index.encoder_info import EncoderInfo
from incidents.index.incident_index import IncidentIndex
from support.tiny import make_index

ENCODER = EncoderInfo(name="by hand", revision="1", fingerprint="f" * 64, width=2, token_limit=10)


@pytest.fixture
def index() -> IncidentIndex:
    """Vectors of different lengths at 0, 45, 90 and 180 degrees, and another at 45."""
    vectors = {1: [5.0, 0.0], 2: [1.0, 1.0], 3: [0.0, 0.5], 4: [-2.0, 0.0], 7: [3.0, 3.0]}
    return make_index({incident_id: torch.tensor(vector) for incident_id, vector in vectors.items()}, ENCODER)
