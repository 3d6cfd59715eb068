"""Parts of the cases that are measured apart: by the reports of the incident, and by the length of the text."""

from typing import Any, Final

import numpy as np
from torch import Tensor

ALL: Final = "all"
SINGLE: Final = "incidents with one report"
OTHER_HALF: Final = "other half"
"""The incidents that a calibration on half of the incidents was not fitted on."""


def slices(rows: Any, questions: Any, n_words: Any, report_counts: Tensor) -> dict[str, Any]:
    """Masks of the cases by name: all, and parts that are neither empty nor all. Lengths are tertiles of the questions.

    Shape: rows, questions, n_words (n_cases,), report_counts (n_incidents,) -> masks (n_cases,).
    """
    single = report_counts.numpy()[rows] == 1
    _, firsts = np.unique(questions, return_index=True)
    lengths = np.sort(n_words[firsts])
    middle, long = (int(lengths[len(lengths) * third // 3]) for third in (1, 2))
    found = {
        ALL: np.ones(len(rows), dtype=bool),
        SINGLE: single,
        "incidents with more reports": ~single,
        f"texts of up to {middle - 1} words": n_words < middle,
        f"texts of {middle} to {long - 1} words": (n_words >= middle) & (n_words < long),
        f"texts of {long} words or more": n_words >= long,
    }
    return {name: mask for name, mask in found.items() if name == ALL or (mask.any() and not mask.all())}


def in_other_half(incident_ids: Any) -> Any:
    """A fixed half of all incidents, by a hash of their ids (Knuth's multiplicative). Shape: (n,) -> (n,)."""
    return (incident_ids.astype(np.uint64) * np.uint64(2654435761) % np.uint64(2**32) >> np.uint64(7)) % 2 == 1
