"""Reports that are the text that was asked: already in the database."""

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from incidents.findings.report import describe_report
from incidents.index.comparison import report_positions
from incidents.index.incident_index import IncidentIndex
from incidents.index.lexicon import words_of
from incidents.index.sketch import estimate_overlap, make_sketch
from incidents.model.text import fold, text_hash

COPY_OVERLAP: Final = 0.3
"""A text that shares this much of its word triples with a report is a copy of it, edited or not."""
LIKELY_OVERLAP: Final = 0.1
LIKELY_COSINE: Final = 0.85
"""A text that shares less is a copy if its vector is this close as well, as after a translation and back."""


@dataclass(frozen=True)
class Asked:
    """What a report can be a duplicate of: a text with its direction, see `Projection`, an address, or both."""

    text: str | None
    direction: Tensor
    url: str | None


def find_duplicates(index: IncidentIndex, asked: Asked, rows: Tensor) -> list[dict[str, Any]]:
    """The duplicates as an answer lists them, same texts first, then by overlap.

    Texts with the same hash and reports at the same address are found in the whole index, near copies among the
    incidents of `rows`. Shape: rows (n_rows,).
    """
    if index.details is None:
        return []
    reports = index.details.reports
    kinds: dict[int, str] = {}
    if asked.url:
        kinds |= dict.fromkeys(reports.with_url(asked.url), "same_url")
    if asked.text is None:
        overlaps = dict.fromkeys(kinds, 0.0)
    else:
        positions = report_positions(index, rows)[0]
        sketch = make_sketch(words_of(fold(asked.text)))
        shared = estimate_overlap(reports.sketches[positions], sketch)
        cosines = reports.directions[positions].float() @ asked.direction
        is_copy = (shared >= COPY_OVERLAP) | ((shared >= LIKELY_OVERLAP) & (cosines >= LIKELY_COSINE))
        kinds |= dict.fromkeys(positions[is_copy].tolist(), "near_text")
        kinds |= dict.fromkeys(reports.with_text(text_hash(asked.text)), "same_text")
        found = list(kinds)
        overlaps = dict(zip(found, estimate_overlap(reports.sketches[found], sketch).tolist(), strict=True))
        overlaps |= {position: 1.0 for position, kind in kinds.items() if kind == "same_text"}
    ordered = sorted(kinds, key=lambda position: (kinds[position] != "same_text", -overlaps[position], position))
    owners = torch.searchsorted(index.report_counts.cumsum(0), torch.tensor(ordered, dtype=torch.int64), right=True)
    return [
        {
            "incident_id": int(index.ids[owner]),
            "report": describe_report(reports, position),
            "kind": kinds[position],
            "overlap": round(overlaps[position], 3),
        }
        for position, owner in zip(ordered, owners.tolist(), strict=True)
    ]
