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
from incidents.index.comparison import compare, rank_hybrid
from incidents.index.encoder_info import EncoderInfo
from incidents.index.file import load_index, save_index
from incidents.index.incident_index import IncidentIndex
from incidents.index.strings import Strings
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


def test_an_index_with_details_comes_out_as_it_went_in(detailed: IncidentIndex, tmp_path: Path) -> None:
    save_index(detailed, tmp_path / "incident_cls.pt")
    loaded = load_index(tmp_path / "incident_cls.pt")
    assert_equal(loaded.details, detailed.details)
    assert loaded.titles == detailed.titles
    assert loaded.calibration == detailed.calibration
    query = loaded.project(torch.tensor([1.0, 0.5]))
    assert torch.equal(query.corrected, detailed.project(torch.tensor([1.0, 0.5])).corrected)
    found = compare(loaded, query, loaded.details.lexicon.overlap("quokka numbat") if loaded.details else None)
    assert [match.incident_id for match, _ in rank_hybrid(loaded, query, found, -1)] == [6, 9, 5]

    save_index(loaded, tmp_path / "again.pt")
    assert (tmp_path / "again.pt").read_bytes() == (tmp_path / "incident_cls.pt").read_bytes()


def assert_equal(one: Any, other: Any) -> None:
    """Compare two parts of an index, field by field and bit by bit."""
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert torch.equal(one, other)
    elif dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            assert_equal(getattr(one, field.name), getattr(other, field.name))
    else:
        assert one == other


def test_the_file_is_readable_without_this_project(index: IncidentIndex, tmp_path: Path) -> None:
    save_index(index, tmp_path / "incident_cls.pt")
    content = torch.load(tmp_path / "incident_cls.pt", weights_only=True)
    assert set(content) == {
        "format_version", "ids", "vectors", "report_counts", "titles", "encoder", "source", "built_at",
        "details",
    }  # fmt: skip
    assert content["vectors"].tolist() == [[5.0, 0.0], [1.0, 1.0], [0.0, 0.5], [-2.0, 0.0], [3.0, 3.0]]
    assert content["encoder"] == dataclasses.asdict(ENCODER)
    assert (content["format_version"], content["details"]) == (2, None)


def test_details_are_plain_dicts_of_tensors_and_numbers(detailed: IncidentIndex, tmp_path: Path) -> None:
    save_index(detailed, tmp_path / "incident_cls.pt")
    details = torch.load(tmp_path / "incident_cls.pt", weights_only=True)["details"]
    assert set(details) == {"dates", "urls", "reports", "lexicon", "calibration", "dense_calibration"}
    assert set(details["reports"]) == {
        "numbers", "directions", "text_hashes", "sketches", "url_keys", "titles", "urls", "dates",
    }  # fmt: skip
    assert set(details["lexicon"]) == {"hashes", "idf", "ends", "rows", "counts", "lengths", "familiar_from"}
    assert details["reports"]["numbers"].tolist() == [1, 2, 3, 4, 5, 6]
    assert bytes(details["dates"]["utf8"].tolist()) == b"2025-01-02" * 3
    assert details["calibration"]["curves"] == [{"feature": "mean", "knots": [0.0, 0.5], "values": [-1.0, 1.5]}]
    assert details["dense_calibration"] is None


def test_the_file_holds_titles_and_addresses_but_no_word_of_a_text(detailed: IncidentIndex, tmp_path: Path) -> None:
    save_index(detailed, tmp_path / "incident_cls.pt")
    content = (tmp_path / "incident_cls.pt").read_bytes().lower()
    for word in (b"tempe", b"the 49th of boeing", b"report 6", b"https://news.example/6", b"2025-06-07"):
        assert word in content
    for word in (b"quokka", b"zebrafish", b"axolotl", b"numbat", b"okapi"):
        assert word not in content


def test_a_file_of_version_1_ranks_as_before_to_the_last_bit(tmp_path: Path) -> None:
    """With a Longformer's large coordinate, any other way of summing would change last digits."""
    vectors = torch.randn(300, 768, generator=torch.Generator().manual_seed(0))
    vectors[:, 588] += 30
    query = vectors.double().mean(dim=0) + torch.randn(768, generator=torch.Generator().manual_seed(1))
    torch.save(
        {
            "format_version": 1,
            "ids": torch.arange(1, 301),
            "vectors": vectors,
            "report_counts": torch.ones(300, dtype=torch.int64),
            "titles": ["One"] * 300,
            "encoder": dataclasses.asdict(dataclasses.replace(ENCODER, width=768)),
            "source": "a test",
            "built_at": "2026-01-02T03:04:05+00:00",
        },
        tmp_path / "incident_cls.pt",
    )
    index = load_index(tmp_path / "incident_cls.pt")
    assert (index.details, index.calibration) == (None, None)
    scaled = query / float(query.abs().max())
    rows = vectors.double()
    cosines = (rows * (scaled / scaled.norm())).sum(dim=1) / torch.linalg.vector_norm(rows, dim=1)
    expected = sorted(zip(cosines.tolist(), range(1, 301), strict=True), reverse=True)
    for num in (3, -1):
        matches = index.rank(query, num)
        assert [(match.similarity, match.incident_id) for match in matches] == expected[: len(matches)]


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


