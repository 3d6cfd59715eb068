"""Vectors from the original service's incident_cls.pt.

It is a list that has, at n - 1, the vectors of incident n's reports, or None.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scripts.sources.incident import IncidentVectors


class LegacyPt:
    """The vectors of a file, which has neither texts nor titles."""

    def __init__(self, path: Path) -> None:
        self.name = f"legacy-pt:{path.name}"
        self._path = path

    def incidents(self) -> Iterator[IncidentVectors]:
        """Read the file; nothing in it is executed.

        Raises:
            OSError: the file cannot be read.
            ValueError: the file is not such a list; the message says what was expected and what came.
        """
        for incident_id, reports in enumerate(self._load(), start=1):
            if reports is not None:
                vectors = tuple((vector.detach(), 1) for vector in reports)
                yield IncidentVectors(incident_id, f"Incident {incident_id}", vectors)

    def _load(self) -> list[Tensor | None]:
        expected = f"{self._path}: expected a list that has for each incident a dense tensor (n_reports, width) or None"
        try:
            content: Any = torch.load(self._path, map_location="cpu", weights_only=True)
        except OSError:
            raise
        except Exception as error:  # damaged content can make the unpickler raise anything
            raise ValueError(f"{expected}, got a file that is damaged, foreign or would run code") from error
        if not isinstance(content, list):
            raise ValueError(f"{expected}, got {type(content).__name__}")
        for position, reports in enumerate(content):
            if reports is not None and not _is_matrix(reports):
                raise ValueError(f"{expected}, got {_kind(reports)} at position {position}")
        return content


def _is_matrix(value: Any) -> bool:
    """Whether it holds rows of numbers: a sparse tensor has no rows to take, one on "meta" has no numbers."""
    held = isinstance(value, Tensor) and value.layout == torch.strided and value.device.type == "cpu"
    return held and value.dtype == torch.float32 and value.dim() == 2


def _kind(value: Any) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{value.dtype} of shape {tuple(value.shape)}, {value.layout} on {value.device}"
