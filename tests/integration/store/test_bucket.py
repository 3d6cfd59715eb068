"""What containers fetch from S3 to a cache that they share: each index once, and a model folder only as a whole."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from filelock import FileLock

import embed
from incidents.index.encoder_info import EncoderInfo
from incidents.model.encoder import Encoder
from incidents.store import bucket, keeper
from incidents.store import current as store
from support.envelope import open_answer
from support.in_service import BY_TEXT, ids, warnings
from support.polling import wait_until
from support.publishing import BUCKET, index_of, put, saved


@pytest.fixture
def published(s3: Any, encoder: EncoderInfo, tmp_path: Path) -> Path:
    """A file with the published index of the incidents 1, 2 and 3."""
    file = saved(index_of(encoder, 1, 2, 3), tmp_path / "published")
    put(s3, file.read_bytes())
    return file


@pytest.fixture
def durable(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each file that is moved, whether all of it had been written through to the disk."""
    synced: list[tuple[int, int]] = []
    moved: list[bool] = []
    fsync, replace = os.fsync, os.replace

    def record_fsync(descriptor: int) -> None:
        fsync(descriptor)
        synced.append((os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size))

    def record_replace(source: Path, target: Path) -> None:
        moved.append((source.stat().st_ino, source.stat().st_size) in synced)
        replace(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    return moved


# The index


def test_the_next_container_finds_the_index_on_the_cache(
    s3: Any, published: Path, start: Callable[..., None], cache: Path, asked: list[str]
) -> None:
    assert ids() == [1, 2, 3]
    assert (cache / "model" / "incident_cls.pt").read_bytes() == published.read_bytes()
    asked.clear()
    start()
    assert ids() == [1, 2, 3]
    assert asked == ["HeadObject"]
    assert warnings() == []
    s3.delete_object(Bucket=BUCKET, Key="incident_cls.pt")
    start()
    assert ids() == [1, 2, 3]


@pytest.mark.usefixtures("published", "start")
def test_an_index_is_written_through_to_the_disk_before_it_is_in_place(durable: list[bool]) -> None:
    assert ids() == [1, 2, 3]
    assert durable == [True]


def test_nothing_is_written_to_a_cache_that_is_up_to_date(
    published: Path, start: Callable[..., None], cache: Path
) -> None:
    """So a cache that is mounted read-only is no problem."""
    (cache / "model").mkdir(parents=True)
    shutil.copy(published, cache / "model" / "incident_cls.pt")
    start()
    assert ids() == [1, 2, 3]
    assert warnings() == []
    assert [path.name for path in (cache / "model").iterdir()] == ["incident_cls.pt"]


def test_while_one_container_downloads_the_others_wait_for_its_file(
    published: Path, start: Callable[..., None], cache: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "PATIENCE_SECONDS", 0.5)
    (cache / "model").mkdir(parents=True)
    start()
    with FileLock(cache / "model" / ".incident_cls.pt.lock"):
        assert ids() == [1, 2]
        shutil.copy(published, cache / "model" / "incident_cls.pt")
    wait_until(lambda: ids() == [1, 2, 3])
    assert asked == ["HeadObject"]
    assert warnings() == []


@pytest.mark.usefixtures("published")
def test_a_lock_that_is_never_released_only_delays_the_download(
    start: Callable[..., None], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "LOCK_TIMEOUT_SECONDS", 0.1)
    (cache / "model").mkdir(parents=True)
    start()
    with FileLock(cache / "model" / ".incident_cls.pt.lock"):
        assert ids() == [1, 2, 3]


# A model


class PublishedModel:
    """Models in the bucket, and a service whose image has none."""

    def __init__(self, s3: Any, folder: Path, start: Callable[..., None]) -> None:
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.start = start
        self._s3 = s3

    def publish(self, name: str, **other_checksums: str) -> None:
        """Publish the files with a manifest, under models/ and the model's name."""
        sums = {file: hashlib.sha256(content).hexdigest() for file, content in self.files.items()}
        manifest = json.dumps({"name": name, "files": sums | other_checksums}).encode()
        for file, content in (self.files | {"manifest.json": manifest}).items():
            self._s3.put_object(Bucket=BUCKET, Key=f"models/{name}/{file}", Body=content)


@pytest.fixture
def model(
    s3: Any, start: Callable[..., None], tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> PublishedModel:
    monkeypatch.setattr(store, "IMAGE_FOLDER", tmp_path / "no-image")
    return PublishedModel(s3, tiny_folder, start)


def embed_status() -> int:
    return open_answer(embed.handler({"text": "w6"}, None))[0]


@pytest.mark.usefixtures("published")
def test_a_published_model_is_fetched_once(
    model: PublishedModel, tiny_encoder: Encoder, asked: list[str], durable: list[bool]
) -> None:
    model.publish("some/model")
    model.start(HF_MODEL_URI="some/model")
    assert ids(BY_TEXT) == [1, 2, 3]
    assert store.current().encoder().fingerprint == tiny_encoder.fingerprint
    assert durable == [True] * (len(model.files) + 2)  # the index and the manifest
    asked.clear()
    model.start(HF_MODEL_URI="some/model")
    assert ids(BY_TEXT) == [1, 2, 3]
    assert set(asked) == {"HeadObject"}  # nothing is downloaded; once the encoder is known, it may ask again


def test_models_with_different_names_are_cached_side_by_side(model: PublishedModel, asked: list[str]) -> None:
    """Functions of the last deployment may still use the old one."""
    model.publish("some/model")
    model.publish("other/model")
    for name in ("some/model", "other/model", "some/model"):
        model.start(HF_MODEL_URI=name)
        assert store.current().encoder().name == name
    assert asked.count("GetObject") == 2 * (len(model.files) + 1)


def test_a_model_folder_gets_its_weights_last(
    model: PublishedModel, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container that finds the weights takes the folder to be complete, so moving fails at each file in turn."""
    model.publish("some/model")
    replace = os.replace
    for n_moved in range(len(model.files) + 1):
        moves = iter(range(n_moved))

        def fail_after(source: Path, target: Path, moves: Iterator[int] = moves) -> None:
            if next(moves, None) is None:
                raise OSError("the disk is broken")
            replace(source, target)

        with monkeypatch.context() as broken:
            broken.setattr(os, "replace", fail_after)
            model.start(HF_MODEL_URI="some/model")
            assert embed_status() == 503
        assert not list(cache.rglob("model.safetensors"))
    model.start(HF_MODEL_URI="some/model")
    assert embed_status() == 200


def test_while_one_container_downloads_a_model_the_others_wait_for_it(
    model: PublishedModel, cache: Path, asked: list[str]
) -> None:
    model.publish("some/model")
    model.start(HF_MODEL_URI="some/model")
    folder = cache / "model" / "some" / "model"
    folder.mkdir(parents=True)
    with ThreadPoolExecutor(1) as pool:
        with FileLock(folder / ".model.safetensors.lock"):
            answer: Future[int] = pool.submit(embed_status)
            sleep(0.3)
            assert not answer.done()
            for name, content in model.files.items():
                (folder / name).write_bytes(content)
        assert answer.result() == 200
    assert asked == []


def without_weights(files: dict[str, bytes]) -> None:
    del files["model.safetensors"]


def with_a_path_outside(files: dict[str, bytes]) -> None:
    files["../outside"] = b""


def unchanged(_: dict[str, bytes]) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "other_checksums", "problem"),
    [
        (without_weights, {}, "expected model.safetensors among the listed files"),
        (unchanged, {"config.json": "0" * 64}, "does not match its checksum in the manifest"),
        (with_a_path_outside, {}, "expected files inside the folder"),
    ],
)
def test_an_unusable_published_model_is_answered_with_503(
    model: PublishedModel, cache: Path, change: Callable[[dict[str, bytes]], None], other_checksums: dict[str, str],
    problem: str,
) -> None:  # fmt: skip
    change(model.files)
    model.publish("some/model", **other_checksums)
    model.start(HF_MODEL_URI="some/model")
    status, body = open_answer(embed.handler({"text": "w6"}, None))
    assert status == 503
    assert problem in body["msg"]
    assert not list(cache.rglob("outside"))
    assert not list(cache.rglob(f"{bucket.TEMPORARY}*"))


def test_a_model_that_is_not_published_is_answered_with_503(model: PublishedModel) -> None:
    model.start(HF_MODEL_URI="some/model")
    status, body = open_answer(embed.handler({"text": "w6"}, None))
    assert status == 503
    assert "the download failed: S3 answered 404" in body["msg"]
