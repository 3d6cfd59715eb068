"""The updates that bring stored vectors and neighbors up to date."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final

from pymongo.database import Database
from torch import Tensor

from incidents.index.incident_index import IncidentIndex
from scripts.database.writer import Change
from scripts.indexing.build import Build
from scripts.indexing.vector_cache import VectorCache
from scripts.sources.mongo import FINGERPRINT_FIELD, SKIPPED, whole

SIMILARITY_DIGITS: Final = 9
"""Decimals that are stored: the last of float64's sixteen digits differ from one kind of CPU to another."""


@dataclass(frozen=True)
class StoredIncident:
    """What the database holds of an incident; editors marked the `dissimilar` incidents as unlike it."""

    incident_id: int
    embedding: Any
    nlp_similar_incidents: Any
    dissimilar: list[int]


def report_changes(database: Database[dict[str, Any]], built: Build, cache: VectorCache) -> Iterator[Change]:
    """The reports whose stored vector is not this encoder's vector of the present text, each once."""
    seen: set[int] = set()
    for report in chain.from_iterable(built.reports.values()):
        if report.number in seen:
            continue
        seen.add(report.number)
        if not report.is_stored:
            vector = cache.get(report.key).vector.tolist()
            fingerprint = built.index.encoder.fingerprint
            embedding = {"vector": vector, "from_text_hash": report.text_hash, FINGERPRINT_FIELD: fingerprint}
            yield Change("reports", report.number, {"embedding": embedding})
    stale = {"report_number": {"$in": built.without_text}, "embedding": {"$ne": None}}
    for document in database["reports"].find(stale, {"_id": False, "report_number": True}):
        yield Change("reports", int(document["report_number"]), {"embedding": None})


def stored_incidents(database: Database[dict[str, Any]], problems: list[str]) -> Iterator[StoredIncident]:
    """The incidents of the database; invalid documents are skipped and added to `problems`."""
    fields = ("incident_id", "embedding", "nlp_similar_incidents", "editor_dissimilar_incidents")
    for document in database["incidents"].find({}, {"_id": False} | dict.fromkeys(fields, True)):
        try:
            incident_id = whole(document.get("incident_id"), "incident_id")
            listed = document.get("editor_dissimilar_incidents") or []
            dissimilar = [whole(number, f"editor_dissimilar_incidents of incident {incident_id}") for number in listed]
        except (ValueError, TypeError) as error:
            if not any(problem.endswith(str(error)) for problem in problems):  # it was listed when the source was read
                problems.append(f"{SKIPPED} incidents: {error}")
            continue
        yield StoredIncident(incident_id, document.get("embedding"), document.get("nlp_similar_incidents"), dissimilar)


def incident_changes(
    stored: Iterable[StoredIncident],
    built: Build,
    true_ids: dict[int, int],
    n_neighbors: int,
) -> Iterator[Change]:
    """The incidents whose stored vector or neighbors are not those of the new index.

    An incident that is not in the index, because it is a duplicate or has no usable report, must have neither.
    Incidents that are not in `true_ids` could not be read: they stay unchanged.
    """
    index = built.index
    rows = {incident_id: row for row, incident_id in enumerate(index.ids.tolist())}
    without_document = rows.keys() - true_ids.keys()  # a true incident may exist only through its duplicates
    for incident in stored:
        if incident.incident_id not in true_ids:
            continue
        if incident.incident_id in rows:
            vector = index.vectors[rows[incident.incident_id]]
            dissimilar = {true_ids.get(other, other) for other in incident.dissimilar}
            embedding = {
                "vector": vector.tolist(),
                "from_reports": [report.number for report in built.reports[incident.incident_id]],
                FINGERPRINT_FIELD: index.encoder.fingerprint,
            }
            without = {incident.incident_id} | dissimilar | without_document
            wanted: dict[str, Any] = {
                "embedding": embedding,
                "nlp_similar_incidents": _neighbors(index, vector, without, n_neighbors),
            }
        else:
            known = incident.nlp_similar_incidents
            wanted = {"embedding": None, "nlp_similar_incidents": [] if known else known}
        if fields := {name: value for name, value in wanted.items() if getattr(incident, name) != value}:
            yield Change("incidents", incident.incident_id, fields)


def _neighbors(index: IncidentIndex, vector: Tensor, without: set[int], num: int) -> list[dict[str, Any]]:
    """The `num` incidents closest to a vector, best first, `without` some. Shape: vector (width,)."""
    matches = (match for match in index.rank(vector, num + len(without)) if match.incident_id not in without)
    return [
        {"incident_id": match.incident_id, "similarity": round(match.similarity, SIMILARITY_DIGITS)}
        for match in islice(matches, num)
    ]
