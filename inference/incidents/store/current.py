"""What this process has loaded: the encoder and the index in service."""

import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch

from incidents.errors import InvalidIndexError, InvalidModelError
from incidents.index.encoder_info import is_foreign
from incidents.index.incident_index import IncidentIndex
from incidents.measurements import note, timed
from incidents.model.manifest import read_fingerprint
from incidents.names import INDEX_FILENAME, MODEL_DIR, SERVICE, WEIGHTS_FILENAME
from incidents.settings import Settings, settings
from incidents.store.bucket import Bucket
from incidents.store.keeper import IndexKeeper

if TYPE_CHECKING:
    from incidents.model.encoder import Encoder

IMAGE_FOLDER: Final = Path(__file__).resolve().parents[2]
"""The folder of the Lambda scripts: /function in the image, inference/ in a checkout. `make image` adds a model."""


class Store:
    """The model and the index, each loaded on first use; the index is replaced when a newer one is published."""

    def __init__(self, settings: Settings) -> None:
        self._model_folders = _model_folders(settings)
        self._index_files = _index_files(settings)
        self._published_model = f"models/{settings.hf_model_uri}"
        # Explicit paths override the published index and model.
        fixed = settings.model_path is not None or settings.index_path is not None
        self._bucket = None if fixed or settings.index_bucket is None else Bucket(settings.index_bucket)
        self._keeper = IndexKeeper(self._index_files, self._bucket, settings.index_refresh_seconds)
        self._encoder: Encoder | None = None
        torch.set_num_threads(settings.encoder_threads)

    def encoder(self) -> "Encoder":
        """The encoder, loaded on first use; after a failure, the next call tries again.

        Raises:
            InvalidModelError: no model folder is usable.
        """
        if self._encoder is None:
            from incidents.model.encoder import Encoder  # noqa: PLC0415 (a request with an embedding never needs it)

            folder = self._find_model()
            with timed("load_model_ms"):
                self._encoder = Encoder.load(folder)
        return self._encoder

    def index(self, built_with: "Encoder | None" = None) -> IncidentIndex:
        """The index in service; with `built_with`, it must be built by that encoder.

        Raises:
            InvalidIndexError: no index is usable, or another encoder built it.
        """
        found = self._keeper.index(self._fingerprint())
        note("index_version", found.version)
        note("index_age_seconds", found.age_seconds)
        if built_with is not None and is_foreign(found.encoder.fingerprint, built_with.fingerprint):
            raise InvalidIndexError(
                self._index_files[-1],
                f"expected an index built with {built_with.name} {built_with.revision} "
                f"({built_with.fingerprint[:12]}), got one built with {found.encoder.name} {found.encoder.revision} "
                f"({found.encoder.fingerprint[:12]})",
            )
        return found

    def start_refresh(self) -> None:
        """Start a check for a newer index in the background, if one is due.

        Call it before slow work, so that `index` has less to wait for.
        """
        self._keeper.start_refresh(self._fingerprint())

    @property
    def refresh_problem(self) -> str | None:
        """Why the last check for a newer index failed, or None."""
        return self._keeper.problem

    def _fingerprint(self) -> str | None:
        """The loaded encoder's fingerprint; before loading, the manifest's, or None."""
        if self._encoder is not None:
            return self._encoder.fingerprint
        folder = next((folder for folder in self._model_folders if (folder / WEIGHTS_FILENAME).is_file()), None)
        return None if folder is None else read_fingerprint(folder)

    def _find_model(self) -> Path:
        """The first folder with weights; without one, fetch the published model to the last folder.

        Raises:
            InvalidModelError: no folder has weights, and no model could be fetched.
        """
        for folder in self._model_folders:
            if (folder / WEIGHTS_FILENAME).is_file():
                return folder
        target = self._model_folders[-1]
        if self._bucket is None:
            raise InvalidModelError(target / WEIGHTS_FILENAME, "missing; expected the weights of a model")
        with timed("fetch_model_ms"):
            self._bucket.fetch_model(self._published_model, target)
        return target


@cache
def current() -> Store:
    """The store of this process; after `current.cache_clear()`, the next call makes a new one."""
    return Store(settings())


def _model_folders(settings: Settings) -> list[Path]:
    """Possible model folders, best first: the image's, then the one on the model cache.

    A cached folder has the model's name on the hub. So functions that still use another model keep its folder.
    """
    if settings.model_path is not None:
        return [settings.model_path]
    cached = _cache_folder(settings)
    image = IMAGE_FOLDER / MODEL_DIR
    return [image] if cached is None else [image, cached / settings.hf_model_uri]


def _index_files(settings: Settings) -> list[Path]:
    """Possible index files, best first: a published one on the model cache is newer than the image's."""
    if settings.index_path is not None:
        return [settings.index_path]
    if settings.model_path is not None:
        return [settings.model_path / INDEX_FILENAME]
    cached = _cache_folder(settings)
    image = IMAGE_FOLDER / MODEL_DIR / INDEX_FILENAME
    return [image] if cached is None else [cached / INDEX_FILENAME, image]


def _cache_folder(settings: Settings) -> Path | None:
    folder = settings.transformers_cache
    if folder is None and settings.index_bucket:  # a Lambda can write to /tmp only
        folder = Path(tempfile.gettempdir()) / SERVICE
    return None if folder is None else folder / MODEL_DIR
