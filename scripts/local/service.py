"""The service's Lambda scripts, run in this process with a model and an index on this machine."""

import importlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incidents.names import INDEX_FILENAME
from incidents.settings import settings

if TYPE_CHECKING:
    from torch import Tensor


def configure(model: Path, index: Path | None) -> None:
    """Point the service at a model folder and an index file; call this before `load_handler`.

    Raises:
        ValueError: a path does not exist, or a setting in the environment is invalid.
    """
    index = index or model / INDEX_FILENAME
    for path in (model, index):
        if not path.exists():
            raise ValueError(f"{path} does not exist; `make index` makes the default model and index")
    os.environ |= {"MODEL_PATH": str(model), "INDEX_PATH": str(index)}
    os.environ.setdefault("POWERTOOLS_METRICS_DISABLED", "true")  # nobody collects metrics here
    settings()


def load_handler(script: str) -> Callable[[dict[str, Any], Any], Any]:
    """The handler of the Lambda script with this name; the import loads torch."""
    handler: Callable[[dict[str, Any], Any], Any] = importlib.import_module(script).handler
    return handler


def call(script: str, event: dict[str, Any]) -> dict[str, Any]:
    """The envelope that a Lambda script answers an event with."""
    envelope: dict[str, Any] = json.loads(load_handler(script)(event, None)["body"])
    return envelope


def incident_vectors() -> "Tensor":
    """The vectors of the known incidents. Shape: (n_incidents, width), float32.

    Raises:
        InvalidIndexError: the index is not usable.
    """
    from incidents.store.current import current  # noqa: PLC0415 (loads torch)

    return current().index().vectors


def hide_log() -> None:
    """Log errors only: the line of each request is of no use to a command, and its answer has the warnings."""
    from incidents.http.log import logger  # noqa: PLC0415 (slow to import; the import sets the level)

    logger.setLevel(logging.ERROR)
