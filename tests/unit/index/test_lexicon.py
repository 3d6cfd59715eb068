"""Words: numbers that can be checked in the head, and the same ones as scikit-learn's."""

import dataclasses
from collections.abc import Callable
from math import log, sqrt
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from incidents.index.lexicon import Lexicon, hash_word, words_of
from scripts.indexing.words import count_words, fit_lexicon

TOLERANCE = 1e-12
"""The handler is promised to agree with scikit-learn to 1e-6; both compute in float64."""


def lexicon_of(*texts: str) -> Lexicon:
    """The lexicon of incidents with a report each."""
    empty = [""] * len(texts)
    return fit_lexicon(count_words(texts, empty, empty, range(len(texts))))


@pytest.fixture
def lexicon() -> Lexicon:
    """Of three incidents: all have a crash; two have uber, of which one has it three times; one has tempe."""
    return lexicon_of("Uber crash", "crash uber UBER uber tempe", "crash boeing")


def test_a_word_has_two_letters_or_digits() -> None:
    assert words_of("Uber's A.I. hit 3 of 49 -- in_tempe!") == ["uber", "hit", "of", "49", "in_tempe"]
    assert words_of("5 6 a.b") == []


def test_a_hash_never_changes_as_index_files_hold_it() -> None:
    assert (hash_word("uber"), hash_word("tempe")) == (38780827765953544, 569961703106423081)


def test_a_word_of_every_incident_weighs_nothing_and_others_by_how_few_have_them(lexicon: Lexicon) -> None:
    words = ["crash", "uber", "tempe", "boeing", "unknown"]
    found = lexicon.idf_at(lexicon.find(words)).tolist()
    assert found == pytest.approx([log(4 / 4), log(4 / 3), log(4 / 2), log(4 / 2), log(4 / 1)])
    assert lexicon.find(["unknown", ""]).tolist() == [-1, -1]
    assert len(lexicon) == 4


def test_a_score_is_the_product_of_weights_by_both_lengths(lexicon: Lexicon) -> None:
    uber, tempe, boeing = log(4 / 3), log(2), log(2)
    often = 1 + log(3)
    lengths = [uber, sqrt((often * uber) ** 2 + tempe**2), boeing]
    assert lexicon.lengths.tolist() == pytest.approx(lengths)
    divisors = [0.5 * sum(lengths) / 3 + 0.5 * length for length in lengths]
    overlap = lexicon.overlap("Tempe! A uber, an uber.")
    twice = 1 + log(2)
    pivot = boeing  # the median of the lengths; the text is longer: it has "an" too, which no incident has
    products = [twice * uber * uber, twice * uber * often * uber + tempe * tempe, 0.0]
    expected = [product / (divisor * pivot) for product, divisor in zip(products, divisors, strict=True)]
    assert overlap.scores.tolist() == pytest.approx(expected)
    assert overlap.divisor == pytest.approx(pivot)


def test_a_text_shorter_than_most_incidents_is_divided_by_its_own_length(lexicon: Lexicon) -> None:
    assert lexicon.overlap("uber").divisor == pytest.approx(log(4 / 3))


def test_an_incident_that_says_the_same_scores_about_1(lexicon: Lexicon) -> None:
    assert lexicon.overlap("boeing").scores.tolist() == pytest.approx([0, 0, 1], abs=0.1)


def test_a_text_without_a_word_shares_nothing(lexicon: Lexicon) -> None:
    for text in ("", "5 6", "crash", "?"):
        overlap = lexicon.overlap(text)
        assert overlap.scores.tolist() == [0, 0, 0]
        assert [overlap.coverage(row) for row in range(3)] == [0, 0, 0]
        assert overlap.rarest(0, 8) == []


def test_coverage_is_the_share_of_the_squared_weights(lexicon: Lexicon) -> None:
    overlap = lexicon.overlap("tempe boeing crash")
    assert [overlap.coverage(row) for row in range(3)] == pytest.approx([0, 0.5, 0.5])
    assert lexicon.overlap("tempe unknown").coverage(1) == pytest.approx(log(2) ** 2 / (log(2) ** 2 + log(4) ** 2))
    assert lexicon.overlap("uber tempe").coverage(1) == pytest.approx(1)


def test_shared_words_are_shown_the_rarest_first_then_by_alphabet(lexicon: Lexicon) -> None:
    overlap = lexicon.overlap("crash uber tempe boeing")
    assert overlap.rarest(1, 8) == ["tempe", "uber"]
    assert overlap.rarest(1, 1) == ["tempe"]
    assert overlap.rarest(2, 8) == ["boeing"]
    assert overlap.rarest(0, 0) == []


@pytest.mark.parametrize(
    ("n_incidents", "n_with", "is_shown"), [(30, 3, True), (30, 4, False), (300, 6, True), (300, 7, False)]
)
def test_only_words_that_few_incidents_have_are_shown(n_incidents: int, n_with: int, is_shown: bool) -> None:
    lexicon = lexicon_of(*(f"own{row} {'shared' if row < n_with else ''}" for row in range(n_incidents)))
    overlap = lexicon.overlap("shared own0")
    assert overlap.rarest(0, 8) == (["own0", "shared"] if is_shown else ["own0"])


def test_a_text_longer_than_any_incident_still_finds_it(lexicon: Lexicon) -> None:
    long = "tempe " + " ".join(f"filler{n}" for n in range(20_000))
    scores = lexicon.overlap(long).scores
    assert scores.argmax() == 1
    assert float(scores[1]) == pytest.approx(float(lexicon.overlap("tempe").scores[1]))


# The same numbers as scikit-learn's


