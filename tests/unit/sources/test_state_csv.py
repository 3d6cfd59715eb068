"""Vectors from the original service's state.csv."""

from pathlib import Path

import pytest
import torch

from scripts.sources.state_csv import StateCsv

PRIVATE = "what somebody wrote " * 100


def test_the_state_of_the_original_service(tmp_path: Path) -> None:
    (tmp_path / "state.csv").write_text('incident_id,count,mean\n5,3,"[0.5, 1, -2e-3]"\n2,1,"[1.0, 0.0, 0.0]"\n')
    source = StateCsv(tmp_path / "state.csv")
    five, two = source.incidents()
    assert [(incident.incident_id, incident.title) for incident in (five, two)] == [
        (5, "Incident 5"),
        (2, "Incident 2"),
    ]
    ((vector, n_reports),) = five.vectors
    assert n_reports == 3
    assert torch.equal(vector, torch.tensor([0.5, 1.0, -0.002]))


@pytest.mark.parametrize(
    "text",
    [
        "", "a,b\n", "incident_id,count,mean\n1,2\n", 'incident_id,count,mean\n1,2,"[0.5',
        "incident_id,count,mean\none,2,[0.5]\n", "incident_id,count,mean\n1,2.5,[0.5]\n",
        "incident_id,count,mean\n1,1" + "0" * 30 + ",[0.5]\n", "incident_id,count,mean\n9" + "0" * 19 + ",1,[0.5]\n",
        "incident_id,count,mean\n0,2,[0.5]\n", "incident_id,count,mean\n1,-2,[0.5]\n",
        "incident_id,count,mean\n1,2,[0.5\n", 'incident_id,count,mean\n1,2,"[0.5, null]"\n',
        "incident_id,count,mean\n1,2," + "[" * 100_000, "incident_id,count,mean\n1,2,[1" + "0" * 400 + "]\n",
    ],
)  # fmt: skip
def test_another_kind_of_state_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.csv").write_text(text)
    with pytest.raises(ValueError, match=r"state\.csv, line \d: expected incident_id and count \(whole numbers in"):
        list(StateCsv(tmp_path / "state.csv").incidents())


def test_a_text_in_the_wrong_place_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "state.csv").write_text(PRIVATE)
    with pytest.raises(ValueError, match=r"state\.csv") as refused:
        list(StateCsv(tmp_path / "state.csv").incidents())
    assert "somebody wrote what" not in str(refused.value)
