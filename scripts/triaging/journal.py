"""The answers so far, on disk: a run that was stopped, even by a kill, loses at most the article it was at.

JSON Lines. A line has `key`, `made_by` (the service that answered), `body` (of its answer) and `vector` (base64 of
float32 numbers, little-endian).
"""

import base64
import fcntl
import json
import os
import sys
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """The `body` of the service's answer to a text, and the text's vector. Shape: vector (width,), float32."""

    body: dict[str, Any]
    vector: "array[float]"


class Journal:
    """The answers of one service to the texts of a queue, by key; one process has the file at a time.

    Answers of others, such as those with an earlier index, stay in the file and are never returned; `n_others` counts
    them.

    Raises:
        OSError: the file cannot be opened, read or written; every method can raise it.
        ValueError: the file is not a journal, or another process has it.
    """

    def __init__(self, path: Path, made_by: str) -> None:
        self.made_by = made_by
        self.n_others = 0
        self._answers: dict[str, Answer] = {}
        self._file = path.open("a+b")
        try:
            self._lock(path)
            self._read(path)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        """The number of this service's answers."""
        return len(self._answers)

    def get(self, key: str) -> Answer | None:
        """The answer under a key, if there is one."""
        return self._answers.get(key)

    def add(self, key: str, answer: Answer) -> None:
        """Keep an answer; it is on disk when this returns."""
        numbers = array("f", answer.vector)
        if sys.byteorder == "big":
            numbers.byteswap()
        vector = base64.b64encode(numbers.tobytes()).decode()
        line = {"key": key, "made_by": self.made_by, "body": answer.body, "vector": vector}
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._answers[key] = answer

    def _lock(self, path: Path) -> None:
        """The system releases the lock of a killed process."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"expected {path} to be free, got one that another run writes to") from error

    def _read(self, path: Path) -> None:
        """Take in all whole lines; drop one that a kill left unfinished at the end."""
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            self._file.truncate(whole)
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                fields = json.loads(line)
                if fields["made_by"] != self.made_by:
                    self.n_others += 1
                    continue
                self._answers[fields["key"]] = Answer(dict(fields["body"]), _read_vector(fields["vector"]))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise ValueError(
                    f"{path}, line {number}: expected an answer of the service, got something else: "
                    f"{type(error).__name__}; delete the file to judge all articles again"
                ) from error


def _read_vector(encoded: str) -> "array[float]":
    numbers = array("f")
    numbers.frombytes(base64.b64decode(encoded, validate=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
