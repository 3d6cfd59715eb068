"""The one preparation of a text before it is embedded, for queries and for stored reports alike."""

from typing import Final

from unidecode import unidecode

PREPARATION: Final = "unidecode, strip"
"""Names what `prepare` does. It is part of an encoder's fingerprint: change it when `prepare` changes."""


def prepare(text: str) -> str:
    """Transliterate `text` to ASCII and strip the whitespace around it.

    Lone surrogates, which JSON can carry but UTF-8 cannot, are dropped.
    """
    return unidecode(text.encode("utf-8", "ignore").decode("utf-8")).strip()
