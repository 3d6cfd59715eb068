"""The errors that this package raises on purpose; `http.endpoint` maps each to an HTTP status."""

from pathlib import Path


class InvalidInputError(ValueError):
    """The caller sent invalid input; the message says what was expected and what came."""


class InputTooLargeError(InvalidInputError):
    """The body or its text exceeds the service's limit."""


class InvalidFileError(Exception):
    """A file that the service needs is missing or unusable.

    The message gives only the file's name and folder, so callers may see it. The full `path` is for logs.
    """

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path.absolute()
        super().__init__(f"{self.path.parent.name}/{self.path.name}: {problem}")


class InvalidModelError(InvalidFileError):
    """A file of a model folder is missing, damaged or not supported by the encoder."""


class InvalidIndexError(InvalidFileError):
    """The index file is missing, damaged, or built by an encoder other than the loaded one."""
