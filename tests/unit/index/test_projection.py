"""A query and its products with all incidents: as exact as they say, whatever the vectors."""

import dataclasses
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from incidents.index.encoder_info import EncoderInfo
from incidents.index.incident_index import IncidentIndex
from support.tiny import make_index

ENCODER = EncoderInfo(name="by hand", revision="1", fingerprint="f" * 64, width=2, token_limit=10)
Make = Callable[[int, int, int], Tensor]
"""Makes so many vectors of a width, from a seed."""


def index_of(vectors: Tensor, ids: list[int] | None = None) -> IncidentIndex:
    numbers = range(1, len(vectors) + 1) if ids is None else ids
    return make_index(dict(zip(numbers, vectors, strict=True)), dataclasses.replace(ENCODER, width=vectors.shape[1]))


def ordinary(n_vectors: int, width: int, seed: int) -> Tensor:
    return torch.randn(n_vectors, width, generator=torch.Generator().manual_seed(seed))


def like_longformer(n_vectors: int, width: int, seed: int) -> Tensor:
    """One coordinate holds 97 % of the squared norm, as in real vectors."""
    vectors = 0.1 * ordinary(n_vectors, width, seed)
    vectors[:, width * 3 // 4] += 12.03
    return vectors


def cosines_of(vectors: Tensor, query: Tensor) -> np.ndarray:
    """Plain cosines in float64."""
    rows, asked = vectors.double().numpy(), query.double().numpy()
    asked = asked / np.abs(asked).max()
    found: np.ndarray = (rows @ asked) / np.linalg.norm(rows, axis=1) / np.linalg.norm(asked)
    return found


def corrected_of(vectors: Tensor, query: Tensor) -> np.ndarray:
    """Cosines in float64 after the corpus mean is subtracted."""
    mean = vectors.double().mean(dim=0)
    return cosines_of(vectors.double() - mean, query.double() - mean)


@pytest.mark.parametrize("make", [ordinary, like_longformer])
@pytest.mark.parametrize(("n_incidents", "width"), [(1, 2), (2, 3), (60, 384), (500, 768), (5000, 64)])
@pytest.mark.parametrize("scale", [1.0, 1e-5, 1e-300, 1e308])
def test_similarities_and_their_order_are_those_of_float64(
    make: Make, n_incidents: int, width: int, scale: float
) -> None:
    vectors = make(n_incidents + 1, width, n_incidents)
    vectors, query = vectors[:-1], vectors[-1].double() / vectors[-1].abs().max() * scale
    expected = cosines_of(vectors, query)
    index = index_of(vectors)
    for num in (1, 3, -1):
        matches = index.closest(index.project(query), num)
        assert matches == index.rank(query, num)
        assert [match.row for match in matches] == (-expected).argsort()[: len(matches)].tolist()
        assert [match.similarity for match in matches] == pytest.approx(
            expected[[match.row for match in matches]], rel=0, abs=1e-14
        )


@pytest.mark.parametrize("make", [ordinary, like_longformer])
def test_equal_vectors_tie_and_have_the_larger_id_first(make: Make) -> None:
    numbers = random.Random(0)
    for seed in range(30):
        different = make(6, 40, seed)
        chosen = [numbers.randrange(5) for _ in range(60)]
        ids = numbers.sample(range(1, 1000), 60)
        index = index_of(different[chosen], ids)
        expected = cosines_of(different, different[5])
        order = sorted(zip(expected[chosen], ids, strict=True), reverse=True)
        for num in (-1, 3, 17):
            matches = index.rank(different[5], num)
            assert [match.incident_id for match in matches] == [incident_id for _, incident_id in order][: len(matches)]
        assert len({match.similarity for match in index.rank(different[5], -1)}) == len(set(chosen))


# The bound


def exceeds(index: IncidentIndex, query: Tensor) -> float:
    """The largest error of the cosines, as a multiple of the bound."""
    projection = index.project(query)
    errors = np.abs(projection.cosines.double().numpy() - cosines_of(index.vectors, query))
    return float(errors.max()) / projection.error


def test_no_cosine_is_further_from_the_true_one_than_the_bound() -> None:
    numbers = random.Random(1)
    multiples = []
    for seed in range(300):
        width, n_incidents = numbers.choice([1, 2, 3, 32, 384, 768]), numbers.choice([1, 2, 7, 50])
        make = numbers.choice([ordinary, like_longformer])
        vectors = make(n_incidents, width, seed) * 10 ** numbers.uniform(-6, 6)
        near = (
            vectors.mean(dim=0).double()
            + vectors.std(correction=0) * 10 ** numbers.uniform(-9, 1) * ordinary(1, width, seed)[0]
        )
        query = numbers.choice([near, make(1, width, seed + 1)[0].double(), vectors[0].double(), -vectors[-1].double()])
        if query.any():
            multiples.append(exceeds(index_of(vectors), query * 10 ** numbers.uniform(-100, 100)))
    assert len(multiples) >= 250
    assert max(multiples) <= 1
    assert max(multiples) > 0.02, "the bound is too loose to be of use"


NUMBERS = st.floats(-1e4, 1e4, width=32).map(lambda number: number if abs(number) > 1e-4 else 0.0)


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.lists(NUMBERS, min_size=3, max_size=3).filter(any), min_size=2, max_size=6))
def test_no_generated_cosine_is_either(rows: list[list[float]]) -> None:
    assert exceeds(index_of(torch.tensor(rows[1:])), torch.tensor(rows[0])) <= 1


