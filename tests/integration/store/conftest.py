"""A service whose image has the tiny model and an index of the incidents 1 and 2, and an S3 (moto's) to publish in."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from incidents.index.encoder_info import EncoderInfo
from incidents.index.incident_index import IncidentIndex
from incidents.store import current as store
from incidents.store import keeper
from support.publishing import BUCKET, index_of, saved


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests wait for a newer index even where the machine is busy."""
    monkeypatch.setattr(keeper, "PATIENCE_SECONDS", 60.0)


@pytest.fixture
def session(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ARG001 (its client is made before this session)
    """The session that the service makes its client from."""
    session = boto3.session.Session()
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    return session


@pytest.fixture
def asked(session: Any) -> list[str]:
    """The operations that the service asks S3 for, in order."""
    operations: list[str] = []
    session.events.register("before-call.s3", lambda model, **_: operations.append(model.name))
    return operations


@pytest.fixture
def encoder(tiny_index: IncidentIndex) -> EncoderInfo:
    return tiny_index.encoder


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, encoder: EncoderInfo) -> Path:
    """The model folder in the image."""
    folder = tmp_path / "image" / "model"
    folder.mkdir(parents=True)
    for file in tiny_folder.iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "manifest.json").write_text(json.dumps({"name": "tiny", "fingerprint": encoder.fingerprint}))
    saved(index_of(encoder, 1, 2), folder)
    monkeypatch.setattr(store, "IMAGE_FOLDER", tmp_path / "image")
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The model cache; as if it were mounted, files can be moved within it, but not to or from elsewhere."""
    folder = tmp_path / "cache"
    replace = os.replace

    def replace_within(source: Any, target: Any) -> None:
        if Path(source).is_relative_to(folder) != Path(target).is_relative_to(folder):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source, None, target)
        replace(source, target)

    for function in ("replace", "rename"):
        monkeypatch.setattr(os, function, replace_within)
    return folder


@pytest.fixture
def start(configure: Callable[..., None], image: Path, cache: Path) -> Callable[..., None]:  # noqa: ARG001 (the image has a model)
    """A function that starts the service again, with its cache as it is; it has been called once."""

    def start(**environment: str | Path) -> None:
        configure(INDEX_BUCKET=BUCKET, INDEX_REFRESH_SECONDS="300", TRANSFORMERS_CACHE=cache, **environment)

    start()
    return start
