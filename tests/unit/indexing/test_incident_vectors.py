"""Means that can be checked in the head."""

import pytest
import torch

from incidents.index.encoder_info import EncoderInfo
from scripts.indexing.incident_vectors import IncidentMeans, Skipped

ENCODER = EncoderInfo("by hand", "1", "f" * 64, width=2, token_limit=10)
BUILT_AT = "2026-01-02T03:04:05+00:00"


def test_an_incidents_vector_is_the_plain_mean_and_incidents_are_sorted() -> None:
    means = IncidentMeans()
    means.add(8, "Eight", [(torch.tensor([1.0, 0.0]), 1), (torch.tensor([3.0, 4.0]), 1)])
    means.add(5, "Five", [(torch.tensor([7.0, 7.0]), 1)])
    index = means.index(ENCODER, "by hand", BUILT_AT)
    assert (index.ids.tolist(), index.titles, index.report_counts.tolist()) == ([5, 8], ["Five", "Eight"], [1, 2])
    assert index.vectors.tolist() == [[7.0, 7.0], [2.0, 2.0]]
    assert (index.source, index.built_at) == ("by hand", BUILT_AT)


def test_a_vector_that_is_a_mean_counts_for_all_its_texts() -> None:
    means = IncidentMeans()
    means.add(1, "One", [(torch.tensor([1.0, 0.0]), 3), (torch.tensor([5.0, 8.0]), 1)])
    assert (means.means[0].tolist(), means.report_counts) == ([2.0, 2.0], [4])


def test_a_mean_of_one_vector_is_that_vector_to_the_last_bit() -> None:
    vector = torch.rand(1000)
    for count in (1, 3, 7, 24):
        means = IncidentMeans()
        means.add(1, "One", [(vector, count)])
        assert torch.equal(means.means[0], vector)


def test_the_order_of_reports_does_not_matter() -> None:
    """In float32 it would: 1e8 + 1 is 1e8."""
    vectors = [torch.tensor([x, 1.0]) for x in (1e8, 1.0, -1e8, 1.0)]
    for order in (vectors, vectors[::-1], vectors[1:] + vectors[:1]):
        means = IncidentMeans()
        means.add(1, "One", [(vector, 1) for vector in order])
        assert means.means[0].tolist() == [0.5, 1.0]


def test_an_incident_without_reports_is_skipped() -> None:
    means = IncidentMeans()
    means.add(5, "Five", [])
    assert means.skipped == [Skipped(5, 0, "none of its reports can be used")]
    with pytest.raises(ValueError, match="expected at least one incident with a report that can be used, got none"):
        means.index(ENCODER, "by hand", BUILT_AT)
