"""Texts about known incidents that are asked in addition to an index's own reports."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incidents.index.incident_index import IncidentIndex
from incidents.model.text import fold, prepare, text_hash
from scripts.indexing.build import Progress
from scripts.indexing.embedding import EncoderPool, embed
from scripts.indexing.leave_one_out import LeaveOneOut, Question
from scripts.indexing.vector_cache import VectorCache
from scripts.sources.plain_text import strip_markdown


@dataclass(frozen=True)
class Query:
    """A plain text about an incident; `number` is its report's number in the source, None if it is not known."""

    incident_id: int
    text: str
    number: int | None


def read_queries(path: Path) -> list[Query]:
    """The queries of a JSON Lines file: `incident_id`, `text` or else `headline`, and perhaps `report_number`.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is not a query; the message names the line and never quotes it.
    """
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            fields = json.loads(line)
            query = _query(fields) if isinstance(fields, dict) else None
        except (ValueError, RecursionError):
            query = None
        if query is None:
            raise ValueError(
                f"{path}, line {number}: expected an object with incident_id (whole number), text or headline (string) "
                "and, if it is known, report_number (whole number), got something else"
            )
        found.append(query)
    if not found:
        raise ValueError(f"{path}: expected at least one query, got none")
    return found


def _query(fields: dict[str, Any]) -> Query | None:
    incident_id, number = fields.get("incident_id"), fields.get("report_number")
    text = fields.get("text") or fields.get("headline")
    if type(incident_id) is not int or not isinstance(text, str) or not (number is None or type(number) is int):
        return None
    return Query(incident_id, strip_markdown(text.encode("utf-8", "ignore").decode()), number)


def make_questions(
    queries: Sequence[Query],
    answering: LeaveOneOut,
    index: IncidentIndex,
    pool: EncoderPool,
    cache: VectorCache,
    progress: Progress,
) -> list[Question]:
    """The queries as questions, without those about incidents that the index lacks or without tokens.

    A report of the incident with the query's number or text is the query, so it will be left out.

    Raises:
        InvalidModelError: the model gives invalid vectors.
        UnusableCacheError: the cache cannot be used.
    """
    rows = {incident_id: row for row, incident_id in enumerate(index.ids.tolist())}
    prepared = {query: prepare(query.text) for query in queries if query.incident_id in rows}
    keys = {query: cache.key(text) for query, text in prepared.items() if text}
    pending = {key: prepared[query] for query, key in keys.items() if key not in cache}
    with progress:
        progress.start_embedding(len(pending), sum(map(len, pending.values())))
        longest_first = sorted(pending.items(), key=lambda item: (-len(item[1]), item[0]))
        encoders = pool.encoders(len(pending))
        empty = embed(longest_first, cache, encoders, pool.texts_per_batch, progress.embedded)
    return [
        answering.other_question(
            rows[query.incident_id],
            fold(query.text),
            cache.get(keys[query]).vector,
            _same_reports(index, rows[query.incident_id], query),
        )
        for query in queries
        if query in keys and keys[query] not in empty
    ]


def _same_reports(index: IncidentIndex, row: int, query: Query) -> tuple[int, ...]:
    """The positions of the incident's reports that are the query."""
    if index.details is None:
        return ()
    reports, first = index.details.reports, int(index.first_reports[row])
    same_text = set(reports.with_text(text_hash(query.text)))
    positions = range(first, first + int(index.report_counts[row]))
    return tuple(at for at in positions if at in same_text or int(reports.numbers[at]) == query.number)
