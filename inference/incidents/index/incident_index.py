"""The mean vectors of known incidents, and their ranking by cosine similarity."""

import heapq
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

import torch
from torch import Tensor

from incidents.errors import InvalidInputError
from incidents.index.calibration import Calibration
from incidents.index.checks import check, check_tensor
from incidents.index.details import Details
from incidents.index.encoder_info import EncoderInfo
from incidents.measurements import timed
from incidents.onednn import matrix_vector

ROUNDING: Final = 1e-6
"""Share of a query's length: a smaller deviation from the corpus mean only says how float32 was rounded."""
BLOCK: Final = 4096
"""Rows converted at once, so that no second copy of the matrix is needed."""


@dataclass(frozen=True)
class Match:
    """A known incident; `similarity` is the cosine of its vector and the query: in [-1, 1], higher is closer."""

    incident_id: int
    similarity: float
    title: str
    row: int


@dataclass(frozen=True, eq=False)
class Projection:
    """A query and its products with all incidents, from one pass over the index.

    Shape: query (width,), float64, of length 1; cosines (n_incidents,), float32, each at most `error` from the true
    cosine; corrected (n_incidents,), float32, the cosines after the corpus mean is subtracted from incidents and query;
    direction (width,), float32, the query less the corpus mean, of length 1 or, if it is the mean, 0.
    """

    query: Tensor
    cosines: Tensor
    error: float
    corrected: Tensor
    direction: Tensor


