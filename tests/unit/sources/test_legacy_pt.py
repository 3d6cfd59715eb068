"""Vectors from the original service's incident_cls.pt."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.sources.legacy_pt import LegacyPt


def test_the_vectors_of_the_original_service(tmp_path: Path) -> None:
    first, third = torch.tensor([[1.0, 0.0], [3.0, 4.0]], requires_grad=True), torch.tensor([[7.0, 7.0]])
    torch.save([first, None, third], tmp_path / "incident_cls.pt")
    source = LegacyPt(tmp_path / "incident_cls.pt")
    found = {
        incident.incident_id: [(vector.tolist(), n_reports) for vector, n_reports in incident.vectors]
        for incident in source.incidents()
    }
    assert found == {1: [([1.0, 0.0], 1), ([3.0, 4.0], 1)], 3: [([7.0, 7.0], 1)]}


class Hostile:
    """Unpickles by making a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Path]]:
        return Path.mkdir, (self.folder,)


@pytest.mark.parametrize(
    ("write", "got"),
    [
        (lambda path: path.write_bytes(b""), "damaged, foreign or would run code"),
        (lambda path: path.write_text("no tensors"), "damaged, foreign or would run code"),
        (lambda path: torch.save([Hostile(path.parent / "made")], path), "damaged, foreign or would run code"),
        (lambda path: path.write_bytes(pickle.dumps([Hostile(path.parent / "made")])), "would run code"),
        (lambda path: torch.save({"ids": torch.ones(2)}, path), "got dict"),
        (lambda path: torch.save([None, torch.ones(2)], path), r"got torch.float32 of shape \(2,\), .* at position 1"),
        (lambda path: torch.save([torch.ones(2, 2).double()], path), "got torch.float64 of shape"),
        (lambda path: torch.save([[0.5]], path), "got list at position 0"),
        (lambda path: torch.save([torch.eye(2).to_sparse()], path), "torch.sparse_coo on cpu at position 0"),
        (lambda path: torch.save([torch.ones(2, 2, device="meta")], path), "on meta at position 0"),
    ],
)
def test_another_kind_of_vectors_is_refused(tmp_path: Path, write: Callable[[Path], object], got: str) -> None:
    write(tmp_path / "incident_cls.pt")
    with pytest.raises(ValueError, match=rf"incident_cls\.pt: expected a list that has for each incident .*{got}"):
        list(LegacyPt(tmp_path / "incident_cls.pt").incidents())
    assert not (tmp_path / "made").exists()


def test_a_truncated_file_of_vectors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "incident_cls.pt"
    torch.save([torch.ones(20, 20)], path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 50):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="damaged"):
            list(LegacyPt(path).incidents())
