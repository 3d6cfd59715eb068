"""Which articles are about the same event."""

import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from incidents.model.encoder import Encoder
from scripts.triaging.articles import Article
from scripts.triaging.events import group
from scripts.triaging.journal import Answer
from scripts.triaging.judging import Judgment
from scripts.triaging.likeness import Matrix, likeness

REPOSITORY = Path(__file__).resolve().parents[3]
MINILM = REPOSITORY / "models" / "minilm"
COHORT = np.random.default_rng(5).normal(size=(200, 64))
"""Known incidents in random directions."""


def judge(text: str, vector: Sequence[float] | Matrix, url: str = "", known: int | None = None) -> Judgment:
    body = {"verdict": {"label": "known", "incident_id": known}} if known else {}
    return Judgment(Article(text, text, url=url), Answer(body, array("f", vector)))


def directions(number: int) -> Matrix:
    return np.random.default_rng(6).normal(size=(number, 64))


def test_articles_with_like_vectors_are_about_the_same_event() -> None:
    vectors = directions(6)
    vectors[4] = vectors[1] + 0.1 * vectors[0]
    judgments = [judge(f"text{number}", vector) for number, vector in enumerate(vectors)]
    assert group(judgments, COHORT) == [[0], [1, 4], [2], [3], [5]]


def test_rare_words_count_and_common_ones_do_not() -> None:
    vectors = directions(4)
    vectors[1] += 0.4 * vectors[0]
    vectors[3] += 0.4 * vectors[2]
    texts = ["Tempe crash of Uber", "Uber in Tempe: a crash", "the one and the other", "the other or the one"]
    found = likeness(texts, vectors, COHORT)
    assert found[0, 1] > found[2, 3] + 4
    assert np.allclose(found, found.T)


def test_a_common_direction_of_all_vectors_does_not_make_them_alike() -> None:
    """As in a Longformer's vectors, where one number holds nearly all of the length."""
    shift = np.zeros(64)
    shift[7] = 1000
    vectors = directions(6)
    vectors[4] = vectors[1] + 0.1 * vectors[0]
    judgments = [judge(f"text{number}", vector + shift) for number, vector in enumerate(vectors)]
    assert group(judgments, COHORT + shift) == [[0], [1, 4], [2], [3], [5]]


def test_the_same_words_address_or_known_incident_are_enough() -> None:
    a, b, c, d, e, f = directions(6)
    judgments = [
        judge("One, TWO three", a),
        judge("w5", b, url="https://www.example.org/news/?id=5&utm_source=x#top", known=7),
        judge("one two\nthree.", c),
        judge("w6", d, url="http://example.org/news?id=5"),
        judge("w7", e, url="https://example.org/news?id=6"),
        judge("w8", f, known=7),
    ]
    assert group(judgments, COHORT) == [[0, 2], [1, 3, 5], [4]]


def test_articles_about_two_known_incidents_are_about_two_events() -> None:
    one, other = directions(2)
    close = [judge("w5", one, known=7), judge("w6", one, known=7), judge("w7", one, known=8), judge("w8", other)]
    assert group(close, COHORT) == [[0, 1], [2], [3]]
    assert group([judge("w5", one), judge("w7", one, known=8)], COHORT) == [[0, 1]]


def test_a_verdict_that_is_not_known_links_nothing() -> None:
    judgments = [
        Judgment(Article(word, word), Answer({"verdict": {"label": "possible", "incident_id": 7}}, array("f", vector)))
        for word, vector in zip(("w5", "w6"), directions(2), strict=True)
    ]
    assert group(judgments, COHORT) == [[0], [1]]


def test_a_refused_article_has_only_its_words_and_address() -> None:
    (vector,) = directions(1)
    refused = Judgment(Article("9", "w5"), None, "too long")
    assert group([refused, judge("w6", vector), judge("w5", vector)], COHORT) == [[0, 1, 2]]
    assert group([refused], COHORT) == [[0]]
    assert group([refused, Judgment(Article("10", "w6"), None, "too long")], COHORT) == [[0], [1]]


