"""What in the database is not what it should be: the vectors of reports, and vectors and neighbours of incidents."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from pymongo.database import Database
from torch import Tensor

from incidents.index.incident_index import IncidentIndex
from incidents.model.text import prepare, text_hash
from scripts.database.writer import Change
from scripts.indexing.incident_vectors import Plan
from scripts.indexing.vector_cache import VectorCache
from scripts.sources.mongo import FINGERPRINT_FIELD, LEFT_OUT, whole
from scripts.sources.plain_text import strip_markdown
from scripts.sources.staging import StagedIncidents

SIMILARITY_DIGITS: Final = 9
"""Decimals that are stored: the last of float64's sixteen differ from one kind of CPU to another."""


@dataclass(frozen=True)
class StoredIncident:
    """What the database says of an incident; an editor has found the `dissimilar` ones not to be like it."""

    incident_id: int
    embedding: Any
    nlp_similar_incidents: Any
    dissimilar: list[int]


def report_changes(
    database: Database[dict[str, Any]], source: StagedIncidents, plan: Plan, cache: VectorCache, empty: set[bytes]
) -> Iterator[Change]:
    """The reports whose stored vector is not this encoder's of the text as it is now, each once.

    Texts with `empty` keys have nothing that the encoder can read.
    """
    seen: set[int] = set()
    without_text = []
    for incident, _ in plan.incidents:
        for report in source.reports(incident):
            if report.left_out or report.number in seen:
                continue
            seen.add(report.number)
            text = strip_markdown(report.text)
            key = cache.key(prepare(text))
            if not prepare(text) or key in empty:
                without_text.append(report.number)
            elif report.vector is None:
                vector = cache.get(key).vector.tolist()
                embedding = {"vector": vector, "from_text_hash": text_hash(text), FINGERPRINT_FIELD: cache.fingerprint}
                yield Change("reports", report.number, {"embedding": embedding})
    stale = {"report_number": {"$in": without_text}, "embedding": {"$ne": None}}
    for document in database["reports"].find(stale, {"_id": False, "report_number": True}):
        yield Change("reports", int(document["report_number"]), {"embedding": None})


def stored_incidents(database: Database[dict[str, Any]], problems: list[str]) -> Iterator[StoredIncident]:
    """The incidents of the database; documents that cannot be used are left out, and added to `problems`."""
    fields = ("incident_id", "embedding", "nlp_similar_incidents", "editor_dissimilar_incidents")
    for document in database["incidents"].find({}, {"_id": False} | dict.fromkeys(fields, True)):
        try:
            incident_id = whole(document.get("incident_id"), "incident_id")
            listed = document.get("editor_dissimilar_incidents") or []
            dissimilar = [whole(number, f"editor_dissimilar_incidents of incident {incident_id}") for number in listed]
        except (ValueError, TypeError) as error:
            if not any(problem.endswith(str(error)) for problem in problems):  # it was noticed when vectors were read
                problems.append(f"{LEFT_OUT} incidents: {error}")
            continue
        yield StoredIncident(incident_id, document.get("embedding"), document.get("nlp_similar_incidents"), dissimilar)


def incident_changes(
    stored: Iterable[StoredIncident],
    index: IncidentIndex,
    reports: dict[int, list[int]],
    true_ids: dict[int, int],
    n_neighbours: int,
) -> Iterator[Change]:
    """The incidents whose stored vector, of their `reports`, or stored neighbours are not what the index says.

    Those that are in no index, as duplicates or without a report that can be used, are to have neither. Of those that
    are not in `true_ids`, which could not be read, nothing is said.
    """
    rows = {incident_id: row for row, incident_id in enumerate(index.ids.tolist())}
    without_document = rows.keys() - true_ids.keys()  # a true incident may be known by its duplicates alone
    for incident in stored:
        if incident.incident_id not in true_ids:
            continue
        if incident.incident_id in rows:
            vector = index.vectors[rows[incident.incident_id]]
            dissimilar = {true_ids.get(other, other) for other in incident.dissimilar}
            embedding = {
                "vector": vector.tolist(),
                "from_reports": reports[incident.incident_id],
                FINGERPRINT_FIELD: index.encoder.fingerprint,
            }
            without = {incident.incident_id} | dissimilar | without_document
            wanted: dict[str, Any] = {
                "embedding": embedding,
                "nlp_similar_incidents": _neighbours(index, vector, without, n_neighbours),
            }
        else:
            known = incident.nlp_similar_incidents
            wanted = {"embedding": None, "nlp_similar_incidents": [] if known else known}
        if fields := {name: value for name, value in wanted.items() if getattr(incident, name) != value}:
            yield Change("incidents", incident.incident_id, fields)


def _neighbours(index: IncidentIndex, vector: Tensor, without: set[int], num: int) -> list[dict[str, Any]]:
    """The `num` incidents closest to a vector of shape (width,), best first, `without` some."""
    matches = (match for match in index.rank(vector, num + len(without)) if match.incident_id not in without)
    return [
        {"incident_id": match.incident_id, "similarity": round(match.similarity, SIMILARITY_DIGITS)}
        for match in islice(matches, num)
    ]
