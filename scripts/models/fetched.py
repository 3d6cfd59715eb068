"""A model that was fetched and is not in place yet."""

from dataclasses import dataclass
from pathlib import Path


class NoModelError(Exception):
    """There is no model to put in place; the message says why."""


@dataclass(frozen=True)
class FetchedModel:
    """A model whose files are complete in a temporary folder. `download` is removed once the model is in place."""

    name: str
    revision: str
    filenames: tuple[str, ...]
    download: Path | None = None
