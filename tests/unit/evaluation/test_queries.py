"""Texts that are asked in addition: what a file may hold, and which of an index's reports a text is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from incidents.index.comparison import compare
from incidents.index.evidence import weigh
from incidents.index.incident_index import IncidentIndex
from incidents.model.text import fold
from scripts.cli.console import error_console
from scripts.cli.progress import BuildProgress
from scripts.evaluation.answers import RANKERS, Answers, ask_all, open_questions
from scripts.evaluation.queries import Query, make_questions, read_queries
from scripts.indexing.build import Build, build
from scripts.indexing.embedding import EncoderPool
from scripts.indexing.leave_one_out import LeaveOneOut
from scripts.indexing.vector_cache import VectorCache
from scripts.sources.staging import NewReport, StagedIncidents

TEXTS = {
    4: {11: "w5 w6 w7 w8", 12: "w5 w6 w9"},
    6: {13: "w10 w11 w12"},
    9: {14: "w13 w5", 15: "w13 w14 w14", 16: "w15"},
}


class World:
    """An index of TEXTS, and what is asked of it."""

    def __init__(self, built: Build, answering: LeaveOneOut, pool: EncoderPool, cache: VectorCache) -> None:
        self.built, self.answering, self.pool, self.cache = built, answering, pool, cache

    @property
    def index(self) -> IncidentIndex:
        return self.built.index

    def ask(self, *queries: Query) -> Answers:
        progress = BuildProgress(error_console())
        asked = make_questions(queries, self.answering, self.index, self.pool, self.cache, progress)
        return ask_all(self.answering, asked)


@pytest.fixture(scope="module")
def world(tiny_folder: Path) -> Iterator[World]:
    threads = torch.get_num_threads()
    pool = EncoderPool(tiny_folder, workers=1)
    with StagedIncidents("") as source, VectorCache(None, made_by=pool.made_by, width=pool.encoder.width) as cache:
        for incident, texts in TEXTS.items():
            reports = [NewReport(number, text) for number, text in texts.items()]
            source.add_incident_with_texts(incident, f"w{incident}", reports)
        built = build(source, pool, cache, "2026-01-02T03:04:05+00:00", BuildProgress(error_console()))
        yield World(built, open_questions(built, source, cache), pool, cache)
    torch.set_num_threads(threads)


def write(path: Path, *lines: Any) -> Path:
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return path


def test_a_query_has_a_text_or_a_headline(tmp_path: Path) -> None:
    path = write(
        tmp_path / "q.jsonl",
        {"incident_id": 4, "text": "**bold** w5", "headline": "unused", "report_number": 3},
        {"incident_id": 6, "text": None, "headline": "w6", "report_number": None, "url": "https://example.com"},
    )
    assert read_queries(path) == [Query(4, "bold w5", 3), Query(6, "w6", None)]


@pytest.mark.parametrize(
    "line",
    [
        {"text": "secret"},
        {"incident_id": 4},
        {"incident_id": 4, "text": ""},
        {"incident_id": 4, "text": 5},
        {"incident_id": "4", "text": "secret"},
        {"incident_id": True, "text": "secret"},
        {"incident_id": 4, "text": "secret", "report_number": "5"},
        ["secret"],
        "secret\n",
    ],
)
def test_any_other_line_is_named_and_not_quoted(tmp_path: Path, line: Any) -> None:
    path = write(tmp_path / "q.jsonl", {"incident_id": 4, "text": "w5"}, line)
    with pytest.raises(ValueError, match=r"q\.jsonl, line 2: expected an object with incident_id") as error:
        read_queries(path)
    assert "secret" not in str(error.value)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected at least one query, got none"):
        read_queries(write(tmp_path / "q.jsonl"))


def test_what_the_index_lacks_or_has_no_text_is_left_out(world: World) -> None:
    answers = world.ask(Query(5, "w5", None), Query(4, "\u200b", None), Query(4, "w5 w20", None))
    assert answers.questions.tolist() == [0, 0]
    assert answers.judged.rows.tolist() == [0, 0]
    assert answers.n_words.tolist() == [2, 2]


def test_a_text_that_no_report_is_finds_all_there_is(world: World) -> None:
    """With nothing left out, the answer is the service's, but for the rounding of stored directions."""
    text = "w5 w9 w50"
    answers = world.ask(Query(4, text, None))
    vector = world.pool.encoder.encode(text).vector
    assert world.index.details is not None
    overlap = world.index.details.lexicon.overlap(fold(text))
    comparison = compare(world.index, world.index.project(vector), overlap)
    expected = weigh(comparison, overlap.coverage)
    assert answers.winners[0] == expected.row
    assert answers.judged.features[0] == pytest.approx(list(expected.features.values()), abs=2e-3)
    for ranker, scores in (("tf-idf", comparison.lexical), ("mean-corrected", comparison.dense)):
        assert answers.ranks[0, RANKERS.index(ranker)] == int((scores >= scores[0]).sum())


@pytest.mark.parametrize("query", [Query(4, "w5 w6 w9", None), Query(4, "w5 w6 w9", 12), Query(4, "w5 w6 w9", 99)])
def test_a_query_that_is_a_report_is_asked_as_that_report(world: World, query: Query) -> None:
    asked, own = world.ask(query), ask_all(world.answering, [world.answering.question(1)])
    assert asked.judged.features == pytest.approx(own.judged.features, abs=1e-6)
    assert asked.ranks.tolist() == own.ranks.tolist()


def test_a_report_with_the_querys_number_is_left_out_too(world: World) -> None:
    text = "w13 w14 w14"
    (both,) = make_questions(
        [Query(9, text, 16)], world.answering, world.index, world.pool, world.cache, BuildProgress(error_console())
    )
    assert both.reports == (4, 5)
    left = world.answering.ask(both, without_incident=False)
    own = world.pool.encoder.encode(text).vector.double() - world.index.corpus_mean
    only = world.pool.encoder.encode("w13 w5").vector.double() - world.index.corpus_mean
    cosine = float(torch.nn.functional.cosine_similarity(own, only, dim=0))
    assert float(left.comparison.dense[2]) == pytest.approx(cosine, abs=1e-5)


def test_an_incident_without_another_report_is_asked_as_new_only(world: World) -> None:
    answers = world.ask(Query(6, "w10 w11 w12", None), Query(6, "w10", None))
    assert answers.judged.is_known.tolist() == [False, True, False]
    assert (answers.winners[[0, 2]] != 1).all()
    assert answers.ranks[0].tolist() == [0, 0, 0, 0]