@dataclass(frozen=True, eq=False)
class IncidentIndex:
    """The known incidents, in memory.

    Shape: ids and report_counts (n_incidents,), int64; vectors (n_incidents, width), float32. An incident's vector is
    the plain mean of its reports' vectors. `titles` has one string per incident. `source` says where the reports came
    from. `built_at` is a UTC time in ISO 8601. `version` is the first 12 hex digits of the file's SHA-256, or empty for
    an index that was not loaded from a file. `details` is None for an index of vectors without reports.

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
    details: Details | None = None
    _inverse_lengths: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        n_incidents = len(self.titles) if isinstance(self.titles, list) else 0
        check("at least one incident", n_incidents > 0)
        check_tensor("ids", self.ids, torch.int64, (n_incidents,))
        check_tensor("report_counts", self.report_counts, torch.int64, (n_incidents,))
        check_tensor("vectors", self.vectors, torch.float32, (n_incidents, self.encoder.width))
        texts = [*self.titles, self.source, self.encoder.name, self.encoder.revision, self.encoder.fingerprint]
        check("titles, source and the encoder's name to be strings", all(isinstance(text, str) for text in texts))
        check("ids to be positive and unique", len(set(self.ids.tolist())) == n_incidents)
        check("ids to be positive and unique", bool((self.ids > 0).all()))
        check("every incident to have a report", bool((self.report_counts > 0).all()))
        inverse_lengths = torch.linalg.vector_norm(self.vectors, dim=1).reciprocal()
        usable = (inverse_lengths > 0) & inverse_lengths.isfinite()
        check("every vector to be finite and not zero", bool(usable.all()))
        if self.details is not None:
            _check_details(self, self.details)
        check(f"built_at to be a time in UTC, got {self.built_at!r}", _is_utc(self.built_at))
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

    @property
    def calibration(self) -> Calibration | None:
        """How the verdict on a text was fitted; None if the index cannot tell known incidents from new ones."""
        return None if self.details is None else self.details.calibration

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

        Shape: vector (width,), of any float type, finite and not all zero.
        """
        if num == 0:
            return []
        with timed("rank_ms"):
            return self.closest(self.project(vector), num)

    def project(self, vector: Tensor) -> Projection:
        """Multiply a query with all incidents, in float32.

        One product with the query less the corpus mean gives both cosines: the product with the mean itself is known
        for every incident.

        Shape: vector (width,), of any float type, finite and not all zero.
        """
        # Divide by the largest number first, or squaring 1e308 would overflow.
        scaled = vector.double() / (largest := float(vector.double().abs().max()))
        query = scaled / torch.linalg.vector_norm(scaled)
        # Only a vector of the encoder's own scale can be compared with the corpus mean.
        size, usual = float(torch.linalg.vector_norm(scaled)) * largest, self._usual_length
        size = size if usual / 100 < size < usual * 100 else usual
        deviation = query * size - self.corpus_mean
        spread, mean_length = (float(torch.linalg.vector_norm(part)) for part in (deviation, self.corpus_mean))
        inverse_spread = 1 / spread if spread > ROUNDING * size else 0.0

        products = matrix_vector(self.vectors, deviation.float())
        cosines = (products + self._mean_products) / size * self._inverse_lengths
        corrected = (products - float(self.corpus_mean @ deviation)) * inverse_spread * self._inverse_spreads
        # In any order of summation, the error of a float32 sum of n products is at most n * eps / 2 times the vectors'
        # lengths, if nothing underflows (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). Two such
        # sums are made, the product and the length.
        error = (self.encoder.width + 4) * (1 + (spread + mean_length) / size) * torch.finfo(torch.float32).eps / 2
        return Projection(query, cosines, error, corrected.clamp(-1, 1), (deviation * inverse_spread).float())

    def closest(self, projection: Projection, num: int) -> list[Match]:
        """The `num` incidents with the largest cosines, as `rank` gives them.

        Similarities can differ by less than the rounding error of float32. So every candidate for the best `num` is
        found in float32, and the candidates are ranked in float64.
        """
        num = len(self) if num < 0 else min(num, len(self))
        if num == 0:
            return []
        least = projection.cosines.topk(num, sorted=False).values.min() - 2 * projection.error
        rows = (projection.cosines >= least).nonzero().squeeze(1)
        return heapq.nlargest(
            num, self.matches(rows, projection), key=lambda match: (match.similarity, match.incident_id)
        )

    def matches(self, rows: Tensor, projection: Projection) -> list[Match]:
        """The incidents of some rows, in their order, with their cosines in float64. Shape: rows (n,)."""
        cosines = self._cosines(rows, projection.query).tolist()
        found = zip(self.ids[rows].tolist(), cosines, rows.tolist(), strict=True)
        return [Match(incident_id, cosine, self.titles[row], row) for incident_id, cosine, row in found]

    @cached_property
    def first_reports(self) -> Tensor:
        """The position of each incident's first report among all reports. Shape: (n_incidents,), int64."""
        return self.report_counts.cumsum(0) - self.report_counts

    @cached_property
    def _usual_length(self) -> float:
        return float(self._inverse_lengths.reciprocal().mean())

    @cached_property
    def corpus_mean(self) -> Tensor:
        """The mean of the incidents' vectors. Shape: (width,), float64."""
        return self.vectors.mean(dim=0, dtype=torch.float64)

    @cached_property
    def _mean_products(self) -> Tensor:
        """The products of the incidents' vectors with the corpus mean. Shape: (n_incidents,), float32."""
        return torch.cat([(block.double() @ self.corpus_mean).float() for block in torch.split(self.vectors, BLOCK)])

    @cached_property
    def _inverse_spreads(self) -> Tensor:
        """1 / the distances of the incidents' vectors from the corpus mean; 0 at the mean. Shape: (n_incidents,)."""
        blocks = ((block - self.corpus_mean.float()) for block in torch.split(self.vectors, BLOCK))
        spreads = torch.cat([torch.linalg.vector_norm(block, dim=1) for block in blocks])
        return torch.where(spreads > 0, spreads.reciprocal(), 0)

    def _cosines(self, rows: Tensor, query: Tensor) -> Tensor:
        """Cosines in float64, computed in slices so that no second copy of the matrix is needed.

        Equal vectors get bit-identical cosines. A matrix-vector product (`@`) does not guarantee that, as it may sum
        different rows in different orders.

        Shape: rows (n_rows,), query (width,) of length 1 -> (n_rows,).
        """
        slices = (self.vectors[some].double() for some in torch.split(rows, BLOCK))
        cosines = [(rows * query).sum(dim=1) / torch.linalg.vector_norm(rows, dim=1) for rows in slices]
        return torch.cat(cosines).clamp(-1.0, 1.0)


def _check_details(index: IncidentIndex, details: Details) -> None:
    n_incidents, n_reports = len(index), sum(index.report_counts.tolist())
    check(f"{n_incidents} dates", len(details.dates) == n_incidents, len(details.dates))
    check(f"{n_incidents} urls", len(details.urls) == n_incidents, len(details.urls))
    n_worded = len(details.lexicon.lengths)
    check(f"the words of {n_incidents} incidents", n_worded == n_incidents, n_worded)
    check(f"{n_reports} reports, as the incidents have", len(details.reports) == n_reports, len(details.reports))
    check_tensor("directions", details.reports.directions, torch.float16, (n_reports, index.encoder.width))


def _is_utc(text: Any) -> bool:
    try:
        return datetime.fromisoformat(text).utcoffset() == timedelta(0)
    except (TypeError, ValueError):
        return False
