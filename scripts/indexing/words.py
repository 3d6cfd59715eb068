"""Count the words of reports and fit the lexicon of an index, with scikit-learn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
import torch
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from incidents.index.lexicon import Lexicon, familiarity, hash_word, words_of

COMMON_SHARE: Final = 0.1
"""A word that a larger share of incidents has tells little and is not indexed, which leaves out a quarter."""
COMMON_NUMBER: Final = 20
"""But a word that no more incidents than this have is always indexed."""
STRANGE_SHARE: Final = 0.01
"""Share of the reports whose own words are as strange to the other incidents as those of a strange text."""
MOST_COUNTED: Final = 2**15 - 1
"""Largest count of a word in an incident that the index holds."""


@dataclass(frozen=True)
class WordCounts:
    """How often each report has each word.

    Shape: texts, report_titles (n_reports, n_words) and titles (n_incidents, n_words), sparse; hashes (n_words,) of the
    words, ascending; owners (n_reports,), the row of each report's incident.
    """

    texts: Any
    report_titles: Any
    titles: Any
    hashes: Any
    owners: Any

    @property
    def incidents(self) -> Any:
        """The counts of incidents: of their title, and of their reports' titles and texts. Shape: as titles."""
        n_reports = len(self.owners)
        member = sparse.csr_matrix(
            (np.ones(n_reports), (self.owners, np.arange(n_reports))), shape=(self.titles.shape[0], n_reports)
        )
        return (member @ (self.texts + self.report_titles) + self.titles).tocsr()


def count_words(
    texts: Iterable[str], report_titles: Sequence[str], titles: Sequence[str], owners: Sequence[int]
) -> WordCounts:
    """Count the words of reports and titles, each folded to ASCII; `owners` are the rows of the reports' incidents."""
    vectorizer = CountVectorizer(analyzer=words_of, dtype=np.int64)
    try:
        counts = vectorizer.fit_transform(chain(texts, report_titles, titles))
    except ValueError:  # no text has a word
        counts = sparse.csr_matrix((2 * len(report_titles) + len(titles), 0), dtype=np.int64)
        hashes = np.empty(0, dtype=np.int64)
    else:
        hashes = np.array([hash_word(word) for word in vectorizer.get_feature_names_out()], dtype=np.int64)
    order = np.argsort(hashes, kind="stable")
    counts = counts[:, order].tocsr()
    n = len(report_titles)
    return WordCounts(counts[:n], counts[n : 2 * n], counts[2 * n :], hashes[order], np.array(owners, dtype=np.int64))


def fit_lexicon(counts: WordCounts) -> Lexicon:
    """The lexicon of the incidents, with the idf that scikit-learn fits, less 1."""
    incidents = counts.incidents
    incidents.data = incidents.data.clip(max=MOST_COUNTED)
    n_incidents, n_words = incidents.shape
    idf, lengths = np.zeros(n_words), np.zeros(n_incidents)
    if n_words:
        tfidf = TfidfTransformer(norm=None, sublinear_tf=True).fit(incidents)
        frequencies = document_frequencies(incidents)
        idf = np.where(frequencies <= most_incidents(n_incidents), tfidf.idf_ - 1, 0.0)
        tfidf.idf_ = idf
        weights = tfidf.transform(incidents.astype(np.float64))
        lengths = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=1)).ravel())
    entries = incidents.tocsc()[:, idf > 0]
    sizes = np.zeros(n_words, dtype=np.int64)
    sizes[idf > 0] = np.diff(entries.indptr)
    entries.sort_indices()
    return Lexicon(
        hashes=torch.from_numpy(counts.hashes),
        idf=torch.from_numpy(idf),
        ends=torch.from_numpy(sizes.cumsum()),
        rows=torch.from_numpy(entries.indices.astype(np.int32)),
        counts=torch.from_numpy(entries.data.astype(np.int16)),
        lengths=torch.from_numpy(lengths),
        familiar_from=familiar_from(counts),
    )


def familiar_from(counts: WordCounts) -> float:
    """The least familiarity of a report's words with the other incidents, but for STRANGE_SHARE of the reports."""
    others = document_frequencies(counts.incidents) > 1
    n_words, n_known = (np.asarray(counts.texts @ which).ravel() for which in (np.ones(len(others)), others))
    shares = [familiarity(int(known), int(number)) for known, number in zip(n_known, n_words, strict=True)]
    return float(np.quantile(shares, STRANGE_SHARE))


def document_frequencies(incidents: Any) -> Any:
    """The number of incidents that have each word. Shape: (n_incidents, n_words) -> (n_words,)."""
    return np.asarray((incidents > 0).sum(axis=0)).ravel()


def most_incidents(n_incidents: int) -> float:
    """The largest number of incidents with a word that is still indexed."""
    return max(COMMON_NUMBER, COMMON_SHARE * n_incidents)
