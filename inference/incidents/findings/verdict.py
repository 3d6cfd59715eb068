"""Whether a text is about a known incident, and which."""

from dataclasses import dataclass
from typing import Any, Final

from incidents.index.calibration import Calibration
from incidents.index.comparison import Comparison
from incidents.index.evidence import weigh
from incidents.index.incident_index import IncidentIndex
from incidents.index.lexicon import Overlap

UNDECIDED: Final = 0.5
"""The probability before looking."""
NO_REPORTS: Final = (
    "This index holds no reports: it ranks by cosine alone and cannot tell known incidents from new ones; "
    "build it again from texts."
)
TOO_FEW: Final = "This index has too few reports to tell known incidents from new ones."


@dataclass(frozen=True)
class Verdict:
    """The incident that fits best, by its row, and how probable it is that the text is about it or another known one.

    `calibration` is None where the index cannot tell; then the label is `possible`.
    """

    row: int
    probability: float
    label: str
    calibration: Calibration | None

    def as_json(self, index: IncidentIndex) -> dict[str, Any]:
        """The verdict as an answer shows it."""
        answer: dict[str, Any] = {"label": self.label, "probability": self.probability}
        if self.label != "new":
            answer["incident_id"] = int(index.ids[self.row])
        if self.calibration is not None:
            answer["calibration"] = self.calibration.summary()
        return answer


def judge(index: IncidentIndex, comparison: Comparison, overlap: Overlap | None) -> Verdict:
    """Weigh a comparison; without `overlap`, with what an embedding alone tells."""
    details = index.details
    evidence = weigh(comparison, index.report_counts, (lambda _: 0.0) if overlap is None else overlap.coverage)
    calibration = None
    if details is not None:
        calibration = details.dense_calibration if overlap is None else details.calibration
    if calibration is None:
        return Verdict(evidence.row, UNDECIDED, "possible", None)
    probability = round(calibration.probability(evidence.features), 4)
    return Verdict(evidence.row, probability, calibration.label(probability), calibration)


def warnings(index: IncidentIndex, verdict: Verdict, *, hybrid: bool) -> list[str]:
    """Why the verdict has no calibration, if it has none.

    Cosine answers from an index of vectors stay as they always were, without a warning.
    """
    if index.details is None:
        return [NO_REPORTS] if hybrid else []
    return [] if verdict.calibration is not None else [TOO_FEW]
