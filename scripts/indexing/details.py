"""Everything in an index besides the means: its reports, words and calibrations."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from incidents.index.details import Details
from incidents.index.evidence import DENSE_FEATURES
from incidents.index.incident_index import IncidentIndex
from incidents.index.lexicon import words_of
from incidents.index.reports import Reports, url_key
from incidents.index.sketch import make_sketch
from incidents.index.strings import Strings
from incidents.model.text import fold
from scripts.indexing.calibration import calibrate
from scripts.indexing.leave_one_out import LeaveOneOut
from scripts.indexing.words import WordCounts, count_words, fit_lexicon


@dataclass(frozen=True, kw_only=True)
class IndexedReport:
    """A report of an index as its source has it; `text_hash` is in 40 hex digits, other strings may be empty."""

    number: int
    title: str
    url: str
    date: str
    text_hash: str


def count_report_words(index: IncidentIndex, reports: Sequence[IndexedReport], folded: Iterable[str]) -> WordCounts:
    """Count the words of an index's reports and incidents; `folded` are the reports' texts, folded to ASCII."""
    owners = torch.arange(len(index)).repeat_interleave(index.report_counts)
    titles, report_titles = [fold(title) for title in index.titles], [fold(report.title) for report in reports]
    return count_words(folded, report_titles, titles, owners.tolist())


def add_details(
    index: IncidentIndex,
    reports: Sequence[IndexedReport],
    vectors: Tensor,
    texts: Iterable[str],
    dates: Sequence[str],
    urls: Sequence[str],
) -> IncidentIndex:
    """The index with all it can know: `reports`, `vectors` and `texts` are incident by incident in its order.

    Shape: vectors (n_reports, width), float32. `dates` and `urls` are the incidents'. `texts` is read once.
    """
    sketches: list[Tensor] = []

    def folded() -> Iterable[str]:
        for text in texts:
            words = fold(text)
            sketches.append(make_sketch(words_of(words)))
            yield words

    counts = count_report_words(index, reports, folded())
    lexicon = fit_lexicon(counts)
    table = Reports(
        numbers=torch.tensor([report.number for report in reports]),
        directions=F.normalize(vectors.double() - index.corpus_mean, dim=1).half(),
        text_hashes=torch.tensor([list(bytes.fromhex(report.text_hash)) for report in reports], dtype=torch.uint8),
        sketches=torch.stack(sketches),
        url_keys=torch.tensor([url_key(report.url) for report in reports]),
        titles=Strings.pack(report.title for report in reports),
        urls=Strings.pack(report.url for report in reports),
        dates=Strings.pack(report.date for report in reports),
    )
    details = Details(Strings.pack(dates), Strings.pack(urls), table, lexicon, None, None)
    plain = replace(index, details=details)
    questions = LeaveOneOut(plain, vectors, counts, lexicon)
    return replace(
        plain,
        details=replace(
            details,
            calibration=calibrate(questions, plain),
            dense_calibration=calibrate(questions, plain, DENSE_FEATURES),
        ),
    )
