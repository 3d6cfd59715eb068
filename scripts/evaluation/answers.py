"""What an index answers to questions, each asked as known and as new."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from incidents.index.comparison import LEXICAL_WEIGHT
from incidents.index.evidence import FEATURES, weigh
from incidents.model.text import fold
from scripts.indexing.build import Build
from scripts.indexing.calibration import Judged
from scripts.indexing.details import count_report_words
from scripts.indexing.leave_one_out import Case, LeaveOneOut, Question
from scripts.indexing.vector_cache import VectorCache
from scripts.sources.staging import StagedIncidents

RANKERS: Final = ("tf-idf", "cosine", "mean-corrected", "hybrid")


@dataclass(frozen=True)
class Answers:
    """The cases of questions: one with their incident, if there is something left of it, and one without.

    Shape: questions, n_words, winners (n_cases,): the question's number, the words of its text, and the row of the
    incident that fits best; ranks (n_cases, n_rankers), the incident's rank from 1, or 0 in a case without it.
    """

    judged: Judged
    questions: Any
    n_words: Any
    winners: Any
    ranks: Any

    @property
    def is_right(self) -> Any:
        """Whether the incident that fits best is the one that was meant. Shape: (n_cases,)."""
        return self.judged.is_known & (self.winners == self.judged.rows)

    def take(self, which: Any) -> "Answers":
        """Some of the cases, by a mask or by their positions."""
        return Answers(
            self.judged.take(which), self.questions[which], self.n_words[which], self.winners[which], self.ranks[which]
        )


def open_questions(built: Build, source: StagedIncidents, cache: VectorCache) -> LeaveOneOut:
    """The reports of an index that was just built, as questions to it.

    Raises:
        UnusableCacheError: the cache cannot be used.
        ValueError: the index has no details.
    """
    if built.index.details is None:
        raise ValueError("expected an index with reports, got one without")
    reports = built.in_order
    vectors = torch.stack([cache.get(report.key).vector for report in reports])
    counts = count_report_words(built.index, reports, (fold(source.text(report.row)) for report in reports))
    return LeaveOneOut(built.index, vectors, counts, built.index.details.lexicon)


def ask_all(answering: LeaveOneOut, questions: Iterable[Question]) -> Answers:
    """Ask every question without the reports that it is, and without its whole incident."""
    features, is_known, cases = [], [], []
    for number, question in enumerate(questions):
        for known in [True, False] if answering.has_others(question) else [False]:
            case = answering.ask(question, without_incident=not known)
            evidence = weigh(case.comparison, case.coverage)
            features.append([evidence.features[name] for name in FEATURES])
            is_known.append(known)
            ranks = _ranks(case) if known else [0] * len(RANKERS)
            cases.append([number, int(question.counts.sum()), evidence.row, case.row, *ranks])
    table = np.array(cases, dtype=np.int64).reshape(-1, 4 + len(RANKERS))
    judged = Judged(np.array(features).reshape(-1, len(FEATURES)), np.array(is_known, dtype=bool), table[:, 3])
    return Answers(judged, table[:, 0], table[:, 1], table[:, 2], table[:, 4:])


def _ranks(case: Case) -> list[int]:
    """The rank of the incident by each ranker; an incident with the same score counts as better.

    Hybrid ranks only its candidates by their closest report; all others come after them.
    """
    comparison, row = case.comparison, case.row
    at = (comparison.rows == row).nonzero().squeeze(1)
    by_mean = comparison.dense + LEXICAL_WEIGHT * comparison.lexical
    place = _rank(comparison.fit, int(at)) if len(at) else max(len(comparison.rows) + 1, _rank(by_mean, row))
    return [_rank(comparison.lexical, row), _rank(case.cosines, row), _rank(comparison.dense, row), place]


def _rank(scores: Tensor, at: int) -> int:
    return int((scores >= scores[at]).sum())