@pytest.mark.parametrize("cohort", [COHORT, COHORT[:1], COHORT[:0]])
@pytest.mark.parametrize("text", ["的", "w5"])
def test_few_articles_few_incidents_and_texts_without_words_are_no_error(cohort: Matrix, text: str) -> None:
    for number in (1, 2, 3):
        judgments = [judge(f"{text}{text * position}", vector) for position, vector in enumerate(directions(number))]
        assert group(judgments, cohort) == [[position] for position in range(number)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.org/a", "http://www.EXAMPLE.org:443/a/#part"),
        ("https://example.org/a?x=1&y=2", "https://example.org/a?y=2&x=1&fbclid=abc"),
        ("https://example.org/?id=1", "https://example.org?id=1"),
    ],
)
def test_links_to_one_article_are_the_same_address(one: str, other: str) -> None:
    assert group(at(one, other), COHORT) == [[0, 1]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.org/a", "https://example.org/A"),
        ("https://example.org/a?x=1", "https://example.org/a?x=2"),
        ("https://example.org/a", "https://news.example.org/a"),
        ("https://example.org", "https://example.org/"),
        ("", ""),
        ("/a", "/a"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("http://[/a", "http://[/a"),
    ],
)
def test_links_to_two_pages_or_a_front_page_say_nothing(one: str, other: str) -> None:
    assert group(at(one, other), COHORT) == [[0], [1]]


def at(*urls: str) -> list[Judgment]:
    """Articles on different subjects at these addresses."""
    vectors = directions(len(urls))
    return [judge(f"text{number}", vectors[number], url=url) for number, url in enumerate(urls)]


def test_reports_of_one_incident_are_about_the_same_event_whatever_the_verdict() -> None:
    def copy(word: str, vector: Matrix, *incidents: int) -> Judgment:
        duplicates = [{"incident_id": id_, "kind": "near_text", "overlap": 0.5} for id_ in incidents]
        body = {"verdict": {"label": "possible", "incident_id": 9}, "duplicates": duplicates}
        return Judgment(Article(word, word), Answer(body, array("f", vector)))

    a, b, c, d = directions(4)
    judgments = [copy("w5", a, 7, 7), copy("w6", b, 7), copy("w7", c, 7, 8), judge("w8", d, known=7)]
    assert group(judgments, COHORT) == [[0, 1, 3], [2]]


@dataclass(frozen=True)
class Sample:
    """The sample's reports, each with its incident's id and vector, and the incidents' vectors."""

    texts: list[str]
    ids: list[int]
    vectors: Matrix
    means: dict[int, Matrix]


@pytest.fixture(scope="module")
def sample() -> Sample:
    assert MINILM.is_dir(), "the embedded model is missing; `make model` fetches it"
    encoder = Encoder.load(MINILM)
    lines = (REPOSITORY / "sample" / "incidents.jsonl").read_text(encoding="utf-8").splitlines()
    incidents = [json.loads(line) for line in lines]
    texts = [report["text"] for incident in incidents for report in incident["reports"]]
    ids = [incident["incident_id"] for incident in incidents for _ in incident["reports"]]
    vectors = np.array([embedding.vector.tolist() for embedding in encoder.encode_batch(texts)])
    return Sample(texts, ids, vectors, {id_: vectors[np.equal(ids, id_)].mean(axis=0) for id_ in ids})


@pytest.mark.parametrize(("n_articles", "recall"), [(10, 0.5), (30, 0.35), (150, 0.2)])
def test_reports_of_new_incidents_are_joined_rarely_wrongly(sample: Sample, n_articles: int, recall: float) -> None:
    """Queues of whole incidents of the sample; the index has its other incidents. docs/how-to/triage.md has more."""
    random = np.random.default_rng(n_articles)
    same, joined, right = 0, 0, 0
    for _ in range(max(1, 400 // n_articles)):
        incidents = random.permutation(list(sample.means))
        positions = [position for id_ in incidents for position in np.flatnonzero(np.equal(sample.ids, id_))]
        queue = positions[:n_articles]
        ids = [sample.ids[position] for position in queue]
        cohort = [mean for id_, mean in sample.means.items() if id_ not in ids]
        judgments = [judge(sample.texts[position], sample.vectors[position]) for position in queue]
        events = group(judgments, np.array(cohort))
        pairs = [pair for event in events for pair in combinations(event, 2)]
        same += sum(one == other for one, other in combinations(ids, 2))
        joined += len(pairs)
        right += sum(ids[one] == ids[other] for one, other in pairs)
    print(f"queues of {n_articles}: {same} pairs, {joined} joined, {right} of them rightly")
    assert right / joined >= 0.98
    assert right / same >= recall
