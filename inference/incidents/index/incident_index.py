"""`incident_cls.pt`: the mean vectors of known incidents, and their ranking by cosine similarity."""

import fcntl
import glob
import hashlib
import heapq
import io
import os
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final, Self

import torch
from torch import Tensor

from incidents.errors import InvalidIndexError, InvalidInputError
from incidents.measurements import timed
from incidents.onednn import matrix_vector

FORMAT_VERSION: Final = 1
UNFINISHED_SUFFIX: Final = ".unfinished"


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

    def save(self, path: Path) -> None:
        """Write the index so that `path` holds either what it held before or the whole new file.

        Raises:
            OSError: the folder cannot be written, or the disk is full; `path` is as it was.
        """
        content = {column.name: getattr(self, column.name) for column in fields(self) if column.init}
        del content["version"]
        content |= {"format_version": FORMAT_VERSION, "encoder": asdict(self.encoder)}
        # Into memory first: writing straight to a full disk, torch.save raises a RuntimeError that says nothing of it.
        buffer = io.BytesIO()
        torch.save(content, buffer)
        _remove_leftovers(path)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED_SUFFIX)
        try:
            with os.fdopen(handle, "wb") as file:
                _lock(file)
                file.write(buffer.getbuffer())
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), 0o644)  # mkstemp's 0600 would hide it from the user a container runs as
                Path(temporary).replace(path)  # while it is locked, or another save might take it for a leftover
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote; nothing in the file is run.

        Raises:
            InvalidIndexError: the file is missing, damaged, foreign, or of another format version.
        """
        if not path.is_file():
            raise InvalidIndexError(path, "missing; expected an index of known incidents")
        try:
            file = path.read_bytes()  # once, as it may be replaced meanwhile
            with zipfile.ZipFile(io.BytesIO(file)) as archive:
                if archive.testzip() is not None:  # torch.load does not look at the checksums
                    raise zipfile.BadZipFile("a checksum is wrong")
            digest = hashlib.sha256(file).hexdigest()
            content = torch.load(io.BytesIO(file), map_location="cpu", weights_only=True)
        except Exception as error:  # damaged content can make the unpickler raise anything
            raise InvalidIndexError(path, "damaged or foreign, expected an index of known incidents") from error
        if not isinstance(content, dict) or "format_version" not in content:
            raise InvalidIndexError(path, f"expected a dict with a format_version, got {type(content).__name__}")
        version = content.pop("format_version")
        if type(version) is not int or version != FORMAT_VERSION:
            raise InvalidIndexError(path, f"expected format version {FORMAT_VERSION}, got {version!r}; build it anew")
        try:
            return cls(**content | {"encoder": EncoderInfo(**content["encoder"])}, version=digest[:12])
        except Exception as error:  # so can tensors of an unknown kind
            raise InvalidIndexError(path, f"of another kind: {error}") from error


def _remove_leftovers(path: Path) -> None:
    """Remove what saves left behind that were killed; each finds a name of its own, so several can be under way."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*{UNFINISHED_SUFFIX}"):
        # Whatever is in the way, such as another user's: what is to be saved can be saved all the same.
        with suppress(OSError), leftover.open("rb") as file:
            if leftover.stat().st_size > 0 and _lock(file):  # an empty one may be about to be locked
                leftover.unlink()


def _lock(file: IO[bytes]) -> bool:
    """Whether the file could be locked: the system takes a lock back from a process that is killed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # somebody else holds it, or the file system has no locks; then nothing is removed
        return False
    return True


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
