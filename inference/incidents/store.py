"""Find the model and the index, and keep them loaded between the requests of a process."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from incidents.errors import InvalidIndexError, InvalidModelError
from incidents.index import IncidentIndex
from incidents.measurements import note, timed
from incidents.settings import IMAGE_FOLDER, settings

if TYPE_CHECKING:
    from incidents.encoder import Encoder


@cache
def encoder() -> "Encoder":
    """The encoder, loaded when a text first asks for it; a failure is not kept, so the next request tries again.

    Raises:
        InvalidModelError: there is no usable model folder.
    """
    torch.set_num_threads(settings().encoder_threads)
    from incidents.encoder import Encoder  # noqa: PLC0415 (a request with an embedding never needs it)

    for folder in (folders := _model_folders()):
        if (folder / settings().model_filename).is_file():
            with timed("load_model_ms"):
                return Encoder.load(folder, settings().model_filename)
    raise InvalidModelError(folders[-1] / settings().model_filename, "missing; expected the weights of a model")


def index(built_with: "Encoder | None" = None) -> IncidentIndex:
    """The index; for the vectors of an encoder, only if it was built with the very same one.

    Raises:
        InvalidIndexError: there is no usable index, or it was built with another encoder.
    """
    found = _index()
    note("index_version", found.version)
    note("index_age_seconds", found.age_seconds)
    if built_with is not None and found.encoder.fingerprint != built_with.fingerprint:
        raise InvalidIndexError(
            _index_path(),
            f"expected an index built with {built_with.name} {built_with.revision} ({built_with.fingerprint[:12]}), "
            f"got one built with {found.encoder.name} {found.encoder.revision} ({found.encoder.fingerprint[:12]})",
        )
    return found


@cache
def _index() -> IncidentIndex:
    torch.set_num_threads(settings().encoder_threads)
    with timed("load_index_ms"):
        return IncidentIndex.load(_index_path())


def _index_path() -> Path:
    if (path := settings().index_path) is not None:
        return path
    paths = [folder / settings().incidents_filename for folder in _model_folders()]
    return next((path for path in paths if path.is_file()), paths[-1])


def _model_folders() -> list[Path]:
    """Where to look, in this order: what was put on the cache is newer than what is in the image."""
    if (path := settings().model_path) is not None:
        return [path]
    return [root / settings().model_dir for root in (settings().cache_folder, IMAGE_FOLDER) if root]
