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
    """A known incident; `similarity` is the cosine of its vector and the query: in [-1, 1], higher is closer."""

    incident_id: int
    similarity: float
    title: str


@dataclass(frozen=True)
class EncoderInfo:
    """The encoder that made an index's vectors; `width` is numbers per vector, `token_limit` is in tokens."""

    name: str
    revision: str
    fingerprint: str
    width: int
    token_limit: int


def is_foreign(fingerprint: str | None, expected: str | None) -> bool:
    """Whether vectors from the encoder with this fingerprint are incompatible with the expected encoder's.

    None means that the encoder is not known; it is never foreign.
    """
    return None not in (fingerprint, expected) and fingerprint != expected


@dataclass(frozen=True, eq=False)
class IncidentIndex:
    """The known incidents, in memory.

    Shape: ids and report_counts (n_incidents,), int64; vectors (n_incidents, width), float32. An incident's vector is
    the plain mean of its reports' vectors. `titles` has one string per incident. `source` says where the reports came
    from. `built_at` is a UTC time in ISO 8601. `version` is the first 12 hex digits of the file's SHA-256, or empty for
    an index that was not loaded from a file.

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
        _check("ids to be positive and unique", len(set(self.ids.tolist())) == n_incidents)
        _check("ids to be positive and unique", bool((self.ids > 0).all()))
        _check("every incident to have a report", bool((self.report_counts > 0).all()))
        inverse_lengths = torch.linalg.vector_norm(self.vectors, dim=1).reciprocal()
        usable = (inverse_lengths > 0) & inverse_lengths.isfinite()
        _check("every vector to be finite and not zero", bool(usable.all()))
        _check(f"built_at to be a time in UTC, got {self.built_at!r}", _is_utc(self.built_at))
        object.__setattr__(self, "_inverse_lengths", inverse_lengths)

    def __len__(self) -> int:
        """The number of incidents."""
        return len(self.titles)

    @property
    def age_seconds(self) -> int:
        """Whole seconds since the index was built; 0 if `built_at` is in the future."""
        return max(0, int((datetime.now(UTC) - datetime.fromisoformat(self.built_at)).total_seconds()))

    def summary(self) -> dict[str, Any]:
        """The index as an answer describes it, as JSON."""
        return {
            "incidents": len(self),
            "built_at": self.built_at,
            "encoder": self.encoder.name,
            "version": self.version,
        }

    def query(self, numbers: list[float]) -> Tensor:
        """Check an embedding that a caller sent and make it a vector to rank by.

        Shape: (width,), float64.

        Raises:
            InvalidInputError: there are more or fewer than `width` numbers, or they are not finite, or all are zero.
        """
        if len(numbers) != self.encoder.width:
            raise InvalidInputError(f"expected an embedding of {self.encoder.width} numbers, got {len(numbers)}")
        vector = torch.tensor(numbers, dtype=torch.float64)
        if not vector.isfinite().all() or not vector.any():
            raise InvalidInputError("expected an embedding of finite numbers that are not all zero")
        return vector

    def rank(self, vector: Tensor, num: int) -> list[Match]:
        """The `num` incidents closest to `vector`, best first; ties have the larger id first; `num` < 0 means all.

        Similarities can differ by less than the rounding error of float32. So one float32 pass over the matrix finds
        every candidate for the best `num`, and a float64 pass ranks the candidates.

        Shape: vector (width,), of any float type, finite and not all zero.
        """
        num = len(self) if num < 0 else min(num, len(self))
        if num == 0:
            return []
        with timed("rank_ms"):
            return self._rank(vector, num)

    def _rank(self, vector: Tensor, num: int) -> list[Match]:
        # Divide by the largest number first, or squaring 1e308 would overflow.
        query = vector.double()
        query = query / query.abs().max()
        query = query / torch.linalg.vector_norm(query)

        approximate = matrix_vector(self.vectors, query.float()) * self._inverse_lengths
        # In any order of summation, the error of a float32 sum of n products is at most n * eps / 2 times the vectors'
        # lengths, if nothing underflows (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). Each of
        # the two similarities compared has two such sums, the product and the length.
        margin = (2 * self.encoder.width + 8) * torch.finfo(torch.float32).eps
        rows = (approximate >= approximate.topk(num, sorted=False).values.min() - margin).nonzero().squeeze(1)
        candidates = zip(self._cosines(rows, query).tolist(), self.ids[rows].tolist(), rows.tolist(), strict=True)
        best = heapq.nlargest(num, candidates)
        return [Match(incident_id, similarity, self.titles[row]) for similarity, incident_id, row in best]

    def _cosines(self, rows: Tensor, query: Tensor) -> Tensor:
        """Cosines in float64, computed in slices so that no second copy of the matrix is needed.

        Equal vectors get bit-identical cosines. A matrix-vector product (`@`) does not guarantee that, as it may sum
        different rows in different orders.

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
