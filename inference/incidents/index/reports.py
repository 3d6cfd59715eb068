"""The reports of the incidents of an index, without their texts."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import torch
from torch import Tensor

from incidents.index.checks import check, check_tensor
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
        check_tensor("the reports' numbers", self.numbers, torch.int64, (None,))
        n_reports = len(self.numbers)
        check_tensor("the reports' directions", self.directions, torch.float16, (n_reports, None))
        check_tensor("the reports' text_hashes", self.text_hashes, torch.uint8, (n_reports, HASH_BYTES))
        check_tensor("the reports' sketches", self.sketches, torch.int32, (n_reports, N_HASHES))
        check_tensor("the reports' url_keys", self.url_keys, torch.int64, (n_reports,))
        for name, column in (("titles", self.titles), ("urls", self.urls), ("dates", self.dates)):
            check(f"{n_reports} {name} of reports", len(column) == n_reports, len(column))
        check("the reports' directions to be finite", bool(self.directions.isfinite().all()), "others")

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

    Canonical is without scheme, www., port, fragment, final slash and tracking parameters, with the host in lower case.
    A site's front page is no article's address.
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
    canonical = f"{host.removeprefix('www.')}{path}?{urlencode(query, errors='replace')}"
    return int.from_bytes(sha256(canonical.encode("utf-8", "replace")).digest()[:8], "big", signed=True)
