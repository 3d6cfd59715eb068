"""The original service's data: the mean vectors of 178 incidents and a report's vector, from nlp-lambdas (MIT)."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import similar
from incidents.index.encoder_info import EncoderInfo
from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from support.envelope import open_answer

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "nlp-lambdas"


@pytest.mark.skipif(not DATA.is_dir(), reason="the original vectors are not available")
def test_the_incidents_closest_to_a_report_of_incident_1(configure: Callable[..., None], tmp_path: Path) -> None:
    csv.field_size_limit(2**24)
    with (DATA / "state.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 178
    save_index(
        IncidentIndex(
            ids=torch.tensor([int(row["incident_id"]) for row in rows]),
            vectors=torch.tensor([json.loads(row["mean"]) for row in rows]),
            report_counts=torch.tensor([int(row["count"]) for row in rows]),
            titles=[""] * len(rows),
            encoder=EncoderInfo("allenai/longformer-base-4096", "", "", 768, 2000),
            source="state.csv",
            built_at="2022-01-01T00:00:00+00:00",
        ),
        tmp_path / "incident_cls.pt",
    )
    configure(INDEX_PATH=tmp_path / "incident_cls.pt")

    event = {"body": (DATA / "incident_1_embedding.json").read_text()}
    status, body = open_answer(similar.handler(event, None))
    assert status == 200
    assert [match["incident_id"] for match in body["similar"]] == [1, 55, 39]
    assert [match["similarity"] for match in body["similar"]] == pytest.approx(
        [0.9975790978, 0.9968798161, 0.9966242313], rel=0, abs=1e-6
    )
