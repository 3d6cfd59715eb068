"""Checking an index, and comparing it with another."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from incidents.index.encoder_info import EncoderInfo
from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from incidents.model.encoder import Encoder
from support.build_output import answer, refused
from support.tiny import make_index

Command = Callable[..., int]


def test_a_valid_index_is_described(
    build: Command,
    source: Callable[..., str],
    tmp_path: Path,
    tiny_folder: Path,
    tiny_encoder: Encoder,
    check: Command,
    capsys: pytest.CaptureFixture[str],
) -> None:
    build("--source", source({9: ["w5", "w6"], 4: ["w7"]}))
    capsys.readouterr()
    assert check(tmp_path / "incident_cls.pt", "--model", tiny_folder, "--json") == 0
    found = answer(capsys)
    assert (found["incidents"], found["reports"], found["new"], found["truncated"]) == (2, 3, None, None)
    assert found["encoder"]["fingerprint"] == tiny_encoder.fingerprint
    assert found["notes"][0].startswith("built with the model in ")
    assert check(tmp_path / "incident_cls.pt") == 0
    assert "Note: there is no model beside it" in capsys.readouterr().out


def test_an_index_of_another_model_is_invalid(
    check: Command, tiny_index: IncidentIndex, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = dataclasses.replace(tiny_index, encoder=dataclasses.replace(tiny_index.encoder, fingerprint="0" * 64))
    save_index(other, tmp_path / "other.pt")
    refused(check(tmp_path / "other.pt", "--model", tiny_folder), "expected one built with", capsys)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "damaged or foreign"),
        (lambda path: path.write_text("no index"), "damaged or foreign"),
        (lambda path: torch.save([torch.ones(2, 32), None], path), "expected a dict with a format_version, got list"),
        (lambda path: torch.save({"format_version": 0}, path), "expected format version 2, got 0; build it again"),
        (lambda path: path.unlink(), "missing"),
    ],
)
def test_a_file_that_is_not_an_index_is_invalid(
    check: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str], write: Callable[[Path], object], message: str
) -> None:
    save_index(make_index({1: torch.ones(2)}, EncoderInfo("", "", "", 2, 2)), tmp_path / "other.pt")
    write(tmp_path / "other.pt")
    refused(check(tmp_path / "other.pt"), message, capsys)


def test_a_build_says_what_came_went_and_moved(
    build: Command, source: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build("--source", source({1: ["w5"], 2: ["w6"], 3: ["w7"], 4: ["w8"]}))
    capsys.readouterr()
    edited = source({2: ["w6"], 3: ["w7", "w7 w8"], 4: ["w40 w41"], 5: ["w9"]})
    assert build("--source", edited, "--diff", tmp_path / "incident_cls.pt", "--json") == 0
    diff = answer(capsys)["diff"]
    assert (diff["came"], diff["went"], diff["n_moved"]) == ([5], [1], 2)
    assert sorted(move["incident_id"] for move in diff["moved_most"]) == [3, 4]
    similarities = [move["similarity"] for move in diff["moved_most"]]
    assert similarities == sorted(similarities)
    assert all(-1.0 <= similarity < 1.0 for similarity in similarities)

    assert build("--source", edited, "--diff", tmp_path / "incident_cls.pt") == 0
    printed = capsys.readouterr().out
    assert "0 incidents came\n0 incidents went\n0 incidents moved\n" in printed


def test_vectors_of_different_encoders_are_not_compared(
    check: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_encoder: Encoder
) -> None:
    encoder = EncoderInfo("tiny", "1", tiny_encoder.fingerprint, 32, 40)
    save_index(make_index({1: torch.ones(32), 2: torch.ones(32)}, encoder), tmp_path / "new.pt")
    save_index(
        make_index({2: torch.ones(2)}, dataclasses.replace(encoder, width=2, fingerprint="0")), tmp_path / "old.pt"
    )
    assert check(tmp_path / "new.pt", "--diff", tmp_path / "old.pt") == 0
    printed = capsys.readouterr().out
    assert "1 incidents came: 1\n0 incidents went\nThe vectors cannot be compared: another encoder made them" in printed


@pytest.mark.parametrize(("name", "revision", "compared"), [("A", "1", True), ("B", "1", False), ("A", "2", False)])
def test_imported_vectors_are_compared_if_one_encoder_is_said_to_have_made_them(
    import_vectors: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    revision: str,
    compared: bool,
) -> None:
    old, new = tmp_path / "old.pt", tmp_path / "state.csv"
    save_index(make_index({1: torch.tensor([1.0, 1.0])}, EncoderInfo("A", "1", "unknown", 2, 2000)), old)
    new.write_text('incident_id,count,mean\n1,1,"[1.0, 2.0]"\n')
    encoder = ("--encoder-name", name, "--encoder-revision", revision)
    assert import_vectors(f"state-csv:{new}", *encoder, "--diff", old, "--json") == 0
    assert answer(capsys)["diff"]["n_moved"] == (1 if compared else None)
