"""Settings, and where the store looks for the model and the index."""

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_type_hints

import pytest
import torch

import similar
from incidents.cpus import available_cpus
from incidents.errors import InvalidIndexError, InvalidModelError
from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from incidents.model.encoder import Encoder
from incidents.settings import Settings
from incidents.store import current as current_module
from incidents.store.current import IMAGE_FOLDER, current


def test_every_setting_has_a_default_for_the_image() -> None:
    assert Settings.from_mapping({}) == Settings(
        model_path=None,
        index_path=None,
        transformers_cache=None,
        hf_model_uri="allenai/longformer-base-4096",
        index_bucket=None,
        index_refresh_seconds=300,
        encoder_threads=available_cpus({}),
        max_text_characters=200_000,
        max_body_bytes=3_000_000,
    )
    assert (IMAGE_FOLDER / "similar.py").is_file()


def test_every_setting_has_a_help_text() -> None:
    for name, kind in get_type_hints(Settings, include_extras=True).items():
        (text,) = kind.__metadata__
        assert text.endswith("."), name
        assert len(text) > 20, name


def test_settings_are_read_from_the_environment() -> None:
    environment = {
        "MODEL_PATH": "/a/model",
        "INDEX_PATH": "/an/index.pt",
        "TRANSFORMERS_CACHE": "/a/cache",
        "HF_MODEL_URI": "someone/model",
        "INDEX_BUCKET": "a-bucket",
        "INDEX_REFRESH_SECONDS": "60",
        "ENCODER_THREADS": "3",
        "MAX_TEXT_CHARACTERS": "7",
        "MAX_BODY_BYTES": "90",
    }
    assert Settings.from_mapping(environment) == Settings(
        model_path=Path("/a/model"),
        index_path=Path("/an/index.pt"),
        transformers_cache=Path("/a/cache"),
        hf_model_uri="someone/model",
        index_bucket="a-bucket",
        index_refresh_seconds=60,
        encoder_threads=3,
        max_text_characters=7,
        max_body_bytes=90,
    )
    assert set(environment) == {field.name.upper() for field in dataclasses.fields(Settings)}
    assert Settings.from_mapping(dict.fromkeys(environment, "")) == Settings.from_mapping({})


@pytest.mark.parametrize("key", ["INDEX_REFRESH_SECONDS", "MAX_TEXT_CHARACTERS", "MAX_BODY_BYTES", "ENCODER_THREADS"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "٣", "9" * 5000])
def test_an_invalid_number_is_named(key: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{key} to be a positive whole number below a billion, got '{value}'"):
        Settings.from_mapping({key: value})


@pytest.mark.parametrize(
    ("quota", "megabytes", "expected"),
    [
        ("max 100000", None, 6),
        ("", None, 6),
        ("max", None, 6),
        ("100000 0", None, 6),
        ("a b", None, 6),
        ("max 100000", "many", 6),
        ("250000 100000", None, 2),
        ("50000 100000", None, 1),
        ("max 100000", "1768", 1),
        ("max 100000", "3538", 2),
        ("max 100000", "8096", 4),
        ("max 100000", "10240", 6),
        ("150000 100000", "10240", 1),
        (None, None, 6),
    ],
)
def test_the_default_is_one_thread_per_full_cpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quota: str | None, megabytes: str | None, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    if quota is not None:
        (tmp_path / "cpu.max").write_text(quota)
    environment = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": megabytes} if megabytes else {}
    assert available_cpus(environment, tmp_path / "cpu.max") == expected


def test_torch_uses_the_set_number_of_threads(
    configure: Callable[..., None], tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    configure(MODEL_PATH=tiny_folder, ENCODER_THREADS="7")
    current().encoder()
    assert used == [7]


def test_model_and_index_are_found_on_the_cache(
    configure: Callable[..., None],
    tiny_folder: Path,
    tiny_encoder: Encoder,
    tiny_index: IncidentIndex,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(current_module, "IMAGE_FOLDER", tmp_path / "image")
    shutil.copytree(tiny_folder, tmp_path / "model" / "some" / "tiny")
    save_index(tiny_index, tmp_path / "model" / "incident_cls.pt")
    configure(TRANSFORMERS_CACHE=tmp_path, HF_MODEL_URI="some/tiny")
    assert current().encoder().fingerprint == tiny_encoder.fingerprint
    assert len(current().index(built_with=current().encoder())) == 4
    assert current().encoder() is current().encoder()
    assert current().index() is current().index()


def test_a_missing_model_and_a_missing_index_are_named(
    configure: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current_module, "IMAGE_FOLDER", tmp_path / "image")
    configure(TRANSFORMERS_CACHE=tmp_path, HF_MODEL_URI="no/model")
    with pytest.raises(InvalidModelError, match=r"model/model\.safetensors: missing; expected the weights"):
        current().encoder()
    with pytest.raises(InvalidIndexError, match=r"model/incident_cls\.pt: missing"):
        current().index()


def test_the_images_model_and_the_cached_index_come_first(
    configure: Callable[..., None], tiny_folder: Path, tiny_index: IncidentIndex, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(current_module, "IMAGE_FOLDER", tmp_path / "image")
    for place, model in (("cache", "model/tiny"), ("image", "model")):
        shutil.copytree(tiny_folder, tmp_path / place / model)
        (tmp_path / place / model / "manifest.json").write_text(f'{{"name": "{place}"}}')
        save_index(dataclasses.replace(tiny_index, source=place), tmp_path / place / "model" / "incident_cls.pt")
    configure(TRANSFORMERS_CACHE=tmp_path / "cache", HF_MODEL_URI="tiny")
    assert (current().encoder().name, current().index().source) == ("image", "cache")

    (tmp_path / "image" / "model" / "model.safetensors").unlink()
    (tmp_path / "cache" / "model" / "incident_cls.pt").unlink()
    configure(TRANSFORMERS_CACHE=tmp_path / "cache", HF_MODEL_URI="tiny")
    assert (current().encoder().name, current().index().source) == ("cache", "image")


@pytest.mark.parametrize("setting", ["MODEL_DIR", "MODEL_FILENAME", "INCIDENTS_FILENAME", "INDEX_KEY"])
def test_variables_of_the_original_service_change_no_file_name(
    configure: Callable[..., None], tiny_folder: Path, tiny_index: IncidentIndex, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, setting: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(current_module, "IMAGE_FOLDER", tmp_path)
    shutil.copytree(tiny_folder, tmp_path / "model")
    save_index(tiny_index, tmp_path / "model" / "incident_cls.pt")
    configure(TRANSFORMERS_CACHE=tmp_path / "cache", **{setting: "other"})
    answer = similar.handler({"text": "w5"}, None)
    assert answer["statusCode"] == 200, answer


def test_an_explicit_model_folder_also_has_the_index(
    configure: Callable[..., None], tiny_folder: Path, tiny_index: IncidentIndex, tmp_path: Path
) -> None:
    shutil.copytree(tiny_folder, tmp_path / "mine")
    save_index(tiny_index, tmp_path / "mine" / "incident_cls.pt")
    configure(MODEL_PATH=tmp_path / "mine")
    assert len(current().index(built_with=current().encoder())) == 4
