"""What a Lambda function reads from its environment, once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Self

from incidents.cpus import available_cpus

IMAGE_FOLDER = Path(__file__).resolve().parents[1]
"""Where the Lambda scripts are: /function in the image, inference/ in a checkout."""

IMAGE_WEIGHTS: Final = Path("model/model.safetensors")
IMAGE_INDEX: Final = Path("model/incident_cls.pt")
"""Where `make image` puts model and index, in IMAGE_FOLDER; no setting of a running function can rename them."""


@dataclass(frozen=True)
class Settings:
    """Where model and index are, and what the service accepts. A folder that is not set is None."""

    model_path: Path | None
    """MODEL_PATH: the model folder, outright."""
    index_path: Path | None
    """INDEX_PATH: the index file, outright; else it is looked for in the model folder."""
    cache_folder: Path | None
    """TRANSFORMERS_CACHE: the mounted file system for a newer index than the image has, or for a model it lacks."""
    model_dir: str
    """MODEL_DIR: the folder in the cache where the newer index is, and a model under its name on the hub."""
    model_filename: str
    """MODEL_FILENAME: the weights in a model folder but the image's; a folder without them is passed over."""
    incidents_filename: str
    """INCIDENTS_FILENAME: the index file's name, in the cache and in the folder that MODEL_PATH names."""
    hf_model_uri: str
    """HF_MODEL_URI: the model's name on the hub, by which it is published, under models/ in the bucket, and cached."""
    index_bucket: str | None
    """INDEX_BUCKET: the S3 bucket that indexes are published in, and the model; without it, nothing is fetched."""
    index_key: str
    """INDEX_KEY: the published index's name in the bucket."""
    index_refresh_seconds: int
    """INDEX_REFRESH_SECONDS: how often to look for a newer index, at most. A look takes some 20 ms of S3's time."""
    encoder_threads: int
    """ENCODER_THREADS: threads to compute with; by default as many as there are CPUs, see `available_cpus`."""
    max_text_characters: int
    """MAX_TEXT_CHARACTERS: longest text accepted. 200,000 is some 40,000 tokens of English, ten times what Longformer
    reads; of a script that is long in ASCII, such as Korean, up to 25 times as many, which take seconds to count."""
    max_body_bytes: int
    """MAX_BODY_BYTES: longest body accepted. JSON takes up to 12 bytes for a character, so every text fits."""

    @classmethod
    def from_mapping(cls, environment: Mapping[str, str]) -> Self:
        """Read settings; a key that is missing or empty takes its default.

        Raises:
            ValueError: a number is not one; the message names the key.
        """

        def get(key: str, default: str) -> str:
            return environment.get(key) or default

        def path(key: str) -> Path | None:
            return Path(value) if (value := environment.get(key)) else None

        return cls(
            model_path=path("MODEL_PATH"),
            index_path=path("INDEX_PATH"),
            cache_folder=path("TRANSFORMERS_CACHE"),
            model_dir=get("MODEL_DIR", "model"),
            model_filename=get("MODEL_FILENAME", "model.safetensors"),
            incidents_filename=get("INCIDENTS_FILENAME", "incident_cls.pt"),
            hf_model_uri=get("HF_MODEL_URI", "allenai/longformer-base-4096"),
            index_bucket=environment.get("INDEX_BUCKET") or None,
            index_key=get("INDEX_KEY", "incident_cls.pt"),
            index_refresh_seconds=_positive_int("INDEX_REFRESH_SECONDS", get("INDEX_REFRESH_SECONDS", "300")),
            encoder_threads=_positive_int("ENCODER_THREADS", get("ENCODER_THREADS", str(available_cpus(environment)))),
            max_text_characters=_positive_int("MAX_TEXT_CHARACTERS", get("MAX_TEXT_CHARACTERS", "200000")),
            max_body_bytes=_positive_int("MAX_BODY_BYTES", get("MAX_BODY_BYTES", "3000000")),
        )


@cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings.from_mapping(os.environ)


def _positive_int(key: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value) > 0):
        raise ValueError(f"expected {key} to be a positive whole number below a billion, got {value!r}")
    return int(value)
