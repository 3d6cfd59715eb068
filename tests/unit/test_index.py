"""The index: rankings small enough to check by hand, and a file that is either complete or refused."""

import dataclasses
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from incidents.errors import InvalidIndexError, InvalidInputError
from incidents.index.file import load_index, save_index
from incidents.index.incident_index import EncoderInfo, IncidentIndex, is_foreign
from support.full_disk import full_disk
from support.tiny import make_index

INFERENCE = str(Path(__file__).resolve().parents[2] / "inference")
ENCODER = EncoderInfo(name="by hand", revision="1", fingerprint="f" * 64, width=2, token_limit=10)


@pytest.fixture
def index() -> IncidentIndex:
    """Vectors of different lengths at 0, 45, 90 and 180 degrees, and another at 45."""
    vectors = {1: [5.0, 0.0], 2: [1.0, 1.0], 3: [0.0, 0.5], 4: [-2.0, 0.0], 7: [3.0, 3.0]}
    return make_index({incident_id: torch.tensor(vector) for incident_id, vector in vectors.items()}, ENCODER)


def ranked(index: IncidentIndex, vector: list[float], num: int) -> list[tuple[int, float]]:
    matches = index.rank(torch.tensor(vector, dtype=torch.float64), num)
    return [(match.incident_id, round(match.similarity, 6)) for match in matches]


def test_similarity_is_the_cosine_and_ties_have_the_larger_id_first(index: IncidentIndex) -> None:
    assert ranked(index, [10.0, 0.0], -1) == [(1, 1.0), (7, 0.707107), (2, 0.707107), (3, 0.0), (4, -1.0)]


@pytest.mark.parametrize("n_incidents", [2, 9, 1550, 5000])
def test_incidents_with_equal_vectors_tie_in_any_rows(n_incidents: int) -> None:
    for _ in range(10):
        vector = torch.randn(768)
        index = make_index(dict.fromkeys(range(1, n_incidents + 1), vector), dataclasses.replace(ENCODER, width=768))
        matches = index.rank(torch.randn(768), -1)
        assert [match.incident_id for match in matches] == list(range(n_incidents, 0, -1))
        assert len({match.similarity for match in matches}) == 1


def test_a_tie_at_the_cut_goes_to_the_larger_id(index: IncidentIndex) -> None:
    assert ranked(index, [1.0, 0.0], 2) == [(1, 1.0), (7, 0.707107)]
    many = make_index({id_: torch.tensor([1.0, 1.0]) for id_ in range(1, 100)}, ENCODER)
    assert [match.incident_id for match in many.rank(torch.tensor([1.0, 2.0]), 3)] == [99, 98, 97]


@pytest.mark.parametrize(("num", "expected"), [(0, 0), (1, 1), (5, 5), (6, 5), (10**30, 5), (-1, 5), (-(10**30), 5)])
def test_num_is_the_number_of_matches_and_below_zero_means_all(index: IncidentIndex, num: int, expected: int) -> None:
    assert len(index.rank(torch.tensor([1.0, 0.0]), num)) == expected


def test_a_match_has_its_title_and_plain_numbers(index: IncidentIndex) -> None:
    (match,) = index.rank(torch.tensor([0.0, 1.0]), 1)
    assert (match.incident_id, match.similarity, match.title) == (3, 1.0, "Incident 3")
    assert type(match.incident_id) is int
    assert type(match.similarity) is float


def test_similarity_never_leaves_its_range() -> None:
    torch.manual_seed(0)
    vectors = torch.randn(500, 768) * 10
    encoder = dataclasses.replace(ENCODER, width=768)
    index = make_index(dict(enumerate(vectors, start=1)), encoder)
    for row in range(0, 500, 7):
        (best,) = index.rank(vectors[row], 1)
        assert best.incident_id == row + 1
        assert 1.0 - 1e-6 <= best.similarity <= 1.0


