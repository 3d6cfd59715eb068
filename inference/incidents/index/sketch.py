"""Sketches of texts that tell how many of their word triples two texts share (MinHash; Broder 1997)."""

import zlib
from typing import Final

import torch
from torch import Tensor

N_HASHES: Final = 64
"""Numbers in a sketch: the error of an estimated similarity s is sqrt(s (1 - s) / 64), at most 0.06."""
N_WORDS: Final = 3
PRIME: Final = 2**31 - 1
"""Products of two numbers below it fit into 64 bits."""
BLOCK: Final = 4096
"""Triples hashed at once; more take more memory and are no faster."""
EMPTY: Final = -1
"""Fills the sketch of a text without a word; no hash is negative."""


def make_sketch(words: list[str]) -> Tensor:
    """The sketch of a text's words, see `incidents.index.lexicon.words_of`; a short text is one triple.

    Shape: (N_HASHES,), int32.
    """
    triples = {" ".join(words[start : start + N_WORDS]) for start in range(max(1, len(words) - N_WORDS + 1))}
    if not words:
        return torch.full((N_HASHES,), EMPTY, dtype=torch.int32)
    hashes = torch.tensor([zlib.crc32(triple.encode()) % PRIME for triple in sorted(triples)]).unsqueeze(1)
    smallest = [((block * _FACTORS + _TERMS) % PRIME).amin(dim=0) for block in torch.split(hashes, BLOCK)]
    return torch.stack(smallest).amin(dim=0).int()


def estimate_overlap(sketches: Tensor, sketch: Tensor) -> Tensor:
    """The estimated Jaccard similarity of the triples of texts and of one text; 0 for a text without words.

    Shape: sketches (n, N_HASHES), sketch (N_HASHES,) -> (n,), from 0 to 1.
    """
    return ((sketches == sketch) & (sketch != EMPTY)).float().mean(dim=1)


def _random_numbers(seed: bytes) -> Tensor:
    """N_HASHES numbers below PRIME: those of every index and every query, on any machine."""
    return torch.tensor([1 + zlib.crc32(seed + bytes([number])) % (PRIME - 1) for number in range(N_HASHES)])


_FACTORS: Final = _random_numbers(b"factor")
_TERMS: Final = _random_numbers(b"term")
"""Of the hash functions factor * x + term modulo PRIME (Carter and Wegman 1979)."""
