"""How much speaks for two articles of a queue being about the same event: their vectors and their rare words.

Vectors are compared by cosine after the mean is taken off. A cosine means little by itself: it depends on the encoder,
on the lengths of the texts, and on how much the queue is about one subject. So it is counted in standard deviations of
each article's cosines with a cohort: the rest of the queue and the known incidents but the closest. The two articles'
counts are averaged. This is symmetric score normalization, S-norm (Shum, Dehak, Dehak and Glass, Unsupervised Speaker
Adaptation based on the Cosine Similarity for Text-Independent Speaker Verification, Odyssey 2010).

Words are compared by the cosine of their tf-idf in the queue.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

WORDS_WEIGHT: Final = 5.0
"""Standard deviations that equal words are worth: what a logistic regression of pairs of reports gives, 4.9."""
MAX_COHORT: Final = 2000
"""Known incidents to compare with: a sample is enough for a mean and a deviation, and more take memory."""

Matrix = NDArray[np.float64]


def likeness(texts: Sequence[str], vectors: Matrix, cohort: Matrix) -> Matrix:
    """The evidence for each pair of texts, in standard deviations above two texts on different subjects.

    Shape: vectors (n_texts, width), cohort (n_incidents, width) -> (n_texts, n_texts), symmetric.
    """
    return _normalized_cosines(vectors, cohort) + WORDS_WEIGHT * _shared_words(texts)


def _normalized_cosines(vectors: Matrix, cohort: Matrix) -> Matrix:
    n_texts = len(vectors)
    cohort = cohort[:: max(1, -(-len(cohort) // MAX_COHORT))]
    everything = np.concatenate([_directions(vectors), _directions(cohort)])
    everything = _directions(everything - everything.mean(axis=0))
    cosines = everything[:n_texts] @ everything.T
    among_texts = cosines[:, :n_texts].copy()
    rows = np.arange(n_texts)
    cosines[rows, rows] = np.nan
    if len(cohort):  # without the closest incident, which may be the text's own: few incidents would hide behind it
        cosines[rows, n_texts + cosines[:, n_texts:].argmax(axis=1)] = np.nan
    means = np.nanmean(cosines, axis=1, keepdims=True)
    deviations = np.maximum(np.nanstd(cosines, axis=1, keepdims=True), np.finfo(np.float64).eps)
    normalized: Matrix = (among_texts - means) / deviations
    return (normalized + normalized.T) / 2


def _directions(vectors: Matrix) -> Matrix:
    """Vectors of length 1; one of zeros stays as it is. Shape: (n, width) -> (n, width)."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: Matrix = vectors / np.where(lengths > 0, lengths, 1)
    return directions


def _shared_words(texts: Sequence[str]) -> Matrix:
    """The cosine of each pair's tf-idf. Shape: (n_texts, n_texts), 0 to 1."""
    try:
        weights = TfidfVectorizer(strip_accents="unicode", stop_words="english", sublinear_tf=True).fit_transform(texts)
    except ValueError:  # no text has a word that counts, such as in a queue in Chinese
        return np.zeros((len(texts), len(texts)))
    cosines: Matrix = (weights @ weights.T).toarray()
    return cosines
