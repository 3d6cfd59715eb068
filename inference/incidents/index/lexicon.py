"""The words of incidents: how much of what is rare in a text an incident's reports share.

Weights are tf-idf with a sublinear term frequency, 1 + ln count, and the idf that scikit-learn's TfidfTransformer fits,
less 1, so that a word of every incident weighs nothing. Lengths are pivoted (Singhal, Buckley and Mitra 1996): an
incident with many reports has more words than others, and a long text more than a headline.

The words themselves are not kept, only hashes of them.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import torch
from torch import Tensor

from incidents.index.checks import check, check_tensor

WORD: Final = re.compile(r"(?u)\b\w\w+\b")
"""A word, as scikit-learn's CountVectorizer finds it by default."""
SLOPE: Final = 0.5
"""Share of an incident's own length in the length that its score is divided by; the rest is the average length."""
RARE_SHARE: Final = 0.02
"""A shared word is shown if at most this share of incidents has it, or at most RARE_NUMBER."""
RARE_NUMBER: Final = 3
MISSING: Final = -1
GIVEN_WORDS: Final = 10
"""Words that are added as known before familiarity is judged, so that a few words decide nothing."""


def words_of(folded: str) -> list[str]:
    """The words of a text that `incidents.model.text.fold` has folded to ASCII, in lower case."""
    return WORD.findall(folded.lower())


def hash_word(word: str) -> int:
    """64 bits of BLAKE2b, signed, as a tensor holds it."""
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "big", signed=True)


def familiarity(n_known: int, n_words: int) -> float:
    """How familiar a text's words are, from how many of them are known: 0 to 1."""
    return (n_known + GIVEN_WORDS) / (n_words + GIVEN_WORDS)


