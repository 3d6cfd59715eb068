"""Find the model and the index, and keep them loaded between the requests of a process, the index up to date."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from incidents.errors import InvalidIndexError, InvalidModelError
from incidents.index import IncidentIndex
from incidents.index_keeper import IndexKeeper
from incidents.measurements import note, timed
from incidents.published import Bucket
from incidents.settings import IMAGE_FOLDER, settings

if TYPE_CHECKING:
    from incidents.encoder import Encoder


def encoder() -> "Encoder":
    """The encoder, loaded when a text first asks for it; a failure is not kept, so the next request tries again.

    A newer index is looked for meanwhile, so that whoever wants the text's neighbours need not wait for it then.

    Raises:
        InvalidModelError: there is no usable model folder.
    """
    _keeper().start_refresh()
    return _encoder()


@cache
def _encoder() -> "Encoder":
    torch.set_num_threads(settings().encoder_threads)
    from incidents.encoder import Encoder  # noqa: PLC0415 (a request with an embedding never needs it)

    folder = _model_folder()
    with timed("load_model_ms"):
        return Encoder.load(folder, settings().model_filename)


def index(built_with: "Encoder | None" = None) -> IncidentIndex:
    """The index; for the vectors of an encoder, only if it was built with the very same one.

    Raises:
        InvalidIndexError: there is no usable index, or it was built with another encoder.
    """
    torch.set_num_threads(settings().encoder_threads)
    found = _keeper().index(built_with.fingerprint if built_with is not None else None)
    note("index_version", found.version)
    note("index_age_seconds", found.age_seconds)
    if built_with is not None and found.encoder.fingerprint != built_with.fingerprint:
        raise InvalidIndexError(
            _index_files()[-1],
            f"expected an index built with {built_with.name} {built_with.revision} ({built_with.fingerprint[:12]}), "
            f"got one built with {found.encoder.name} {found.encoder.revision} ({found.encoder.fingerprint[:12]})",
        )
    return found


def refresh_problem() -> str | None:
    """Why the index could not be brought up to date when that was last tried, if it could not."""
    return _keeper().problem


@cache
def _keeper() -> IndexKeeper:
    return IndexKeeper(_index_files(), _bucket(), settings().index_key, settings().index_refresh_seconds)


@cache
def _bucket() -> Bucket | None:
    """Where the newest index is published; what is named outright is used as it is."""
    if settings().model_path or settings().index_path or not settings().index_bucket:
        return None
    return Bucket(str(settings().index_bucket))


def _index_files() -> list[Path]:
    """Where an index may be, the best first: what was published and cached is newer than what is in the image."""
    if (path := settings().index_path) is not None:
        return [path]
    folders = [path] if (path := settings().model_path) else list(reversed(_model_folders()))
    return [folder / settings().incidents_filename for folder in folders]


def _model_folder() -> Path:
    """The model folder that is named; else the image's, else the cache's, where it is fetched to if it is published."""
    folders = [path] if (path := settings().model_path) else _model_folders()
    weights = settings().model_filename
    for folder in folders:
        if (folder / weights).is_file():
            return folder
    if settings().cache_folder is None or (bucket := _bucket()) is None:
        raise InvalidModelError(folders[-1] / weights, "missing; expected the weights of a model")
    with timed("fetch_model_ms"):
        bucket.fetch_model(f"models/{settings().hf_model_uri}", folders[-1], weights)
    return folders[-1]


def _model_folders() -> list[Path]:
    return [root / settings().model_dir for root in (IMAGE_FOLDER, settings().cache_folder) if root]
