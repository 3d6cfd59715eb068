"""The jobs of build_index: build, import or check an index file, each with an Outcome."""

import dataclasses
import os
import tempfile
import time
from pathlib import Path

from incidents.errors import InvalidIndexError
from incidents.index.encoder_info import EncoderInfo, is_foreign
from incidents.index.file import load_index, save_index
from incidents.index.incident_index import IncidentIndex
from scripts.indexing.build import Progress, build, build_time, encoder_info
from scripts.indexing.diff import UNKNOWN_FINGERPRINT, IndexDiff, compare
from scripts.indexing.embedding import EncoderPool, load_verified
from scripts.indexing.incident_vectors import Skipped, import_vectors
from scripts.indexing.vector_cache import VectorCache
from scripts.sources.incident import VectorSource
from scripts.sources.staging import StagedIncidents


@dataclasses.dataclass(frozen=True)
class Target:
    """Where an index is to be written, the index to compare it with, if any, and its time of building."""

    path: Path
    old: IncidentIndex | None
    built_at: str
    started: float = dataclasses.field(default_factory=time.monotonic)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """An index that was built, imported or checked, and what there is to report.

    Of the reports in the index, `new` were embedded now, and `truncated` are longer than the encoder reads; both are
    None where nothing was embedded. `pruned` counts vectors that were removed from the cache.
    """

    path: Path
    index: IncidentIndex
    notes: list[str]
    skipped: list[Skipped] = dataclasses.field(default_factory=list)
    new: int | None = None
    truncated: int | None = None
    pruned: int = 0
    seconds: float = 0.0
    diff: IndexDiff | None = None

    @property
    def reports(self) -> int:
        """Reports in the index."""
        return int(self.index.report_counts.sum())

    @property
    def reused(self) -> int | None:
        """Reports whose vector was cached, or is that of another report with the same text."""
        return None if self.new is None else self.reports - self.new


def prepare_target(path: Path, diff: Path | None) -> Target:
    """Check now what would fail after hours of work: the folder, the index to compare with, SOURCE_DATE_EPOCH.

    Raises:
        InvalidIndexError: `diff` is not a usable index.
        OSError: `path` cannot be written.
        ValueError: SOURCE_DATE_EPOCH is not a time.
    """
    if path.is_dir():
        raise IsADirectoryError(f"expected --output to be a file, got {path}: a folder")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:  # its message names the temporary file
        raise OSError(
            f"expected --output to be in a folder that can be written, got {path}: {error.strerror}"
        ) from error
    return Target(path, load_index(diff) if diff else None, build_time(os.environ))


def build_file(
    source: StagedIncidents, pool: EncoderPool, cache: VectorCache, target: Target, progress: Progress, *, prune: bool
) -> Outcome:
    """Build the index of a source of texts; `prune` removes this encoder's cached vectors that it does not need.

    Raises:
        InvalidModelError: the model gives invalid vectors.
        UnusableCacheError: the cache cannot be used.
        OSError: the index cannot be written.
        ValueError: no incident has a report that can be used.
    """
    built = build(source, pool, cache, target.built_at, progress)
    pruned = cache.prune(built.keys) if prune else 0
    save_index(built.index, target.path)
    return Outcome(
        path=target.path,
        index=built.index,
        skipped=built.skipped,
        notes=source.notes,
        new=built.n_embedded,
        truncated=built.n_truncated,
        pruned=pruned,
        seconds=time.monotonic() - target.started,
        diff=compare(target.old, built.index) if target.old else None,
    )


def encoder_of(folder: Path) -> EncoderInfo:
    """The encoder of a model folder.

    Raises:
        InvalidModelError: the model folder is unusable.
    """
    return encoder_info(load_verified(folder))


def named_encoder(name: str, revision: str, token_limit: int) -> EncoderInfo:
    """An encoder of which only this is known; no text can be ranked against its vectors."""
    return EncoderInfo(name, revision, UNKNOWN_FINGERPRINT, 0, token_limit)


def import_file(source: VectorSource, encoder: EncoderInfo, target: Target) -> Outcome:
    """Build an index of the vectors of a source, made by an encoder; width 0 takes the width of the first vector.

    Raises:
        OSError: the source cannot be read, or the index cannot be written.
        ValueError: the source is invalid.
    """
    means = import_vectors(source, encoder.width or None)
    width = means.means[0].numel() if means.means else 0
    index = means.index(dataclasses.replace(encoder, width=width), source.name, target.built_at)
    save_index(index, target.path)
    return Outcome(
        path=target.path,
        index=index,
        skipped=means.skipped,
        notes=[],
        seconds=time.monotonic() - target.started,
        diff=compare(target.old, index) if target.old else None,
    )


def check_file(path: Path, folder: Path | None, diff: Path | None) -> Outcome:
    """Verify an index, and that the model in `folder`, by default the one beside it, built it.

    Raises:
        InvalidIndexError: the index is unusable, or another encoder built it.
        InvalidModelError: the model folder is unusable.
    """
    index = load_index(path)
    beside = path.absolute().parent
    if folder is None and (beside / "config.json").is_file():
        folder = beside
    if folder is None:
        note = "there is no model beside it: which model built it was not verified (--model FOLDER does)"
    elif is_foreign(found := index.encoder.fingerprint, expected := load_verified(folder).fingerprint):
        raise InvalidIndexError(path, f"expected one built with {folder} ({expected}), got {found}")
    else:
        note = f"built with the model in {folder}"
    return Outcome(path=path, index=index, notes=[note], diff=compare(load_index(diff), index) if diff else None)
