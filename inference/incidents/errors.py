"""The errors this package raises on purpose; `api` maps each to an HTTP status."""

from pathlib import Path


class InvalidInputError(ValueError):
    """What the caller sent cannot be used; the message says what was expected and what came."""


class InputTooLargeError(InvalidInputError):
    """The body, or the text in it, is larger than the service accepts."""


class InvalidFileError(Exception):
    """A file the service needs is missing or unusable.

    The message names the file by its last folder only, so that it can be shown to a caller; `path` is for logs.
    """

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path.absolute()
        super().__init__(f"{self.path.parent.name}/{self.path.name}: {problem}")


class InvalidModelError(InvalidFileError):
    """A file of a model folder is missing, damaged or of a kind the encoder does not know."""


class InvalidIndexError(InvalidFileError):
    """The index file is missing, damaged, or built by another encoder than the one that is loaded."""
