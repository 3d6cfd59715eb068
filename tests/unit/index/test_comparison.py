"""The hybrid order: what fits best by mean, closest report and words."""

import dataclasses
from math import exp, log

import pytest
import torch

from incidents.index.comparison import (
    CANDIDATES,
    LEXICAL_WEIGHT,
    closest_reports,
    compare,
    fit,
    rank_hybrid,
    relevance,
    report_positions,
)
from incidents.index.incident_index import IncidentIndex
from support.corpus import Corpus, random_corpus

EAST, NORTH, WEST = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]


@pytest.fixture
def small() -> IncidentIndex:
    """Three incidents; the corpus mean is (0, 0), as the means are (-1, 1), (2, 0) and (-1, -1)."""
    return Corpus(
        {
            5: [("uber tempe", [-1.0, 0.0]), ("uber crash", [-1.0, 2.0])],
            6: [("boeing crash", [2.0, 0.0])],
            9: [("robot", [-2.0, -1.0]), ("robot", [0.0, 0.0]), ("arm", [-1.0, -2.0])],
        }
    ).index()


def ask(index: IncidentIndex, vector: list[float], text: str | None, num: int = 0) -> list[tuple[int, float]]:
    """The ids and relevances in the hybrid order."""
    projection = index.project(torch.tensor(vector, dtype=torch.float64))
    overlap = None if text is None or index.details is None else index.details.lexicon.overlap(text)
    ranked = rank_hybrid(index, projection, compare(index, projection, overlap, num), num or -1)
    return [(match.incident_id, relevance) for match, relevance in ranked]


def test_the_fit_is_the_mean_of_both_cosines_and_the_words() -> None:
    tensors = torch.tensor([0.5, -0.5]), torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.5], dtype=torch.float64)
    assert fit(*tensors).tolist() == [0.75, -0.25 + LEXICAL_WEIGHT * 0.5]
    assert fit(*tensors).dtype == torch.float64


def test_relevance_keeps_the_order_from_0_to_1() -> None:
    fits = [-2.0, -0.1, 0.0, 1e-9, 0.1, log(2), 1.0, 2.5, 30.0]
    relevances = [relevance(value) for value in fits]
    assert relevances[:3] == [0.0, 0.0, 0.0]
    assert relevances[5] == pytest.approx(0.5)
    assert relevances == sorted(relevances)
    assert all(0 <= value <= 1 for value in relevances)


def test_the_closest_report_of_each_incident_counts(small: IncidentIndex) -> None:
    comparison = compare(small, small.project(torch.tensor(NORTH)), None)
    root = 2**-0.5
    assert comparison.rows.tolist() == [0, 1, 2]
    assert comparison.dense.tolist() == pytest.approx([root, 0, -root], abs=1e-6)
    # Of incident 9, the report at the corpus mean has no direction, so it is closer than those that point away.
    assert comparison.best.tolist() == pytest.approx([2 / 5**0.5, 0, 0], abs=1e-3)
    assert comparison.fit.tolist() == pytest.approx([(root + 2 / 5**0.5) / 2, 0, -root / 2], abs=1e-3)
    ids, values = zip(*ask(small, NORTH, None), strict=True)
    assert ids == (5, 6, 9)
    assert values == pytest.approx([1 - exp(-(root + 2 / 5**0.5) / 2), 0, 0], abs=1e-3)


def test_words_can_outweigh_vectors(small: IncidentIndex) -> None:
    assert ask(small, NORTH, "a robot arm")[0][0] == 9
    assert ask(small, NORTH, "nothing shared")[0][0] == 5


def test_similarity_stays_the_cosine(small: IncidentIndex) -> None:
    projection = small.project(torch.tensor(EAST))
    overlap = small.details.lexicon.overlap("robot") if small.details else None
    ranked = rank_hybrid(small, projection, compare(small, projection, overlap), -1)
    expected = {match.incident_id: match.similarity for match in small.rank(torch.tensor(EAST), -1)}
    assert {match.incident_id: match.similarity for match, _ in ranked} == expected


@pytest.mark.parametrize(("num", "ids"), [(0, []), (1, [5]), (2, [5, 6]), (3, [5, 6, 9]), (99, [5, 6, 9])])
def test_num_is_the_number_of_incidents(small: IncidentIndex, num: int, ids: list[int]) -> None:
    projection = small.project(torch.tensor(NORTH))
    ranked = rank_hybrid(small, projection, compare(small, projection, None, num), num)
    assert [match.incident_id for match, _ in ranked] == ids


def brute_force(index: IncidentIndex, vector: torch.Tensor, text: str) -> list[tuple[float, int]]:
    """The fit and id of all incidents, best first, in float64 from the parts."""
    assert index.details is not None
    mean = index.vectors.double().mean(dim=0)
    direction = (vector.double() - mean) / (vector.double() - mean).norm()
    lexical = index.details.lexicon.overlap(text).scores
    fits, first = [], 0
    for row, count in enumerate(index.report_counts.tolist()):
        deviation = index.vectors[row].double() - mean
        reports = index.details.reports.directions[first : first + count].double() @ direction
        dense = float(deviation @ direction / deviation.norm())
        fits.append(((dense + float(reports.max())) / 2 + 1.5 * float(lexical[row]), int(index.ids[row])))
        first += count
    return sorted(fits, reverse=True)


