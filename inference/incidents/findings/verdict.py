"""Whether a text is about a known incident, and which."""

from dataclasses import dataclass, replace
from typing import Any, Final, Self

from incidents.index.calibration import Calibration
from incidents.index.comparison import Comparison, compare
from incidents.index.evidence import weigh
from incidents.index.incident_index import IncidentIndex, Projection
from incidents.index.lexicon import Overlap

UNDECIDED: Final = 0.5
"""The probability before looking."""
CERTAIN: Final = 0.99
"""The least probability of a text that is in the database already."""
UNLIKELY: Final = 0.05
"""The largest probability of a text whose words are strange: the calibration has seen no such texts."""
FEWEST_WORDS: Final = 3
"""Fewer different words may be shared by chance, so such a text is judged by its vector alone."""
NO_REPORTS: Final = (
    "This index holds no reports: it ranks by cosine alone and cannot tell known incidents from new ones; "
    "build it again from texts."
)
TOO_FEW: Final = "This index has too few reports to tell known incidents from new ones."
STRANGE: Final = (
    "Few of the text's words occur in the reports of this index, so it is called new. It may be in another language."
)


@dataclass(frozen=True)
class Verdict:
    """The incident that fits best, by its row, and how probable it is that the text is about it or another known one.

    `calibration` is None where the index cannot tell; then the label is `possible`. `is_strange` says that the label is
    `new` because the words are strange.
    """

    row: int
    probability: float
    label: str
    calibration: Calibration | None
    is_strange: bool = False

    def confirmed(self, row: int) -> Self:
        """The verdict on a text that is a report of the incident of a row."""
        return replace(self, row=row, probability=max(self.probability, CERTAIN), label="known", is_strange=False)

    def as_json(self, index: IncidentIndex) -> dict[str, Any]:
        """The verdict as an answer shows it."""
        answer: dict[str, Any] = {"label": self.label, "probability": self.probability}
        if self.label != "new":
            answer["incident_id"] = int(index.ids[self.row])
        if self.calibration is not None:
            answer["calibration"] = self.calibration.summary()
        return answer


def judge(index: IncidentIndex, projection: Projection, comparison: Comparison, overlap: Overlap | None) -> Verdict:
    """Weigh what a text was compared with; without `overlap`, or with few words, what its vector alone tells."""
    is_strange = overlap is not None and overlap.is_strange
    if overlap is not None and len(overlap.words) < FEWEST_WORDS:
        comparison, overlap = compare(index, projection, None), None
    evidence = weigh(comparison, (lambda _: 0.0) if overlap is None else overlap.coverage)
    details = index.details
    calibration = None
    if details is not None:
        calibration = details.dense_calibration if overlap is None else details.calibration
    if calibration is None:
        return Verdict(evidence.row, UNDECIDED, "possible", None)
    probability = round(calibration.probability(evidence.features), 4)
    if is_strange:
        return Verdict(evidence.row, min(probability, UNLIKELY), "new", calibration, is_strange=True)
    return Verdict(evidence.row, probability, calibration.label(probability), calibration)


def warnings(index: IncidentIndex, verdict: Verdict, *, hybrid: bool) -> list[str]:
    """Why the verdict has no calibration, if it has none, or that the words are strange.

    Cosine answers from an index of vectors stay as they always were, without a warning.
    """
    if index.details is None:
        return [NO_REPORTS] if hybrid else []
    if verdict.calibration is None:
        return [TOO_FEW]
    return [STRANGE] if verdict.is_strange else []
