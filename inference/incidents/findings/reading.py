"""A text compared with an index: as a whole, and passage by passage."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from torch import Tensor

from incidents.findings.duplicates import Asked, find_duplicates
from incidents.findings.passages import split_passages
from incidents.findings.verdict import Verdict, judge
from incidents.index.comparison import LEXICAL_WEIGHT, Comparison, compare
from incidents.index.incident_index import IncidentIndex, Projection
from incidents.index.lexicon import Overlap
from incidents.measurements import note, timed
from incidents.model.text import fold

if TYPE_CHECKING:
    from incidents.model.encoder import Encoder

MOST_PASSAGES: Final = 8
"""Passages that are embedded: those that share most with some incident, so the time does not grow with the text."""


@dataclass(frozen=True, eq=False)
class Reading:
    """A text, a passage of one, or an embedding alone, compared with all incidents.

    `text` is empty and `overlap` None for an embedding alone; `overlap` is None too in an index without words.
    """

    text: str
    projection: Projection
    overlap: Overlap | None
    comparison: Comparison
    verdict: Verdict
    duplicates: list[dict[str, Any]] = field(default_factory=list)

    def closeness(self, row: int) -> float:
        """How close this text is to the incident of a row; for comparing texts with one incident."""
        return float(self.projection.corrected[row]) + LEXICAL_WEIGHT * float(self.comparison.lexical[row])


def read(index: IncidentIndex, text: str, vector: Tensor, *, overlap: Overlap | None = None, num: int = 0) -> Reading:
    """Compare a text, given its vector, or a vector alone (with an empty text), with an index.

    `overlap` is the text's, if it is known already; `num` is how many incidents are wanted, see `compare`.

    Shape: vector (width,).
    """
    projection = index.project(vector)
    if overlap is None and index.details is not None and text:
        overlap = index.details.lexicon.overlap(fold(text))
    comparison = compare(index, projection, overlap, num)
    return Reading(text, projection, overlap, comparison, judge(index, projection, comparison, overlap))


def look_up(index: IncidentIndex, whole: Reading, url: str | None) -> Reading:
    """The reading with the reports that it is, or that are at its address; one that is in the index is known."""
    asked = Asked(whole.text or None, whole.projection.direction, url)
    duplicates = find_duplicates(index, asked, whole.comparison.rows)
    same = next((found for found in duplicates if found["kind"] != "near_text"), None)
    if same is None:
        return replace(whole, duplicates=duplicates)
    row = int((index.ids == same["incident_id"]).nonzero()[0])
    return replace(whole, duplicates=duplicates, verdict=whole.verdict.confirmed(row))


def read_passages(index: IncidentIndex, encoder: "Encoder", whole: Reading) -> list[Reading]:
    """The passages of a text that share most words with some incident, in the order of the text.

    A text of one passage is its own passage, without embedding it again.
    """
    if index.details is None:
        return []
    lexicon = index.details.lexicon
    with timed("passages_ms"):
        found = [(passage, lexicon.overlap(fold(passage))) for passage in split_passages(whole.text)]
        found = [(passage, overlap) for passage, overlap in found if overlap.words]
        note("passages", len(found))
        if len(found) < 2:
            return [whole]
        promising = sorted(range(len(found)), key=lambda place: -float(found[place][1].scores.max()))[:MOST_PASSAGES]
        chosen = [found[place] for place in sorted(promising)]
        embeddings = encoder.encode_batch([passage for passage, _ in chosen])
    return [
        read(index, passage, embedding.vector, overlap=overlap)
        for (passage, overlap), embedding in zip(chosen, embeddings, strict=True)
    ]
