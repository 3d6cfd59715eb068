"""The tiny model and index that most tests share, and the service that uses them."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from incidents.http import log as request_log
from incidents.index.encoder_info import EncoderInfo
from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from incidents.model.encoder import Encoder
from incidents.settings import Settings, settings
from incidents.store.current import current
from support.log import Log
from support.reported import build_reported_index
from support.tiny import make_index, make_model

VARIABLES = [field.name.upper() for field in fields(Settings)]

torch.set_num_threads(1)  # with tiny models, a second thread only waits


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    make_model(folder, "longformer", attention_window=8)
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tiny_folder: Path) -> Encoder:
    return Encoder.load(tiny_folder)


@pytest.fixture(scope="session")
def tiny_index(tiny_encoder: Encoder) -> IncidentIndex:
    """The incidents 50, 60, 70 and 80, whose vectors are those of the texts w5, w6, w7 and w8."""
    return make_index(
        {10 * word: tiny_encoder.encode(f"w{word}").vector for word in (5, 6, 7, 8)},
        EncoderInfo("tiny", "1", tiny_encoder.fingerprint, tiny_encoder.width, tiny_encoder.token_limit),
    )


@pytest.fixture(scope="session")
def reported_index(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> IncidentIndex:
    """The incidents of `support.reported`, built from their texts: with reports, words and calibrations."""
    return build_reported_index(tmp_path_factory.mktemp("reported"), tiny_folder)


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A function that restarts the service with an environment: configure(MODEL_PATH=…, INDEX_PATH=…)."""

    def start(**environment: str | Path) -> None:
        for key in VARIABLES:
            monkeypatch.delenv(key, raising=False)
        monkeypatch.setenv("ENCODER_THREADS", "1")
        for key, value in environment.items():
            monkeypatch.setenv(key, str(value))
        forget()

    def forget() -> None:
        settings.cache_clear()
        current.cache_clear()

    yield start
    forget()


@pytest.fixture
def service(configure: Callable[..., None], tiny_folder: Path, tiny_index: IncidentIndex, tmp_path: Path) -> None:
    """The service with the tiny model and index."""
    save_index(tiny_index, tmp_path / "incident_cls.pt")
    configure(MODEL_PATH=tiny_folder, INDEX_PATH=tmp_path / "incident_cls.pt")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """What the service logs from here on."""
    stream = Log()
    monkeypatch.setattr(request_log.logger.registered_handler, "stream", stream)
    return stream
