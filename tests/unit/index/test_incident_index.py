"""Ranking that can be checked in the head."""

import dataclasses

import pytest
import torch

from incidents.errors import InvalidInputError
from incidents.index.encoder_info import EncoderInfo, is_foreign
from incidents.index.incident_index import IncidentIndex
from support.tiny import make_index

ENCODER = EncoderInfo(name="by hand", revision="1", fingerprint="f" * 64, width=2, token_limit=10)


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