@pytest.mark.parametrize(("n_incidents", "num"), [(7, 0), (CANDIDATES, 0), (130, -1), (130, 130)])
def test_the_order_is_that_of_comparing_everything(n_incidents: int, num: int) -> None:
    index = random_corpus(3, n_incidents, n_large=16).index()
    for row in range(5):
        vector, text = index.vectors[row] + 0.3, f"word{row} topic{row}a topic{row + 1}b word50"
        expected = brute_force(index, vector, text)
        found = ask(index, vector.tolist(), text, num)
        assert [incident_id for incident_id, _ in found] == [incident_id for _, incident_id in expected]
        assert [value for _, value in found] == pytest.approx(
            [1 - exp(-max(0, value)) for value, _ in expected], abs=1e-5
        )


def test_of_many_incidents_the_best_by_mean_and_words_are_compared() -> None:
    index = random_corpus(3, CANDIDATES + 30, n_large=16).index()
    assert index.details is not None
    projection = index.project(index.vectors[0] + 0.3)
    overlap = index.details.lexicon.overlap("topic1a word5 word6")
    by_mean_and_words = (projection.corrected + LEXICAL_WEIGHT * overlap.scores).argsort(descending=True)
    for num, expected in ((0, CANDIDATES), (3, CANDIDATES), (CANDIDATES + 7, CANDIDATES + 7), (-1, CANDIDATES + 30)):
        comparison = compare(index, projection, overlap, num)
        assert comparison.rows.tolist() == sorted(by_mean_and_words[:expected].tolist())
        assert len(comparison.dense) == len(comparison.lexical) == CANDIDATES + 30


def test_ties_have_the_larger_id_first() -> None:
    reports = [("uber", EAST), ("tempe", NORTH)]
    index = Corpus({8: reports, 2: [("boeing", WEST)], 5: reports, 9: reports}).index()
    ranked = ask(index, [1.0, 1.0], "uber")
    assert [incident_id for incident_id, _ in ranked] == [9, 8, 5, 2]
    assert len({value for _, value in ranked[:3]}) == 1
    assert [incident_id for incident_id, _ in ask(index, [1.0, 1.0], "uber", 1)] == [9]


def test_an_index_of_vectors_is_ranked_by_corrected_cosine(small: IncidentIndex) -> None:
    plain = dataclasses.replace(small, details=None)
    comparison = compare(plain, plain.project(torch.tensor(NORTH)), None)
    root = 2**-0.5
    assert comparison.lexical.tolist() == [0, 0, 0]
    assert comparison.best.tolist() == comparison.dense.tolist() == pytest.approx([root, 0, -root], abs=1e-6)
    (first, value), *_ = ask(plain, NORTH, None)
    assert first == 5
    assert value == pytest.approx(1 - exp(-root), abs=1e-6)
    with pytest.raises(ValueError, match="expected an index with reports, got one without"):
        closest_reports(plain, torch.tensor([0]), torch.tensor(NORTH))


# Reports


def test_reports_are_found_incident_by_incident(small: IncidentIndex) -> None:
    positions, owners = report_positions(small, torch.tensor([2, 0]))
    assert positions.tolist() == [3, 4, 5, 0, 1]
    assert owners.tolist() == [0, 0, 0, 1, 1]
    positions, owners = report_positions(small, torch.tensor([], dtype=torch.int64))
    assert (positions.tolist(), owners.tolist()) == ([], [])


def test_of_equally_close_reports_the_first_is_named() -> None:
    index = Corpus({1: [("a", WEST), ("b", EAST), ("c", EAST)], 2: [("d", NORTH), ("e", NORTH)]}).index()
    best, closest = closest_reports(index, torch.tensor([1, 0]), index.project(torch.tensor(EAST)).direction)
    assert closest.tolist() == [3, 1]
    assert float(best[1]) > float(best[0])


def test_an_incident_that_points_exactly_away_has_a_closest_report_too() -> None:
    """Of two incidents, each is where the other is not; in float16, their directions are longer or shorter than 1."""
    for seed in range(100):
        east, west = torch.randn(2, 32, generator=torch.Generator().manual_seed(seed)).tolist()
        index = Corpus({1: [("uber", east)], 2: [("tempe", west)]}).index()
        best, closest = closest_reports(index, torch.tensor([0, 1]), index.project(torch.tensor(east)).direction)
        assert closest.tolist() == [0, 1]
        assert best.tolist() == pytest.approx([1, -1], abs=1e-3)
        assert best.abs().max() <= 1


def test_an_index_of_one_incident_can_be_asked() -> None:
    index = Corpus({4: [("uber", EAST), ("tempe", NORTH)]}).index()
    for vector in (EAST, WEST, index.vectors[0].tolist()):
        ((incident_id, value),) = ask(index, vector, "uber tempe boeing")
        assert (incident_id, 0 <= value <= 1) == (4, True)
