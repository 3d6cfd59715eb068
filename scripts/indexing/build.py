"""The one pipeline from incidents to an index: texts -> vectors -> means -> index."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import Protocol

import torch
from torch import Tensor

from incidents.index.encoder_info import EncoderInfo, is_foreign
from incidents.index.incident_index import IncidentIndex
from incidents.model.encoder import Embedding, Encoder
from incidents.model.text import prepare, text_hash
from scripts.indexing.details import IndexedReport, add_details
from scripts.indexing.embedding import EncoderPool, embed
from scripts.indexing.incident_vectors import IncidentMeans, Skipped
from scripts.indexing.vector_cache import VectorCache
from scripts.sources.incident import Incident, StoredVector
from scripts.sources.staging import StagedIncidents


class Progress(Protocol):
    """Receives the progress of a build: entered before planning, left after the last vector."""

    def __enter__(self) -> object: ...

    def __exit__(self, *_: object) -> None: ...

    def planned_incident(self) -> None:
        """One more incident was planned."""

    def start_embedding(self, n_texts: int, n_characters: int) -> None:
        """Planning has ended; so many texts are pending."""

    def embedded(self, texts: Sequence[str], n_tokens: int) -> None:
        """These texts were embedded."""


@dataclass(frozen=True, kw_only=True)
class PlannedReport(IndexedReport):
    """A report that goes into an index, the key of its vector in the cache, and its row in the source.

    `is_stored` says whether the source holds this encoder's vector of this very text.
    """

    key: bytes
    row: int
    is_stored: bool


@dataclass
class Plan:
    """What a source holds, without the texts: incidents and their reports, those without a text, what was skipped.

    `pending` maps the cache key of a text without a vector to its length in characters and its row in the source.
    """

    reports: dict[int, list[PlannedReport]] = field(default_factory=dict)
    incidents: dict[int, Incident] = field(default_factory=dict)
    without_text: list[int] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    pending: dict[bytes, tuple[int, int]] = field(default_factory=dict)

    def pending_texts(self, source: StagedIncidents) -> Iterator[tuple[bytes, str]]:
        """Keys and prepared texts, longest first: batches have similar lengths, and no encoder idles at the end."""
        for key, (_, row) in sorted(self.pending.items(), key=lambda item: (-item[1][0], item[0])):
            yield key, prepare(source.text(row))


@dataclass(frozen=True)
class Build:
    """An index and what it was made of.

    `reports` are those in the index, by incident; `without_text` are numbers of reports that have nothing to embed.
    Of the reports in the index, `n_embedded` were embedded now, and `n_truncated` are longer than the encoder reads.
    """

    index: IncidentIndex
    reports: dict[int, list[PlannedReport]]
    without_text: list[int]
    skipped: list[Skipped]
    n_embedded: int
    n_truncated: int

    @property
    def keys(self) -> list[bytes]:
        """The keys of all vectors that the index was made of."""
        return [report.key for reports in self.reports.values() for report in reports]

    @property
    def in_order(self) -> list[PlannedReport]:
        """The reports in the order of the index."""
        return [report for incident_id in self.index.ids.tolist() for report in self.reports[incident_id]]


def build(source: StagedIncidents, pool: EncoderPool, cache: VectorCache, built_at: str, progress: Progress) -> Build:
    """Build the index of a source; only texts that the cache has no vector for are embedded.

    Raises:
        InvalidModelError: the model gives invalid vectors.
        UnusableCacheError: the cache cannot be used.
        ValueError: no incident has a report that can be used.
    """
    with progress:
        plan = make_plan(source, cache, pool.encoder, progress)
        progress.start_embedding(len(plan.pending), sum(length for length, _ in plan.pending.values()))
        encoders = pool.encoders(len(plan.pending))
        empty = embed(plan.pending_texts(source), cache, encoders, pool.texts_per_batch, progress.embedded)
    found = IncidentMeans(skipped=plan.skipped)
    reports: dict[int, list[PlannedReport]] = {}
    without_text = [*plan.without_text]
    n_truncated = 0
    for incident_id, planned in plan.reports.items():
        for report in planned:
            if report.key in empty:
                found.skipped.append(Skipped(incident_id, report.number, "it has no text that the model can read"))
                without_text.append(report.number)
        reports[incident_id] = [report for report in planned if report.key not in empty]
        embeddings = [cache.get(report.key) for report in reports[incident_id]]
        n_truncated += sum(embedding.tokens_used < embedding.tokens for embedding in embeddings)
        found.add(incident_id, plan.incidents[incident_id].title, [(embedding.vector, 1) for embedding in embeddings])
    found.skipped.sort(key=attrgetter("incident_id", "report"))
    index = found.index(encoder_info(pool.encoder), source.name, built_at)
    index = _with_details(index, source, plan.incidents, reports, cache)
    return Build(index, reports, without_text, found.skipped, len(plan.pending) - len(empty), n_truncated)


def _with_details(
    index: IncidentIndex,
    source: StagedIncidents,
    incidents: dict[int, Incident],
    reports: dict[int, list[PlannedReport]],
    cache: VectorCache,
) -> IncidentIndex:
    """The index with its reports, words and calibrations; `reports` are those in it, by incident."""
    in_order = [incidents[incident_id] for incident_id in index.ids.tolist()]
    planned = [report for incident in in_order for report in reports[incident.incident_id]]
    return add_details(
        index,
        planned,
        torch.stack([cache.get(report.key).vector for report in planned]),
        (source.text(report.row) for report in planned),
        [incident.date for incident in in_order],
        [incident.url for incident in in_order],
    )


def make_plan(source: StagedIncidents, cache: VectorCache, encoder: Encoder, progress: Progress) -> Plan:
    """Go through a source once; vectors that it holds for this encoder go into the cache.

    Raises:
        UnusableCacheError: the cache cannot be used.
    """
    plan = Plan()
    for incident in source.incidents():
        planned: list[PlannedReport] = []
        for report in incident.reports:
            text = prepare(report.text)
            if report.excluded or not text:
                reason = report.excluded or "it has no text"
                plan.skipped.append(Skipped(incident.incident_id, report.number, reason))
                if not report.excluded:
                    plan.without_text.append(report.number)
                continue
            key, hash_ = cache.key(text), text_hash(report.text)
            vector = _usable(report.stored, encoder, hash_)
            planned.append(
                PlannedReport(
                    number=report.number,
                    title=report.title,
                    url=report.url,
                    date=report.date,
                    text_hash=hash_,
                    key=key,
                    row=report.row,
                    is_stored=vector is not None,
                )
            )
            if key in cache:
                continue
            if vector is None:
                plan.pending[key] = (len(text), report.row)
            else:
                cache.put([(key, Embedding(vector, tokens=0, tokens_used=0))])
        plan.reports[incident.incident_id] = planned
        plan.incidents[incident.incident_id] = replace(incident, reports=())
        progress.planned_incident()
    return plan


def _usable(stored: StoredVector | None, encoder: Encoder, text_hash: str) -> Tensor | None:
    """The stored vector, if this encoder made it of the text with this hash and it is a vector that encoders give."""
    if stored is None or stored.text_hash != text_hash or is_foreign(stored.fingerprint, encoder.fingerprint):
        return None
    usable = stored.vector.shape == (encoder.width,) and bool(stored.vector.isfinite().all() and stored.vector.any())
    return stored.vector if usable else None


def encoder_info(encoder: Encoder) -> EncoderInfo:
    """What an index says of the encoder that built it."""
    return EncoderInfo(encoder.name, encoder.revision, encoder.fingerprint, encoder.width, encoder.token_limit)


def build_time(environment: Mapping[str, str]) -> str:
    """Now, or SOURCE_DATE_EPOCH (reproducible-builds.org): with it, the same source gives the same file, bit for bit.

    Raises:
        ValueError: SOURCE_DATE_EPOCH is not a time.
    """
    epoch = environment.get("SOURCE_DATE_EPOCH")
    try:
        moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"expected SOURCE_DATE_EPOCH to be seconds since 1970, got {epoch!r}") from error
    return moment.isoformat(timespec="seconds")
