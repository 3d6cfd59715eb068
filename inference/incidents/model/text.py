"""The one preparation of a text before it is embedded, for queries and for stored reports alike."""

import hashlib
from typing import Final

from unidecode import unidecode

PREPARATION: Final = "unidecode, strip"
"""Names what `prepare` does. It is part of an encoder's fingerprint: change it when `prepare` changes."""


def prepare(text: str) -> str:
    """Transliterate `text` to ASCII and strip the whitespace around it."""
    return _to_ascii(text).strip()


def text_hash(text: str) -> str:
    """The SHA-1, as 40 hex digits, by which the AI Incident Database knows the text that a vector was made from.

    It is taken of the transliterated text with the whitespace around it, as the database's own tools do.
    """
    return hashlib.sha1(_to_ascii(text).encode(), usedforsecurity=False).hexdigest()


def _to_ascii(text: str) -> str:
    """Transliterate; lone surrogates, which JSON can carry but UTF-8 cannot, are dropped."""
    return unidecode(text.encode("utf-8", "ignore").decode("utf-8"))
