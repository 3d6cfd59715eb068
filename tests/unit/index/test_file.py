"""The index file: whole, or refused."""

import dataclasses
import os
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from incidents.errors import InvalidIndexError
from incidents.index.encoder_info import EncoderInfo
from incidents.index.file import load_index, save_index
from incidents.index.incident_index import IncidentIndex
from support.full_disk import full_disk

ENCODER = EncoderInfo(name="by hand", revision="1", fingerprint="f" * 64, width=2, token_limit=10)


def test_a_saved_index_can_be_loaded(index: IncidentIndex, tmp_path: Path) -> None:
    save_index(index, tmp_path / "incident_cls.pt")
    loaded = load_index(tmp_path / "incident_cls.pt")
    for column in ("ids", "vectors", "report_counts"):
        assert torch.equal(getattr(loaded, column), getattr(index, column))
    for column in ("titles", "encoder", "source", "built_at"):
        assert getattr(loaded, column) == getattr(index, column)
    assert len(loaded) == 5
    assert loaded.rank(torch.tensor([1.0, 0.5]), -1) == index.rank(torch.tensor([1.0, 0.5]), -1)


def test_the_file_is_readable_without_this_project(index: IncidentIndex, tmp_path: Path) -> None:
    save_index(index, tmp_path / "incident_cls.pt")
    content = torch.load(tmp_path / "incident_cls.pt", weights_only=True)
    assert set(content) == {
        "format_version", "ids", "vectors", "report_counts", "titles", "encoder", "source", "built_at",
        "details",
    }  # fmt: skip
    assert content["vectors"].tolist() == [[5.0, 0.0], [1.0, 1.0], [0.0, 0.5], [-2.0, 0.0], [3.0, 3.0]]
    assert content["encoder"] == dataclasses.asdict(ENCODER)


