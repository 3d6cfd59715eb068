"""What an index of format version 2 knows besides the means: reports, words, dates and what its scores are worth."""

from dataclasses import dataclass

from incidents.index.calibration import Calibration
from incidents.index.lexicon import Lexicon
from incidents.index.reports import Reports
from incidents.index.strings import Strings


@dataclass(frozen=True, eq=False)
class Details:
    """The reports and words of the incidents of an index, in its order.

    `dates` and `urls` have one string per incident, empty where it is not known. `calibration` is for texts,
    `dense_calibration` for embeddings alone; None if the index has too few reports to tell.
    """

    dates: Strings
    urls: Strings
    reports: Reports
    lexicon: Lexicon
    calibration: Calibration | None
    dense_calibration: Calibration | None
