"""Evaluate an index of a source: build it, ask every report without itself, and measure the answers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch

from incidents.index.incident_index import IncidentIndex
from scripts.evaluation.answers import RANKERS, Answers, ask_all, open_questions
from scripts.evaluation.appearances import measure_appearances
from scripts.evaluation.bootstrap import DECIMALS, RESAMPLES, Interval, intervals
from scripts.evaluation.metrics import ranking, recall_curve
from scripts.evaluation.queries import Query, make_questions
from scripts.evaluation.slices import OTHER_HALF, in_other_half, slices
from scripts.evaluation.verdicts import (
    measure_verdicts,
    predict_half,
    predict_held_out,
    reliability,
    roc_curve,
    training_cases,
)
from scripts.indexing.build import Progress, build
from scripts.indexing.calibration import Judged
from scripts.indexing.embedding import EncoderPool
from scripts.indexing.leave_one_out import Question
from scripts.indexing.vector_cache import VectorCache
from scripts.sources.staging import StagedIncidents

REPORTS: Final = "reports"
"""The questions that are the source's own reports."""
CURVE_DEPTHS: Final = tuple(range(1, 21))
CURVE_SHARES: Final = tuple(step / 100 for step in range(101))

Track = Callable[[Sequence[Question]], Iterable[Question]]
"""Shows how far the questions are."""


@dataclass(frozen=True)
class Plan:
    """What is asked besides the reports, by name, how, and the seed of the resamples."""

    queries: Mapping[str, Sequence[Query]]
    seed: int
    built_at: str
    progress: Callable[[], Progress]
    track: Track


def evaluate(source: StagedIncidents, pool: EncoderPool, cache: VectorCache, plan: Plan) -> dict[str, Any]:
    """All measures, as JSON.

    Raises:
        InvalidModelError: the model gives invalid vectors.
        UnusableCacheError: the cache cannot be used.
        ValueError: fewer than two incidents have a report that can be used, or no query is about one that has.
    """
    torch.set_num_threads(1)  # for small operations; and sums then have one order on every machine
    built = build(source, pool, cache, plan.built_at, plan.progress())
    index = built.index
    if len(index) < 2:
        raise ValueError("expected at least two incidents with a report that can be used, got one")
    answering = open_questions(built, source, cache)
    asked = {REPORTS: [answering.question(report) for report in range(len(answering))]}
    for name, queries in plan.queries.items():
        asked[name] = make_questions(queries, answering, index, pool, cache, plan.progress())
        if not asked[name]:
            raise ValueError(f"expected a query about an incident of the source, got none in {name}")
    answers = {name: ask_all(answering, plan.track(questions)) for name, questions in asked.items()}
    training = training_cases(answers[REPORTS])
    return {
        "source": source.name,
        "encoder": {"name": index.encoder.name, "fingerprint": index.encoder.fingerprint},
        "incidents": len(index),
        "reports": len(answering),
        "seed": plan.seed,
        "resamples": RESAMPLES,
        "questions": {
            name: {"left out": len(plan.queries.get(name, asked[name])) - len(asked[name])}
            | measure(index, some, training, plan.seed)
            for name, some in answers.items()
        },
        "appearances": measure_appearances(index, plan.seed),
    }


def measure(index: IncidentIndex, answers: Answers, training: Judged, seed: int) -> dict[str, Any]:
    """The measures of one set of questions, whole and in parts, and the curves that are drawn."""
    masks = slices(answers.judged.rows, answers.questions, answers.n_words, index.report_counts)
    probabilities = predict_held_out(training, answers)
    parts = _measure_parts(answers, probabilities, masks, seed)
    is_other = in_other_half(index.ids.numpy())
    others = answers.take(is_other[answers.judged.rows])
    if len(others.questions):
        everything = {OTHER_HALF: np.ones(len(others.questions), dtype=bool)}
        parts |= _measure_parts(others, predict_half(training, others, is_other), everything, seed)
    return {"parts": parts, "curves": _curves(answers, probabilities)}


def _curves(answers: Answers, probabilities: Any) -> dict[str, Any]:
    """What is drawn; without a known case there is nothing."""
    is_known = answers.judged.is_known
    if not is_known.any():
        return {}
    ranks = answers.ranks[is_known]
    recall = {name: _rounded(recall_curve(ranks[:, at], CURVE_DEPTHS)) for at, name in enumerate(RANKERS)}
    if probabilities is None:
        return {"recall": recall}
    return {
        "recall": recall,
        "roc": _rounded(roc_curve(probabilities, is_known, CURVE_SHARES)),
        "reliability": [_rounded(point) for point in reliability(probabilities, is_known)],
    }


def _measure_parts(answers: Answers, probabilities: Any, masks: Mapping[str, Any], seed: int) -> dict[str, Any]:
    is_known, rows = answers.judged.is_known, answers.judged.rows

    def measure_all(weights: Any) -> dict[tuple[str, ...], Any]:
        found: dict[tuple[str, ...], Any] = {}
        for name, mask in masks.items():
            known = mask & is_known
            for at, ranker in enumerate(RANKERS):
                measured = ranking(weights[:, known], answers.ranks[known, at])
                found |= {(name, ranker, key): value for key, value in measured.items()}
        if probabilities is not None:
            found |= measure_verdicts(weights, answers, probabilities, masks)
        return found

    measured = intervals(rows, measure_all, seed)
    return {name: _part(name, measured, answers.take(mask)) for name, mask in masks.items()}


def _part(name: str, measured: Mapping[tuple[str, ...], Interval], answers: Answers) -> dict[str, Any]:
    is_known = answers.judged.is_known
    return {
        "questions": len(np.unique(answers.questions)),
        "incidents": len(np.unique(answers.judged.rows)),
        "known": int(is_known.sum()),
        "new": int((~is_known).sum()),
        "ranking": {ranker: {key[2]: value for key, value in measured.items() if key[:2] == (name, ranker)}
                    for ranker in RANKERS},
        "verdict": {key[1]: value for key, value in measured.items() if len(key) == 2 and key[0] == name},
    }  # fmt: skip


def _rounded(numbers: Iterable[float]) -> list[float]:
    return [round(number, DECIMALS) for number in numbers]
