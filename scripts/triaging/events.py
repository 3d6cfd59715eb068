"""Which articles of a queue are about the same event as each other: the queue may hold an incident's first reports.

Two articles are if they have the same address or the same words, or if the service says of both that they are about, or
a report of, the same known incident. The others are clustered by `likeness`, with average linkage (group-average
clustering: Yang et al., Learning Approaches for Detecting and Tracking News Events, IEEE Intelligent Systems 14(4),
1999). Single linkage joins groups by one wrong pair: at a precision of 0.98 it finds 29 % of the sample's pairs,
average linkage 53 %.

An event has a bounded number of articles, so the odds that a pair is about the same event fall with the number of
articles in the queue, and the threshold rises with its logarithm. Both numbers are from queues of 8 to 400 real
headlines and texts; docs/how-to/triage.md has the precision and recall on others.
"""

import math
import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Final

import numpy as np
from sklearn.cluster import AgglomerativeClustering

from incidents.index.reports import NO_URL, url_key
from scripts.triaging.judging import Judgment
from scripts.triaging.likeness import Matrix, likeness

THRESHOLD: Final = 2.5
THRESHOLD_PER_LOG_ARTICLE: Final = 0.6
"""Mean likeness at which two groups are joined: THRESHOLD + THRESHOLD_PER_LOG_ARTICLE * ln n_articles."""
NEVER: Final = -1e6
"""Likeness of two articles about two different known incidents."""


def group(judgments: Sequence[Judgment], cohort: Matrix) -> list[list[int]]:
    """The positions of articles, those about one event together, in the order of the queue.

    Shape: cohort (n_incidents, width), the vectors of the known incidents.
    """
    links: defaultdict[tuple[str, Hashable], list[int]] = defaultdict(list)
    for position, judgment in enumerate(judgments):
        words = tuple(re.findall(r"\w+", judgment.article.text.casefold()))
        same = {"url": _address(judgment.article.url), "words": words, "incident": known_incident(judgment)}
        for kind, value in same.items():
            if value:
                links[kind, value].append(position)
    return _join([*links.values(), *_clusters(judgments, cohort)], len(judgments))


def known_incident(judgment: Judgment) -> int | None:
    """The known incident that the article is about: the verdict's if its label is known, else that of its duplicates.

    None if the service does not say, or if the article is a report of several incidents.
    """
    body = judgment.answer.body if judgment.answer else {}
    verdict = body.get("verdict") or {}
    if verdict.get("label") == "known":
        return verdict.get("incident_id")
    copies = {duplicate["incident_id"] for duplicate in body.get("duplicates", [])}
    return copies.pop() if len(copies) == 1 else None


def _address(url: str) -> int | None:
    """What addresses of one article have in common, or None."""
    key = url_key(url)
    return None if key == NO_URL else key


def _clusters(judgments: Sequence[Judgment], cohort: Matrix) -> list[list[int]]:
    """Groups by likeness, among the articles that the service took."""
    positions = [position for position, judgment in enumerate(judgments) if judgment.answer]
    if len(positions) < 2:
        return []
    answers = [judgment.answer for judgment in judgments if judgment.answer]
    texts = [judgments[position].article.content for position in positions]
    found = likeness(texts, np.array([answer.vector for answer in answers], dtype=np.float64), cohort)
    incidents = np.array([known_incident(judgments[position]) or 0 for position in positions])
    found[(incidents[:, None] != incidents) & (incidents[:, None] > 0) & (incidents > 0)] = NEVER
    threshold = THRESHOLD + THRESHOLD_PER_LOG_ARTICLE * math.log(len(positions))
    top = max(float(found.max()), threshold)  # distances must not be negative
    clustering = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=top - threshold
    )
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for position, label in zip(positions, clustering.fit_predict(top - found).tolist(), strict=True):
        groups[label].append(position)
    return list(groups.values())


def _join(groups: Iterable[Sequence[int]], n_articles: int) -> list[list[int]]:
    """The connected components of overlapping groups, each in order, by their first member."""
    parents = list(range(n_articles))

    def root(member: int) -> int:
        while parents[member] != member:
            parents[member] = member = parents[parents[member]]
        return member

    for first, *others in groups:
        for other in others:
            low, high = sorted((root(first), root(other)))
            parents[high] = low
    components: defaultdict[int, list[int]] = defaultdict(list)
    for member in range(n_articles):
        components[root(member)].append(member)
    return list(components.values())
