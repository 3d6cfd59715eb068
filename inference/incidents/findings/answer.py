"""The answer to a text or an embedding: the verdict, the incidents, and what an editor decides by."""

from typing import Any, Final

import torch

from incidents.findings.reading import Reading
from incidents.findings.report import describe_report
from incidents.index.comparison import closest_reports, rank_hybrid
from incidents.index.details import Details
from incidents.index.incident_index import IncidentIndex, Match
from incidents.measurements import timed

CITE_URL: Final = "https://incidentdatabase.ai/cite/{}"
MOST_TERMS: Final = 8
"""Shared words that are shown, the rarest."""


def make_answer(
    index: IncidentIndex, whole: Reading, passages: list[Reading], num: int, *, hybrid: bool
) -> dict[str, Any]:
    """The body of a /similar answer, without warnings.

    `passages` are those of the text, the text itself if it has one; none for an embedding alone.
    """
    with timed("rank_ms"):
        if hybrid:
            ranked = rank_hybrid(index, whole.projection, whole.comparison, num)
            extras: list[dict[str, Any]] = [{"relevance": relevance} for _, relevance in ranked]
            matches = [match for match, _ in ranked]
        else:
            matches = index.closest(whole.projection, num)
            extras = [{} for _ in matches]
    similar = [
        {"incident_id": match.incident_id, "similarity": match.similarity, "title": match.title,
         "url": _url(index, match.row)} | extra
        for match, extra in zip(matches, extras, strict=True)
    ]  # fmt: skip
    answer: dict[str, Any] = {
        "msg": str([(match.similarity, match.incident_id) for match in matches]),
        "similar": similar,
        "index": index.summary(),
        "verdict": whole.verdict.as_json(index),
    }
    if index.details is not None:
        with timed("explain_ms"):
            for entry, match, why in zip(
                similar, matches, _explain(index, index.details, whole, passages, matches), strict=True
            ):
                entry |= {
                    "date": index.details.dates[match.row],
                    "reports": int(index.report_counts[match.row]),
                    "why": why,
                }
            answer["duplicates"] = whole.duplicates
            answer["also"] = _find_also(index, whole, passages)
    return answer | ({"best_url": similar[0]["url"]} if similar else {})


def _explain(
    index: IncidentIndex, details: Details, whole: Reading, passages: list[Reading], matches: list[Match]
) -> list[dict[str, Any]]:
    """Why each incident matches: its closest report, the rare words it shares, and the passage closest to it."""
    if not matches:
        return []
    rows = torch.tensor([match.row for match in matches])
    closest = closest_reports(index, rows, whole.projection.direction)[1].tolist()
    return [
        {
            "report": describe_report(details.reports, position),
            "terms": whole.overlap.rarest(row, MOST_TERMS) if whole.overlap is not None else [],
            "passage": max(passages, key=lambda passage: passage.closeness(row)).text if passages else "",
        }
        for row, position in zip(rows.tolist(), closest, strict=True)
    ]


def _find_also(index: IncidentIndex, whole: Reading, passages: list[Reading]) -> list[dict[str, Any]]:
    """Incidents that a passage is about and the whole is not, most probable first."""
    best: dict[int, Reading] = {}
    for passage in passages:
        row, verdict = passage.verdict.row, passage.verdict
        if verdict.label == "known" and (row not in best or verdict.probability > best[row].verdict.probability):
            best[row] = passage
    if whole.verdict.label != "new":
        best.pop(whole.verdict.row, None)
    ranked = sorted(best.items(), key=lambda item: (-item[1].verdict.probability, -item[0]))
    return [
        {
            "incident_id": int(index.ids[row]),
            "title": index.titles[row],
            "url": _url(index, row),
            "probability": passage.verdict.probability,
            "passage": passage.text,
        }
        for row, passage in ranked
    ]


def _url(index: IncidentIndex, row: int) -> str:
    """The incident's own address, else where the AI Incident Database shows it."""
    own = index.details.urls[row] if index.details is not None else ""
    return own or CITE_URL.format(int(index.ids[row]))