# The mean is subtracted


def test_a_correction_that_can_be_checked_in_the_head() -> None:
    index = index_of(torch.tensor([[3.0, 0.0], [1.0, 2.0], [-1.0, 1.0]]))
    assert index.corpus_mean.tolist() == [1.0, 1.0]
    projection = index.project(torch.tensor([1.0, 3.0]))  # (0, 2) from the mean
    assert projection.direction.tolist() == pytest.approx([0.0, 1.0])
    assert projection.corrected.tolist() == pytest.approx([-(5**-0.5), 1.0, 0.0])
    assert projection.cosines.tolist() == pytest.approx(cosines_of(index.vectors, torch.tensor([1.0, 3.0])))


@pytest.mark.parametrize(("make", "tolerance"), [(ordinary, 1e-5), (like_longformer, 1e-3)])
@pytest.mark.parametrize(("n_incidents", "width"), [(2, 3), (60, 384), (500, 768), (5000, 64)])
def test_corrected_cosines_are_those_of_float64(make: Make, tolerance: float, n_incidents: int, width: int) -> None:
    for seed in range(5):
        vectors = make(n_incidents + 1, width, seed)
        projection = index_of(vectors[:-1]).project(vectors[-1])
        expected = corrected_of(vectors[:-1], vectors[-1])
        assert projection.corrected.double().numpy() == pytest.approx(expected, rel=0, abs=tolerance)
        assert projection.corrected.abs().max() <= 1
        assert float(projection.direction.norm()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("scale", [1e-300, 1e-5, 1e5, 1e308])
def test_a_query_of_another_scale_is_compared_at_the_length_that_incidents_have(scale: float) -> None:
    vectors = like_longformer(60, 384, 0)
    index, query = index_of(vectors[1:]), vectors[0].double()
    usual = float(vectors[1:].double().norm(dim=1).mean())
    expected = corrected_of(vectors[1:], query / query.norm() * usual)
    found = index.project(query / query.abs().max() * scale).corrected
    assert found.double().numpy() == pytest.approx(expected, rel=0, abs=1e-3)


@pytest.mark.parametrize("make", [ordinary, like_longformer])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_query_that_is_the_mean_of_all_points_nowhere(make: Make, dtype: torch.dtype) -> None:
    for n_incidents in (1, 2, 3, 50):
        index = index_of(make(n_incidents, 384, n_incidents))
        query = index.corpus_mean.to(dtype)
        projection = index.project(query)
        assert projection.direction.tolist() == [0.0] * 384
        assert projection.corrected.tolist() == [0.0] * n_incidents
        assert [match.row for match in index.closest(projection, -1)] == (-cosines_of(index.vectors, query)).argsort(
            kind="stable"
        ).tolist()


def test_the_only_incident_is_the_mean() -> None:
    index = index_of(torch.tensor([[3.0, 4.0]]))
    for query in ([3.0, 4.0], [4.0, -3.0], [-6.0, -8.0]):
        projection = index.project(torch.tensor(query))
        assert projection.corrected.tolist() == [0.0]
        (match,) = index.closest(projection, 3)
        assert match.similarity == pytest.approx(
            (3 * query[0] + 4 * query[1]) / (5 * (query[0] ** 2 + query[1] ** 2) ** 0.5)
        )
