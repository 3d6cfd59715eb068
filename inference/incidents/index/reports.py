"""The reports of the incidents of an index, without their texts."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import torch
from torch import Tensor

from incidents.index.sketch import N_HASHES
from incidents.index.strings import Strings

HASH_BYTES: Final = 20
"""Of a SHA-1, see `incidents.model.text.text_hash`."""
NO_URL: Final = 0
TRACKING: Final = ("utm_", "fbclid", "gclid", "mc_cid", "mc_eid", "igshid", "ref_src", "cmpid", "smid")
"""Beginnings of query parameters that say where a reader came from, not what is read."""


@dataclass(frozen=True, eq=False)
class Reports:
    """All reports, incident by incident in the order of the index, each incident's by number.

    Shape: numbers (n_reports,), int64; directions (n_reports, width), float16: the vectors less the corpus mean, of
    length 1; text_hashes (n_reports, HASH_BYTES), uint8; sketches (n_reports, N_HASHES), int32; url_keys (n_reports,),
    int64, see `url_key`. Titles, urls and dates are empty strings where they are not known.

    Raises:
        ValueError: the parts do not fit together.
    """

    numbers: Tensor
    directions: Tensor
    text_hashes: Tensor
    sketches: Tensor
    url_keys: Tensor
    titles: Strings
    urls: Strings
    dates: Strings

    def __post_init__(self) -> None:
        n_reports = len(self.numbers)
        expected = {
            "numbers": (self.numbers, torch.int64, (n_reports,)),
            "directions": (self.directions, torch.float16, (n_reports, *self.directions.shape[1:2])),
            "text_hashes": (self.text_hashes, torch.uint8, (n_reports, HASH_BYTES)),
            "sketches": (self.sketches, torch.int32, (n_reports, N_HASHES)),
            "url_keys": (self.url_keys, torch.int64, (n_reports,)),
        }
        for name, (tensor, dtype, shape) in expected.items():
            if tensor.dtype != dtype or tensor.shape != shape:
                raise ValueError(
                    f"expected the reports' {name} to be {dtype} of shape {shape}, got {tensor.dtype} of shape "
                    f"{tuple(tensor.shape)}"
                )
        if {len(self.titles), len(self.urls), len(self.dates)} != {n_reports}:
            raise ValueError("expected a title, a url and a date for every report")
        if not bool(self.directions.isfinite().all()):
            raise ValueError("expected the reports' directions to be finite")

    def __len__(self) -> int:
        """The number of reports."""
        return len(self.numbers)

    def with_text(self, text_hash: str) -> list[int]:
        """The positions of the reports whose text has this hash, in 40 hex digits."""
        wanted = torch.tensor(list(bytes.fromhex(text_hash)), dtype=torch.uint8)
        same_start = (self.text_hashes[:, 0] == wanted[0]).nonzero().squeeze(1)
        return same_start[(self.text_hashes[same_start] == wanted).all(dim=1)].tolist()

    def with_url(self, url: str) -> list[int]:
        """The positions of the reports at this address."""
        key = url_key(url)
        return [] if key == NO_URL else (self.url_keys == key).nonzero().squeeze(1).tolist()


def url_key(url: str) -> int:
    """64 bits of the SHA-256 of an article's address in its canonical form; NO_URL for anything else.

    A site's front page is no article's address. Canonical is without scheme, www., port, fragment, final slash and tracking parameters, with the host in lower case.
    """
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname or ""
    except ValueError:
        return NO_URL
    path = parts.path.rstrip("/")
    if parts.scheme.lower() not in {"http", "https"} or not host or not (path or parts.query):
        return NO_URL
    query = sorted(pair for pair in parse_qsl(parts.query, keep_blank_values=True) if not pair[0].startswith(TRACKING))
    canonical = f"{host.removeprefix('www.')}{path}?{urlencode(query)}"
    return int.from_bytes(sha256(canonical.encode("utf-8", "replace")).digest()[:8], "big", signed=True)
