"""The encoder that an index was built with."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EncoderInfo:
    """The encoder that made an index's vectors; `width` is numbers per vector, `token_limit` is in tokens."""

    name: str
    revision: str
    fingerprint: str
    width: int
    token_limit: int


def is_foreign(fingerprint: str | None, expected: str | None) -> bool:
    """Whether vectors from the encoder with this fingerprint are incompatible with the expected encoder's.

    None means that the encoder is not known; it is never foreign.
    """
    return None not in (fingerprint, expected) and fingerprint != expected
