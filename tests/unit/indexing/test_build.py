"""The pipeline: what is embedded, what is taken over, what is skipped."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from incidents.model.encoder import Encoder
from incidents.model.text import text_hash
from scripts.indexing.build import Build, build, make_plan
from scripts.indexing.embedding import EncoderPool
from scripts.indexing.vector_cache import VectorCache
from scripts.sources.staging import ISSUE_REPORT, NewReport, StagedIncidents
from support.staged import counted

BUILT_AT = "2026-01-02T03:04:05+00:00"


class Recorded:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.n_incidents, self.pending, self.texts = 0, (0, 0), list[str]()

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def planned_incident(self) -> None:
        self.n_incidents += 1

    def start_embedding(self, n_texts: int, n_characters: int) -> None:
        self.pending = (n_texts, n_characters)

    def embedded(self, texts: Sequence[str], _: int) -> None:
        self.texts += texts


@pytest.fixture
def pool(tiny_folder: Path) -> EncoderPool:
    return EncoderPool(tiny_folder, workers=1)


def run(source: StagedIncidents, pool: EncoderPool, progress: Recorded | None = None) -> Build:
    with VectorCache(None, made_by=pool.made_by, width=pool.encoder.width) as cache:
        return build(source, pool, cache, BUILT_AT, progress or Recorded())


def test_every_text_is_embedded_once(pool: EncoderPool) -> None:
    progress = Recorded()
    with StagedIncidents("") as source:
        source.add_incident_with_texts(1, "One", counted("w5 w6", "*w7*"))
        source.add_incident_with_texts(2, "Two", counted("w7", "w8 w9 w10"))
        built = run(source, pool, progress)
    assert sorted(progress.texts) == ["w5 w6", "w7", "w8 w9 w10"]
    assert (progress.n_incidents, progress.pending) == (2, (3, 16))
    assert (built.n_embedded, built.n_truncated) == (3, 0)
    assert built.index.report_counts.tolist() == [2, 2]
    expected = torch.stack([pool.encoder.encode(text).vector for text in ("w5 w6", "w7")]).double().mean(dim=0)
    assert torch.equal(built.index.vectors[0], expected.float())


def test_the_longest_texts_are_embedded_first(pool: EncoderPool) -> None:
    with (
        StagedIncidents("") as source,
        VectorCache(None, made_by=pool.made_by, width=pool.encoder.width) as cache,
    ):
        source.add_incident_with_texts(1, "One", counted("w5 w6", "*w7*", "w8 w9 w10"))
        plan = make_plan(source, cache, pool.encoder, Recorded())
        assert [text for _, text in plan.pending_texts(source)] == ["w8 w9 w10", "w5 w6", "w7"]


def test_what_is_skipped_says_why(pool: EncoderPool) -> None:
    with StagedIncidents("") as source:
        source.add_incident(1, "One", [11, 12, 13, 14])
        source.add_incident(2, "Two", [15])
        source.add_report(NewReport(11, "w5"))
        source.add_report(NewReport(12, "![](image)"))
        source.add_report(NewReport(13, "w6", excluded=ISSUE_REPORT))
        source.add_report(NewReport(15, " "))
        built = run(source, pool)
    assert [str(skipped) for skipped in built.skipped] == [
        "incident 1, report 12: it has no text",
        "incident 1, report 13: it reports on an issue, not on an incident",
        "incident 1, report 14: it is listed, but not there",
        "incident 2: none of its reports can be used",
        "incident 2, report 15: it has no text",
    ]
    assert built.without_text == [12, 15]
    assert {incident: [report.number for report in reports] for incident, reports in built.reports.items()} == {
        1: [11],
        2: [],
    }


def stored(encoder: Encoder, text: str) -> tuple[list[float], str, str]:
    return [float(n) / 3 for n in range(encoder.width)], text_hash(text), encoder.fingerprint


def test_a_stored_vector_of_this_encoder_and_text_is_taken_over_even_for_the_same_text_elsewhere(
    pool: EncoderPool,
) -> None:
    vector, hash_, fingerprint = stored(pool.encoder, "w5")
    progress = Recorded()
    with StagedIncidents("") as source:
        source.add_incident(1, "One", [11])
        source.add_incident(2, "Two", [21, 22])
        source.add_report(NewReport(11, "*w5*", stored=(vector, hash_, fingerprint)))
        source.add_report(NewReport(21, "w5"))
        source.add_report(NewReport(22, "w6"))
        built = run(source, pool, progress)
    assert progress.texts == ["w6"]
    assert torch.equal(built.index.vectors[0], torch.tensor(vector))
    assert [report.is_stored for reports in built.reports.values() for report in reports] == [True, False, False]
    assert {report.text_hash for reports in built.reports.values() for report in reports[:1]} == {hash_}


@pytest.mark.parametrize(
    "change",
    [
        lambda vector, _, fingerprint: (vector, text_hash("*w5*"), fingerprint),
        lambda vector, hash_, _: (vector, hash_, "0" * 64),
        lambda vector, hash_, fingerprint: (vector[1:], hash_, fingerprint),
        lambda vector, hash_, fingerprint: ([float("nan"), *vector[1:]], hash_, fingerprint),
        lambda vector, hash_, fingerprint: ([1e300, *vector[1:]], hash_, fingerprint),  # more than 32 bits can hold
        lambda vector, hash_, fingerprint: ([0.0] * len(vector), hash_, fingerprint),
    ],
)
def test_any_other_stored_vector_is_not(pool: EncoderPool, change: Callable[..., Any]) -> None:
    with (
        StagedIncidents("") as source,
        VectorCache(None, made_by=pool.made_by, width=pool.encoder.width) as cache,
    ):
        source.add_incident(1, "One", [11])
        source.add_report(NewReport(11, "*w5*", stored=change(*stored(pool.encoder, "w5"))))
        plan = make_plan(source, cache, pool.encoder, Recorded())
        assert plan.pending.keys() == {cache.key("w5")}
        assert not plan.reports[1][0].is_stored
        assert len(cache) == 0
