"""The mean vectors of known incidents, and their ranking by cosine similarity."""

import heapq
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import torch
from torch import Tensor

from incidents.errors import InvalidInputError
from incidents.measurements import timed
from incidents.onednn import matrix_vector


@dataclass(frozen=True)
class Match:
    """A known incident; `similarity` is the cosine of its vector and the query's: in [-1, 1], higher is closer."""

    incident_id: int
    similarity: float
    title: str


@dataclass(frozen=True)
class EncoderInfo:
    """The encoder whose vectors an index holds; `width` in numbers a vector, `token_limit` in tokens."""

    name: str
    revision: str
    fingerprint: str
    width: int
    token_limit: int


def is_foreign(fingerprint: str | None, expected: str | None) -> bool:
    """Whether vectors of the encoder with `fingerprint` must not be compared with those of the `expected` encoder.

    None is an encoder that is not known: nothing speaks against it.
    """
    return None not in (fingerprint, expected) and fingerprint != expected


@dataclass(frozen=True, eq=False)
class IncidentIndex:
    """The known incidents, in memory.

    Shape: ids and report_counts (n_incidents,), int64; vectors (n_incidents, width), float32: for each incident the
    plain mean of its reports' vectors. `titles` has one string an incident; `source` says where the reports came
    from; `built_at` is in ISO 8601, UTC. `version` is the start of the SHA-256 of the file that the index was loaded
    from, in 12 hex digits; empty for one that was made in memory.

    Raises:
        ValueError: the parts do not fit together; the message says what was expected and what came.
    """

    ids: Tensor
    vectors: Tensor
    report_counts: Tensor
    titles: list[str]
    encoder: EncoderInfo
    source: str
    built_at: str
    version: str = ""
    _inverse_lengths: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        n_incidents = len(self.titles) if isinstance(self.titles, list) else 0
        _check("at least one incident", n_incidents > 0)
        _check_tensor("ids", self.ids, torch.int64, (n_incidents,))
        _check_tensor("report_counts", self.report_counts, torch.int64, (n_incidents,))
        _check_tensor("vectors", self.vectors, torch.float32, (n_incidents, self.encoder.width))
        texts = [*self.titles, self.source, self.encoder.name, self.encoder.revision, self.encoder.fingerprint]
        _check("titles, source and the encoder's name to be strings", all(isinstance(text, str) for text in texts))
        _check("ids to be positive and each to be there once", len(set(self.ids.tolist())) == n_incidents)
        _check("ids to be positive and each to be there once", bool((self.ids > 0).all()))
        _check("every incident to have a report", bool((self.report_counts > 0).all()))
        inverse_lengths = torch.linalg.vector_norm(self.vectors, dim=1).reciprocal()
        usable = (inverse_lengths > 0) & inverse_lengths.isfinite()
        _check("every vector to be finite and not zero", bool(usable.all()))
        _check(f"built_at to be a time in UTC, got {self.built_at!r}", _is_utc(self.built_at))
        object.__setattr__(self, "_inverse_lengths", inverse_lengths)

    def __len__(self) -> int:
        """How many incidents there are."""
        return len(self.titles)

    @property
    def age_seconds(self) -> int:
        """Whole seconds since the index was built; 0 for one that says it was built later than now."""
        return max(0, int((datetime.now(UTC) - datetime.fromisoformat(self.built_at)).total_seconds()))

    def summary(self) -> dict[str, Any]:
        """What an answer says of the index that it comes from, as JSON."""
        return {
            "incidents": len(self),
            "built_at": self.built_at,
            "encoder": self.encoder.name,
            "version": self.version,
        }

    def query(self, numbers: list[float]) -> Tensor:
        """A vector to rank by, of numbers that came from outside. Shape: (width,), float64.

        Raises:
            InvalidInputError: there are more or fewer than `width`, or they are not finite, or all zero.
        """
        if len(numbers) != self.encoder.width:
            raise InvalidInputError(f"expected an embedding of {self.encoder.width} numbers, got {len(numbers)}")
        vector = torch.tensor(numbers, dtype=torch.float64)
        if not vector.isfinite().all() or not vector.any():
            raise InvalidInputError("expected an embedding of finite numbers that are not all zero")
        return vector

    def rank(self, vector: Tensor, num: int) -> list[Match]:
        """The `num` incidents closest to `vector`, best first, of equals the larger id first; all if `num` < 0.

        The similarities of incidents can differ by less than what float32 gets right in a sum of `width` products. So
        one pass over the matrix in float32 finds all that can be among the best, and these are compared in float64.

        Shape: vector (width,), of any float type, finite and not all zero.
        """
        num = len(self) if num < 0 else min(num, len(self))
        if num == 0:
            return []
        with timed("rank_ms"):
            return self._rank(vector, num)

    def _rank(self, vector: Tensor, num: int) -> list[Match]:
        # Divided by the largest number first: even 1e308 does not overflow when it is squared.
        query = vector.double()
        query = query / query.abs().max()
        query = query / torch.linalg.vector_norm(query)

        approximate = matrix_vector(self.vectors, query.float()) * self._inverse_lengths
        # A float32 sum of n products is off by at most n * eps / 2 of the vectors' lengths, in whatever order it is
        # added up, if nothing underflows (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). There
        # are two sums, the product and the length, on either side.
        margin = (2 * self.encoder.width + 8) * torch.finfo(torch.float32).eps
        rows = (approximate >= approximate.topk(num, sorted=False).values.min() - margin).nonzero().squeeze(1)
        candidates = zip(self._cosines(rows, query).tolist(), self.ids[rows].tolist(), rows.tolist(), strict=True)
        best = heapq.nlargest(num, candidates)
        return [Match(incident_id, similarity, self.titles[row]) for similarity, incident_id, row in best]

    def _cosines(self, rows: Tensor, query: Tensor) -> Tensor:
        """Cosines in float64, a slice at a time so that the matrix is never doubled.

        Of equal vectors they are equal to the bit, which a product of matrix and vector (`@`) does not promise: it adds
        up some rows in another order than others.

        Shape: rows (n_rows,), query (width,) of length 1 -> (n_rows,).
        """
        slices = (self.vectors[some].double() for some in torch.split(rows, 4096))
        cosines = [(rows * query).sum(dim=1) / torch.linalg.vector_norm(rows, dim=1) for rows in slices]
        return torch.cat(cosines).clamp(-1.0, 1.0)


def _check(expected: str, holds: bool) -> None:
    if not holds:
        raise ValueError(f"expected {expected}")


def _check_tensor(name: str, value: Any, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    got = f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
    if got != (wanted := f"{dtype} of shape {shape}"):
        raise ValueError(f"expected {name} to be {wanted}, got {got}")


def _is_utc(text: Any) -> bool:
    try:
        return datetime.fromisoformat(text).utcoffset() == timedelta(0)
    except (TypeError, ValueError):
        return False
