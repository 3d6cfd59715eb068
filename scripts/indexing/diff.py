"""What changed between two indexes."""

from dataclasses import dataclass
from typing import Final

import torch

from incidents.index.encoder_info import EncoderInfo, is_foreign
from incidents.index.incident_index import IncidentIndex

LARGEST_MOVES: Final = 10
UNKNOWN_FINGERPRINT: Final = "unknown"
"""Of imported vectors whose encoder is not available. No encoder has it, so no text is ranked against them."""


@dataclass(frozen=True)
class Move:
    """An incident whose vector changed; `similarity` is the cosine of the old one and the new: 1 is no change."""

    incident_id: int
    title: str
    similarity: float


@dataclass(frozen=True)
class IndexDiff:
    """The ids that came and went, how many vectors changed, and those that changed most, most changed first.

    `n_moved` is None if different encoders built the indexes: their vectors cannot be compared.
    """

    came: list[int]
    went: list[int]
    n_moved: int | None
    moved_most: list[Move]


def compare(old: IncidentIndex, new: IncidentIndex) -> IndexDiff:
    """Compare two indexes, incident by incident."""
    old_rows = {incident_id: row for row, incident_id in enumerate(old.ids.tolist())}
    new_rows = {incident_id: row for row, incident_id in enumerate(new.ids.tolist())}
    came, went = sorted(new_rows.keys() - old_rows.keys()), sorted(old_rows.keys() - new_rows.keys())
    if not _are_comparable(old.encoder, new.encoder):
        return IndexDiff(came, went, None, [])
    moved = []
    for incident_id in sorted(new_rows.keys() & old_rows.keys()):
        before, after = old.vectors[old_rows[incident_id]], new.vectors[new_rows[incident_id]]
        if not torch.equal(before, after):
            similarity = torch.nn.functional.cosine_similarity(before.double(), after.double(), dim=0).item()
            moved.append(Move(incident_id, new.titles[new_rows[incident_id]], similarity))
    moved.sort(key=lambda move: (move.similarity, move.incident_id))
    return IndexDiff(came, went, len(moved), moved[:LARGEST_MOVES])


def _are_comparable(old: EncoderInfo, new: EncoderInfo) -> bool:
    """Whether two encoders are the same, by name and revision if the fingerprint is not known."""
    if is_foreign(old.fingerprint, new.fingerprint) or old.width != new.width:
        return False
    return old.fingerprint != UNKNOWN_FINGERPRINT or (old.name, old.revision) == (new.name, new.revision)