def test_other_users_can_read_a_saved_file_and_nothing_else_is_left(index: IncidentIndex, tmp_path: Path) -> None:
    save_index(index, tmp_path / "incident_cls.pt")
    save_index(index, tmp_path / "incident_cls.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["incident_cls.pt"]
    assert (tmp_path / "incident_cls.pt").stat().st_mode & 0o777 == 0o644


def test_a_failed_save_leaves_the_old_file(index: IncidentIndex, tmp_path: Path) -> None:
    save_index(index, tmp_path / "incident_cls.pt")
    before = (tmp_path / "incident_cls.pt").read_bytes()
    with pytest.raises(OSError, match="File too large"), full_disk():
        save_index(dataclasses.replace(index, source="a newer one"), tmp_path / "incident_cls.pt")
    assert (tmp_path / "incident_cls.pt").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["incident_cls.pt"]


def test_two_saves_at_once_both_succeed(index: IncidentIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second runs after the first has written its file and before it has moved it into place."""
    path = tmp_path / "incident_cls.pt"
    seen = []

    def save_another(_: int) -> None:
        monkeypatch.undo()
        save_index(dataclasses.replace(index, source="the second"), path)
        seen.append(load_index(path).source)

    monkeypatch.setattr(os, "fsync", save_another)
    save_index(dataclasses.replace(index, source="the first"), path)
    assert [*seen, load_index(path).source] == ["the second", "the first"]
    assert [file.name for file in tmp_path.iterdir()] == ["incident_cls.pt"]


def test_many_saves_at_once_all_succeed(index: IncidentIndex, tmp_path: Path) -> None:
    path = tmp_path / "incident_cls.pt"
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(save_index, index, path) for _ in range(400)]:
            done.result()
    assert [file.name for file in tmp_path.iterdir()] == ["incident_cls.pt"]


def test_a_save_into_a_missing_folder_fails(index: IncidentIndex, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        save_index(index, tmp_path / "nowhere" / "incident_cls.pt")


def test_a_file_truncated_anywhere_is_refused(index: IncidentIndex, tmp_path: Path) -> None:
    path = tmp_path / "incident_cls.pt"
    save_index(index, path)
    content = path.read_bytes()
    for length in [*range(0, len(content), 13), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(InvalidIndexError, match=r"incident_cls\.pt: damaged or foreign, expected an index"):
            load_index(path)


def test_a_flipped_bit_is_detected(index: IncidentIndex, tmp_path: Path) -> None:
    path = tmp_path / "incident_cls.pt"
    save_index(index, path)
    content = path.read_bytes()
    stored = content.index(index.vectors.numpy().tobytes())
    for position in range(stored, stored + index.vectors.nbytes):
        damaged = bytearray(content)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(InvalidIndexError, match="damaged or foreign"):
            load_index(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidIndexError, match=r"incident_cls\.pt: missing; expected an index of known incidents"):
        load_index(tmp_path / "incident_cls.pt")


class Hostile:
    """Creates a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize(
    "write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2))]
)
def test_code_in_a_file_is_not_run(tmp_path: Path, write: Callable[[Any, Path], object]) -> None:
    write({"format_version": 1, "ids": Hostile(tmp_path / "made")}, tmp_path / "incident_cls.pt")
    with pytest.raises(InvalidIndexError, match="damaged or foreign"):
        load_index(tmp_path / "incident_cls.pt")
    assert not (tmp_path / "made").exists()


def wrong(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda content: content | changes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: [torch.ones(2, 768), None], "expected a dict with a format_version, got list"),
        (lambda _: {"ids": torch.ones(2)}, "expected a dict with a format_version, got dict"),
        (wrong(format_version=3), "expected format version 2, got 3; build it again"),
        (wrong(surprise=1), "unexpected keyword argument 'surprise'"),
        (lambda content: {key: value for key, value in content.items() if key != "titles"}, "missing .* 'titles'"),
        (wrong(encoder=None), "not a valid index"),
        (wrong(encoder=dataclasses.asdict(ENCODER) | {"name": float("nan")}), "encoder's name to be strings"),
        (wrong(encoder=dataclasses.asdict(ENCODER) | {"fingerprint": None}), "encoder's name to be strings"),
        (wrong(source=5), "expected titles, source"),
        (wrong(format_version=torch.tensor([1, 1])), "expected format version 2"),
        (wrong(format_version=True), "expected format version 2, got True"),
        (wrong(vectors=torch.ones(5, 2).to_sparse()), "not a valid index"),
        (wrong(titles=[], ids=torch.ones(0), vectors=torch.ones(0, 2)), "expected at least one incident"),
        (wrong(encoder={"name": "x"}), "missing"),
        (wrong(ids=torch.ones(5)), r"expected ids to be torch.int64 of shape \(5,\), got torch.float32"),
        (wrong(ids=[1, 2, 3, 4, 5]), "expected ids to be torch.int64 .*, got list"),
        (wrong(ids=torch.tensor([1, 2, 3, 4, 4])), "expected ids to be positive and unique"),
        (wrong(ids=torch.tensor([0, 2, 3, 4, 5])), "expected ids to be positive and unique"),
        (wrong(vectors=torch.ones(5, 3)), r"expected vectors to be .* \(5, 2\), got .* \(5, 3\)"),
        (wrong(vectors=torch.ones(5, 2).half()), "got torch.float16"),
        (wrong(vectors=torch.zeros(5, 2)), "expected every vector to be finite and not zero"),
        (wrong(vectors=torch.full((5, 2), float("nan"))), "expected every vector to be finite"),
        (wrong(vectors=torch.full((5, 2), 1e30)), "expected every vector to be finite"),
        (wrong(report_counts=torch.zeros(5, dtype=torch.int64)), "expected every incident to have a report"),
        (wrong(titles=["one"]), r"expected ids to be .* of shape \(1,\)"),
        (wrong(titles=[1, 2, 3, 4, 5]), "expected titles, source and the encoder's name to be strings"),
        (wrong(built_at="yesterday"), "expected built_at to be a time in UTC, got 'yesterday'"),
        (wrong(built_at="2026-01-02T03:04:05"), "expected built_at to be a time in UTC"),
    ],
)
def test_a_file_with_other_content_is_refused(
    index: IncidentIndex, tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    path = tmp_path / "incident_cls.pt"
    save_index(index, path)
    torch.save(change(torch.load(path, weights_only=True)), path)
    with pytest.raises(InvalidIndexError, match=message):
        load_index(path)