def test_the_ranking_is_that_of_double_precision() -> None:
    """One coordinate holds nearly all of the length, as in a real Longformer's vectors."""
    torch.manual_seed(0)
    vectors = 1e-4 * torch.randn(2000, 768) + 0.1 * torch.randn(768)
    vectors[:, 588] += 12.0
    index = make_index(dict(enumerate(vectors, start=1)), dataclasses.replace(ENCODER, width=768))
    query = vectors.mean(dim=0) + 0.05 * torch.randn(768)
    exact = torch.nn.functional.cosine_similarity(vectors.double(), query.double().unsqueeze(0))
    in_single_precision = torch.mv(vectors, query) / vectors.norm(dim=1)
    for num in (10, 500):
        best, best_in_single = exact.topk(num).indices.tolist(), in_single_precision.topk(num).indices.tolist()
        assert set(best) != set(best_in_single), "the case is too easy"
    for num in (10, 500, -1):
        matches = index.rank(query, num)
        assert [match.incident_id - 1 for match in matches] == exact.argsort(descending=True)[: len(matches)].tolist()
        assert [match.similarity for match in matches] == pytest.approx(
            exact.sort(descending=True).values[: len(matches)].tolist(), rel=0, abs=1e-14
        )


@pytest.mark.parametrize("scale", [1e308, 1e-308, 5e-324])
def test_a_query_of_any_finite_length_is_ranked(index: IncidentIndex, scale: float) -> None:
    assert ranked(index, [scale, 0.0], 1) == [(1, 1.0)]
    assert ranked(index, index.query([0.0, scale]).tolist(), 1) == [(3, 1.0)]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([1.0], "expected an embedding of 2 numbers, got 1"),
        ([], "expected an embedding of 2 numbers, got 0"),
        ([1.0, 2.0, 3.0], "expected an embedding of 2 numbers, got 3"),
        ([0.0, 0.0], "expected an embedding of finite numbers that are not all zero"),
        ([0.0, -0.0], "not all zero"),
        ([1.0, float("nan")], "finite"),
        ([1.0, float("inf")], "finite"),
    ],
)
def test_an_invalid_embedding_is_refused(index: IncidentIndex, numbers: list[float], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        index.query(numbers)


# Its encoder


@pytest.mark.parametrize(
    ("fingerprint", "expected", "foreign"),
    [
        ("a" * 64, "a" * 64, False),
        ("a" * 64, "b" * 64, True),
        ("", "b" * 64, True),  # an index without a fingerprint, such as one imported from the original service
        ("a" * 64, None, False),  # the service's encoder is not known yet
        (None, "b" * 64, False),  # the published object does not say its encoder
        (None, None, False),
    ],
)
def test_an_index_is_foreign_if_its_encoder_is_known_to_be_another(
    fingerprint: str | None, expected: str | None, foreign: bool
) -> None:
    assert is_foreign(fingerprint, expected) is foreign


# The file


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


def test_the_next_save_removes_the_leftovers_of_a_killed_one(index: IncidentIndex, tmp_path: Path) -> None:
    save_index(index, tmp_path / "incident_cls.pt")
    before = (tmp_path / "incident_cls.pt").read_bytes()
    program = """if True:
        import os, signal, sys
        from pathlib import Path
        from incidents.index.file import load_index, save_index
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        save_index(load_index(Path(sys.argv[1])), Path(sys.argv[1]))
    """
    command = [sys.executable, "-c", program, str(tmp_path / "incident_cls.pt")]
    killed = subprocess.run(command, env=os.environ | {"PYTHONPATH": INFERENCE}, check=False)
    assert killed.returncode == -signal.SIGKILL
    (leftover,) = tmp_path.glob(".*")
    assert leftover.stat().st_size == len(before)
    others = [tmp_path / name for name in (".incident_cls.pt.lock", ".incident_cls.pt.mine", ".x.pt.1.unfinished")]
    for other in others:
        other.write_text("somebody else's")
    save_index(index, tmp_path / "incident_cls.pt")
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "incident_cls.pt", *others])


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
        (wrong(format_version=2), "expected format version 1, got 2; build it again"),
        (wrong(surprise=1), "unexpected keyword argument 'surprise'"),
        (lambda content: {key: value for key, value in content.items() if key != "titles"}, "missing .* 'titles'"),
        (wrong(encoder=None), "not a valid index"),
        (wrong(encoder=dataclasses.asdict(ENCODER) | {"name": float("nan")}), "encoder's name to be strings"),
        (wrong(encoder=dataclasses.asdict(ENCODER) | {"fingerprint": None}), "encoder's name to be strings"),
        (wrong(source=5), "expected titles, source"),
        (wrong(format_version=torch.tensor([1, 1])), "expected format version 1"),
        (wrong(format_version=True), "expected format version 1, got True"),
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
