"""Find the model and the index, and keep them loaded between the requests of a process, the index up to date."""

import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from incidents import SERVICE, memory
from incidents.errors import InvalidIndexError, InvalidModelError
from incidents.index.incident_index import IncidentIndex
from incidents.measurements import note, timed
from incidents.model.manifest import read_fingerprint
from incidents.settings import IMAGE_FOLDER, IMAGE_INDEX, IMAGE_WEIGHTS, settings
from incidents.store.bucket import Bucket
from incidents.store.keeper import IndexKeeper

if TYPE_CHECKING:
    from incidents.model.encoder import Encoder


@cache
def encoder() -> "Encoder":
    """The encoder, loaded when a text first asks for it; a failure is not kept, so the next request tries again.

    Raises:
        InvalidModelError: there is no usable model folder.
    """
    torch.set_num_threads(settings().encoder_threads)
    memory.keep_freed()
    from incidents.model.encoder import Encoder  # noqa: PLC0415 (a request with an embedding never needs it)

    weights = _weights()
    with timed("load_model_ms"):
        return Encoder.load(weights.parent, weights.name)


def index(built_with: "Encoder | None" = None) -> IncidentIndex:
    """The index; for the vectors of an encoder, only if it was built with the very same one.

    Raises:
        InvalidIndexError: there is no usable index, or it was built with another encoder.
    """
    torch.set_num_threads(settings().encoder_threads)
    found = _keeper().index(_fingerprint())
    note("index_version", found.version)
    note("index_age_seconds", found.age_seconds)
    if built_with is not None and found.encoder.fingerprint != built_with.fingerprint:
        raise InvalidIndexError(
            _index_files()[-1],
            f"expected an index built with {built_with.name} {built_with.revision} ({built_with.fingerprint[:12]}), "
            f"got one built with {found.encoder.name} {found.encoder.revision} ({found.encoder.fingerprint[:12]})",
        )
    return found


def start_refresh() -> None:
    """Begin to look for a newer index, if it is time to, while something else is done before `index` is needed."""
    _keeper().start_refresh(_fingerprint())


def refresh_problem() -> str | None:
    """Why the index could not be brought up to date when that was last tried, if it could not."""
    return _keeper().problem


def _fingerprint() -> str | None:
    """The encoder's fingerprint; as long as it is not loaded, what its manifest says, if there is one."""
    if encoder.cache_info().currsize:
        return encoder().fingerprint
    weights = next((file for file in _weights_files() if file.is_file()), None)
    return read_fingerprint(weights.parent) if weights is not None else None


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
    if (path := settings().model_path) is not None:
        return [path / settings().incidents_filename]
    image, cache_folder = IMAGE_FOLDER / IMAGE_INDEX, _cache_folder()
    return [image] if cache_folder is None else [cache_folder / settings().incidents_filename, image]


def _weights() -> Path:
    """The weights in the folder that is named; else the image's, else the cache's, where they are fetched to."""
    files = _weights_files()
    for file in files:
        if file.is_file():
            return file
    if (bucket := _bucket()) is None:
        raise InvalidModelError(files[-1], "missing; expected the weights of a model")
    with timed("fetch_model_ms"):
        bucket.fetch_model(f"models/{settings().hf_model_uri}", files[-1].parent, files[-1].name)
    return files[-1]


def _weights_files() -> list[Path]:
    """Where the weights of a model may be, the best first."""
    if (path := settings().model_path) is not None:
        return [path / settings().model_filename]
    image, cache_folder = IMAGE_FOLDER / IMAGE_WEIGHTS, _cache_folder()
    if cache_folder is None:
        return [image]
    # Under the model's name, so that another name is another model, and functions that run the old one keep it.
    return [image, cache_folder / settings().hf_model_uri / settings().model_filename]


def _cache_folder() -> Path | None:
    """Where what was published is kept, if anything is."""
    folder = settings().cache_folder
    if folder is None and settings().index_bucket:  # an image cannot be written to
        folder = Path(tempfile.gettempdir()) / SERVICE
    return folder / settings().model_dir if folder is not None else None