def test_a_flipped_bit_in_a_report_is_detected(detailed: IncidentIndex, tmp_path: Path) -> None:
    path = tmp_path / "incident_cls.pt"
    save_index(detailed, path)
    content = path.read_bytes()
    assert detailed.details is not None
    reports = detailed.details.reports
    for tensor in (reports.directions, reports.text_hashes, reports.urls.utf8, detailed.details.lexicon.idf):
        damaged = bytearray(content)
        damaged[content.index(tensor.numpy().tobytes())] ^= 1
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


def part(*keys: str, **changes: Any) -> Callable[[dict[str, Any]], object]:
    """Change some values of a part of the details."""

    def change(content: dict[str, Any]) -> dict[str, Any]:
        found = content["details"]
        for key in keys:
            found = found[key]
        found |= {name: new(found[name]) if callable(new) else new for name, new in changes.items()}
        return content

    return change


def drop(*keys: str) -> Callable[[dict[str, Any]], object]:
    """Remove a part of the details."""

    def change(content: dict[str, Any]) -> dict[str, Any]:
        found = content["details"]
        for key in keys[:-1]:
            found = found[key]
        del found[keys[-1]]
        return content

    return change


ONE = Strings.pack(["one"])
COLUMN = {"utf8": ONE.utf8, "ends": ONE.ends}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            wrong(details=5),
            "expected Details of dates, urls, reports, lexicon, calibration, dense_calibration, got int",
        ),
        (wrong(details={}), "expected Details of dates, urls, reports, lexicon, calibration, dense_calibration"),
        (drop("lexicon"), "dense_calibration, got dates, urls, reports, calibration, dense_calibration"),
        (part(surprise=1), "dense_calibration, got dates, .*, surprise"),
        (part(dates=None), "expected Strings of utf8, ends, got NoneType"),
        (part(dates=COLUMN), "expected 3 dates, got 1"),
        (part(urls=COLUMN), "expected 3 urls, got 1"),
        (part("dates", ends=lambda ends: ends[:-1]), "expected the last string to end at byte 30, got 20"),
        (part(reports=[]), "expected Reports of numbers, directions, .*, got list"),
        (
            drop("reports", "sketches"),
            "expected Reports of .*sketches.*, got numbers, directions, text_hashes, url_keys",
        ),
        (
            part("reports", numbers=lambda numbers: numbers[1:]),
            r"reports' directions to be .* \(5, n\), got .* \(6, 2\)",
        ),
        (
            part("reports", directions=lambda found: found.float()),
            r"torch.float16 of shape \(6, n\), got torch.float32",
        ),
        (part("reports", directions=lambda found: found[:, :1]), r"directions to be .* \(6, 2\), got .* \(6, 1\)"),
        (part("reports", titles=COLUMN), "expected 6 titles of reports, got 1"),
        (part("reports", urls=["one"] * 6), "expected Strings of utf8, ends, got list"),
        (
            part(lexicon=None),
            "expected Lexicon of hashes, idf, ends, rows, counts, lengths, familiar_from, got NoneType",
        ),
        (part("lexicon", counts=lambda counts: counts * 0), "the lexicon's counts from 1 to below inf, got 0 to 0"),
        (part("lexicon", ends=lambda ends: -ends), "expected the lexicon's ends to ascend from 0, got descending"),
        (part("lexicon", lengths=lambda lengths: torch.cat([lengths, lengths])), "the words of 3 incidents, got 6"),
        (part(calibration=[]), "expected Calibration of curves, intercept, .*, got list"),
        (
            drop("calibration", "ece"),
            "expected Calibration of curves, .* ece, .*, got curves, intercept, n, auroc, known",
        ),
        (part("calibration", intercept="0"), "the calibration's intercept to be a finite number, got '0'"),
        (part("calibration", curves=[5]), "expected Curve of feature, knots, values, got int"),
        (part("calibration", curves=5), "expected a list of curves, got int"),
        (
            part("calibration", curves=[{"feature": "mood", "knots": [0.0], "values": [0.0]}]),
            "expected curves of mean, best, .*, coverage, got 'mood'",
        ),
        (
            part("calibration", curves=[{"feature": "mean", "knots": [0.0, 1.0], "values": [0.0]}]),
            "expected a value for each knot of mean, got 1",
        ),
        (part(dense_calibration={}), "expected Calibration of curves"),
        (wrong(report_counts=torch.tensor([2, 1, 4])), "expected 7 reports, as the incidents have, got 6"),
        (wrong(report_counts=torch.tensor([2**62, 2**62, 2**63 - 1])), "expected [0-9]{20} reports, .*, got 6"),
    ],
)
def test_a_file_with_damaged_details_is_refused(
    detailed: IncidentIndex, tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    path = tmp_path / "incident_cls.pt"
    save_index(detailed, path)
    torch.save(change(torch.load(path, weights_only=True)), path)
    with pytest.raises(InvalidIndexError, match=message):
        load_index(path)


def test_details_of_another_index_are_refused(detailed: IncidentIndex, index: IncidentIndex, tmp_path: Path) -> None:
    contents = []
    for position, each in enumerate((detailed, index)):
        save_index(each, tmp_path / f"{position}.pt")
        contents.append(torch.load(tmp_path / f"{position}.pt", weights_only=True))
    torch.save(contents[1] | {"details": contents[0]["details"]}, tmp_path / "mixed.pt")
    with pytest.raises(InvalidIndexError, match="expected 5 dates, got 3"):
        load_index(tmp_path / "mixed.pt")
