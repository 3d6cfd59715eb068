"""How every text is prepared before it is embedded, queries and stored reports alike."""

import hashlib
from typing import Final

from unidecode import unidecode

PREPARATION: Final = "unidecode, strip"
"""What `prepare` does, as part of an encoder's fingerprint. Change it whenever `prepare` changes."""


def prepare(text: str) -> str:
    """Transliterate a text to ASCII and strip surrounding whitespace."""
    return fold(text).strip()


def text_hash(text: str) -> str:
    """The hash that the AI Incident Database stores beside a vector to detect later edits of the text.

    It is the SHA-1 of the transliterated text, in 40 hex digits. Surrounding whitespace counts, as in the database's
    own tools.
    """
    return hashlib.sha1(fold(text).encode(), usedforsecurity=False).hexdigest()


def fold(text: str) -> str:
    """Transliterate a text to ASCII; drop lone surrogates, which JSON allows and UTF-8 does not."""
    return unidecode(text.encode("utf-8", "ignore").decode("utf-8"))