def by_scikit_learn(texts: list[str], query: str) -> tuple[Any, Any, float]:
    """The incidents' lengths, their scores for a query, and the query's squared length."""
    vectorizer = TfidfVectorizer(norm=None, sublinear_tf=True)
    vectorizer.fit(texts)
    n = len(texts)
    counts = (vectorizer.transform(texts) > 0).sum(axis=0)
    common = np.asarray(counts).ravel() > max(20, 0.1 * n)
    vectorizer.idf_ = np.where(common, 0.0, vectorizer.idf_ - 1)
    incidents = vectorizer.transform(texts).toarray()
    lengths = np.sqrt((incidents**2).sum(axis=1))
    weights = vectorizer.transform([query]).toarray()[0]
    analyze = vectorizer.build_analyzer()
    unknown = [word for word in analyze(query) if word not in vectorizer.vocabulary_]
    beyond = sum(((1 + log(unknown.count(word))) * log(1 + n)) ** 2 for word in set(unknown))
    squared = float((weights**2).sum()) + beyond
    pivot = np.sort(lengths)[(n - 1) // 2] or 1.0  # of two medians, the lower
    divisors = 0.5 * (lengths.mean() or 1.0) + 0.5 * lengths
    return lengths, incidents @ weights / (divisors * (min(sqrt(squared), pivot) or 1.0)), squared


def assert_same(texts: list[str], query: str) -> None:
    lexicon = lexicon_of(*texts)
    lengths, scores, squared = by_scikit_learn(texts, query)
    overlap = lexicon.overlap(query)
    assert lexicon.lengths.numpy() == pytest.approx(lengths, rel=0, abs=TOLERANCE)
    assert overlap.scores.numpy() == pytest.approx(scores, rel=0, abs=TOLERANCE)
    assert float(overlap.weights.sum()) == pytest.approx(squared, rel=TOLERANCE, abs=TOLERANCE)


WORDS = st.lists(
    st.sampled_from(["uber", "Tempe", "a", "49", "crash", "of", "boeing", "robot", "x_y", "!"]), max_size=12
)
TEXTS = WORDS.map(" ".join)


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=8).filter(lambda texts: any(map(words_of, texts))), query=TEXTS)
def test_weights_and_scores_are_those_of_scikit_learn(texts: list[str], query: str) -> None:
    assert_same(texts, query)
    assert_same(texts, query + " unknown unknown")


@pytest.mark.parametrize(("n_incidents", "n_with"), [(30, 20), (30, 21), (30, 30), (300, 30), (300, 31)])
def test_a_word_that_too_many_incidents_have_is_left_out(n_incidents: int, n_with: int) -> None:
    texts = [f"own{row} {'common' if row < n_with else 'other'}" for row in range(n_incidents)]
    assert_same(texts, "common own1 other")
    is_indexed = bool(lexicon_of(*texts).overlap("common").scores.any())
    assert is_indexed is (n_with <= max(20, n_incidents // 10))


# Damage


def cut(*names: str) -> Callable[[Lexicon], dict[str, torch.Tensor]]:
    return lambda lexicon: {name: getattr(lexicon, name)[:-1] for name in names}


def first(name: str, number: float) -> Callable[[Lexicon], dict[str, torch.Tensor]]:
    def change(lexicon: Lexicon) -> dict[str, torch.Tensor]:
        tensor = getattr(lexicon, name).clone()
        tensor[0] = number
        return {name: tensor}

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            cut("hashes"),
            "expected the lexicon's idf to be torch.float64 of shape (3,), got torch.float64 of shape (4,)",
        ),
        (cut("idf"), "the lexicon's idf to be torch.float64 of shape (4,), got torch.float64 of shape (3,)"),
        (cut("ends"), "expected the lexicon's ends to be torch.int64 of shape (4,), got torch.int64 of shape (3,)"),
        (cut("counts"), "expected the lexicon's counts to be torch.int16 of shape (4,), got torch.int16 of shape (3,)"),
        (cut("rows"), "expected the lexicon's counts to be torch.int16 of shape (3,), got torch.int16 of shape (4,)"),
        (cut("rows", "counts"), "expected the last word's entries to end at 3, got 4"),
        (cut("lengths"), "expected the lexicon's rows from 0 to below 2, got 0 to 2"),
        (first("rows", -1), "expected the lexicon's rows from 0 to below 3, got -1 to"),
        (first("counts", 0), "expected the lexicon's counts from 1 to below inf, got 0 to"),
        (first("idf", float("nan")), "expected the lexicon's idf from 0 to below inf, got nan to nan"),
        (first("idf", -1.0), "expected the lexicon's idf from 0 to below inf, got -1.0 to"),
        (first("lengths", float("inf")), "expected the lexicon's lengths from 0 to below inf, got"),
        (first("lengths", -1.0), "expected the lexicon's lengths from 0 to below inf, got -1.0 to"),
        (first("ends", -1), "expected the lexicon's ends to ascend from 0, got descending ones"),
        (first("hashes", 2**63 - 1), "expected the lexicon's hashes to ascend, got descending ones"),
        (
            lambda lexicon: {"rows": lexicon.rows.long()},
            "the lexicon's rows to be torch.int32 of shape (n,), got torch.",
        ),
        (lambda lexicon: {"hashes": lexicon.hashes.tolist()}, "hashes to be torch.int64 of shape (n,), got list"),
        (
            lambda _: {"lengths": torch.tensor(1.0)},
            "lengths to be torch.float64 of shape (n,), got torch.float32",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(
    lexicon: Lexicon, change: Callable[[Lexicon], dict[str, Any]], message: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the message is compared as it is)
        dataclasses.replace(lexicon, **change(lexicon))
    assert message in str(caught.value)