@dataclass(frozen=True, eq=False)
class Overlap:
    """The words that a text shares with incidents.

    Shape: scores (n_incidents,), float64: 0 without a shared word, about 1 for a text like the incident's; words, each
    of the text's once; weights (n_words,), squared; idf (n_words,); shared and rows (n_pairs,): at each position, that
    of a word in `words` and the row of an incident that has it. `divisor` is the text's length, by which scores are
    divided.
    """

    scores: Tensor
    words: list[str]
    weights: Tensor
    idf: Tensor
    shared: Tensor
    rows: Tensor
    divisor: float
    is_strange: bool

    def coverage(self, row: int) -> float:
        """The share of the text's squared weights that an incident's words have: 0 to 1."""
        total = float(self.weights.sum())
        return float(self.weights[self.shared[self.rows == row]].sum()) / total if total else 0.0

    def rarest(self, row: int, number: int) -> list[str]:
        """At most `number` rare words that the text shares with an incident, the rarest first."""
        n_incidents = len(self.scores)
        most = int(max(RARE_NUMBER, RARE_SHARE * n_incidents))
        least = math.log((1 + n_incidents) / (1.5 + most))  # between the idf of `most` and of one more
        positions = self.shared[(self.rows == row) & (self.idf[self.shared] >= least)].tolist()
        ranked = sorted(positions, key=lambda position: (-float(self.idf[position]), self.words[position]))
        return [self.words[position] for position in ranked[:number]]


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Which incident has which word, and how often.

    Shape: hashes (n_words,), int64, ascending; idf (n_words,), float64, 0 for a word that too many incidents have;
    ends (n_words,), int64, where a word's entries end in rows (n_entries,), int32, the incidents' rows, ascending, and
    counts (n_entries,), int16; lengths (n_incidents,), float64, of the incidents' weights. The words of a text whose
    `familiarity` is below `familiar_from` are strange.

    Raises:
        ValueError: the parts do not fit together.
    """

    hashes: Tensor
    idf: Tensor
    ends: Tensor
    rows: Tensor
    counts: Tensor
    lengths: Tensor
    familiar_from: float
    _divisors: Tensor = field(init=False, repr=False)
    _pivot: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_tensor("the lexicon's hashes", self.hashes, torch.int64, (None,))
        check_tensor("the lexicon's rows", self.rows, torch.int32, (None,))
        check_tensor("the lexicon's lengths", self.lengths, torch.float64, (None,))
        n_words, n_entries, n_incidents = len(self.hashes), len(self.rows), len(self.lengths)
        check_tensor("the lexicon's idf", self.idf, torch.float64, (n_words,))
        check_tensor("the lexicon's ends", self.ends, torch.int64, (n_words,))
        check_tensor("the lexicon's counts", self.counts, torch.int16, (n_entries,))
        check("the lexicon's hashes to ascend", bool((self.hashes[1:] >= self.hashes[:-1]).all()), "descending ones")
        bounds = torch.cat([self.ends.new_zeros(1), self.ends])
        check("the lexicon's ends to ascend from 0", bool((bounds[1:] >= bounds[:-1]).all()), "descending ones")
        check(f"the last word's entries to end at {n_entries}", int(bounds[-1]) == n_entries, int(bounds[-1]))
        limits = {"rows": (0, n_incidents), "counts": (1, math.inf), "idf": (0, math.inf), "lengths": (0, math.inf)}
        for name, (least, limit) in limits.items():
            if len(tensor := getattr(self, name)):
                lowest, highest = (part.item() for part in tensor.aminmax())
                is_in_range = least <= lowest and highest < limit
                check(f"the lexicon's {name} from {least} to below {limit}", is_in_range, f"{lowest} to {highest}")
        is_share = type(self.familiar_from) is float and 0 <= self.familiar_from <= 1
        check("the lexicon's familiar_from from 0 to 1", is_share, repr(self.familiar_from))
        object.__setattr__(self, "_divisors", self.divisors(self.lengths))
        object.__setattr__(self, "_pivot", float(self.lengths.median()) or 1.0)

    def __len__(self) -> int:
        """The number of words."""
        return len(self.hashes)

    def divisors(self, lengths: Tensor) -> Tensor:
        """What the scores of incidents with these lengths are divided by. Shape: (n,) -> (n,)."""
        return (1 - SLOPE) * (float(self.lengths.mean()) or 1.0) + SLOPE * lengths

    def find(self, words: list[str]) -> Tensor:
        """The positions of words, or MISSING. Shape: (n_words,), int64."""
        wanted = torch.tensor([hash_word(word) for word in words], dtype=torch.int64)
        places = torch.searchsorted(self.hashes, wanted)
        is_found = torch.cat([self.hashes, wanted.new_zeros(1)])[places] == wanted
        return torch.where(is_found & (places < len(self)), places, MISSING)

    def overlap(self, folded: str) -> Overlap:
        """Compare a text with all incidents; `folded` is in ASCII. A word that no incident has counts as rarest."""
        found = Counter(words_of(folded))
        words = list(found)
        positions = self.find(words)
        counts = torch.tensor([float(found[word]) for word in words], dtype=torch.float64)
        return self.compare(words, counts, positions, self.idf_at(positions))

    def idf_at(self, positions: Tensor) -> Tensor:
        """The idf of words; a word that no incident has is the rarest. Shape: (n_words,) -> (n_words,), float64."""
        rarest = self.idf.new_tensor([math.log(1 + len(self.lengths))])
        return torch.cat([self.idf, rarest])[positions]  # MISSING is the last position

    def compare(self, words: list[str], counts: Tensor, positions: Tensor, idf: Tensor) -> Overlap:
        """The overlap of words with all incidents, given how often the text has each, and its idf.

        Shape: counts, positions, idf (n_words,).
        """
        frequencies = counts.log() + 1
        weights = (frequencies * idf).square()
        entries, shared = self._entries(positions)
        rows = self.rows[entries].long()
        products = (frequencies * idf.square())[shared] * (self.counts[entries].double().log() + 1)
        sums = torch.bincount(rows, products, minlength=len(self.lengths)).double()
        divisor = min(math.sqrt(float(weights.sum())), self._pivot) or 1.0
        known = int(counts[positions != MISSING].sum())
        is_strange = familiarity(known, int(counts.sum())) < self.familiar_from
        return Overlap(sums / (self._divisors * divisor), words, weights, idf, shared, rows, divisor, is_strange)

    def _entries(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """The entries of words: their positions in `rows`, and with each the position of its word in `positions`."""
        present = (positions != MISSING).nonzero().squeeze(1)
        known = positions[present]
        starts = torch.where(known > 0, self.ends[known - 1], 0)
        sizes = self.ends[known] - starts
        offsets = torch.arange(int(sizes.sum())) - (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
        return starts.repeat_interleave(sizes) + offsets, present.repeat_interleave(sizes)
