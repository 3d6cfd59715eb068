"""What a Lambda function reads from its environment, once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from incidents.cpus import available_cpus


@dataclass(frozen=True)
class Settings:
    """Where model and index are, and what the service accepts. A path or bucket that is not set is None."""

    model_path: Path | None
    """MODEL_PATH: the model folder to use, instead of the image's or the cached one."""
    index_path: Path | None
    """INDEX_PATH: the index file to use; by default the one in the model folder."""
    cache_folder: Path | None
    """TRANSFORMERS_CACHE: the mounted file system for a newer index than the image's, or for a model it lacks."""
    hf_model_uri: str
    """HF_MODEL_URI: the model's name on the hub; the model is published as models/NAME and cached under that name."""
    index_bucket: str | None
    """INDEX_BUCKET: the S3 bucket that indexes and models are published in; without it, nothing is fetched."""
    index_refresh_seconds: int
    """INDEX_REFRESH_SECONDS: seconds between two looks for a newer index. A look takes some 20 ms of S3's time."""
    encoder_threads: int
    """ENCODER_THREADS: threads to compute with; by default as many as there are CPUs, see `available_cpus`."""
    max_text_characters: int
    """MAX_TEXT_CHARACTERS: longest text accepted. 200,000 characters are some 40,000 tokens of English, ten times what
    Longformer reads; a script that is long in ASCII, such as Korean, can have 25 times as many, which take seconds."""
    max_body_bytes: int
    """MAX_BODY_BYTES: longest body accepted. JSON takes up to 12 bytes for a character, so every text fits."""

    @classmethod
    def from_mapping(cls, environment: Mapping[str, str]) -> Self:
        """Read settings; a key that is missing or empty takes its default.

        Raises:
            ValueError: a number is invalid; the message names the key.
        """

        def path(key: str) -> Path | None:
            return Path(value) if (value := environment.get(key)) else None

        def number(key: str, default: int) -> int:
            return _positive_int(key, environment.get(key) or str(default))

        return cls(
            model_path=path("MODEL_PATH"),
            index_path=path("INDEX_PATH"),
            cache_folder=path("TRANSFORMERS_CACHE"),
            hf_model_uri=environment.get("HF_MODEL_URI") or "allenai/longformer-base-4096",
            index_bucket=environment.get("INDEX_BUCKET") or None,
            index_refresh_seconds=number("INDEX_REFRESH_SECONDS", 300),
            encoder_threads=number("ENCODER_THREADS", available_cpus(environment)),
            max_text_characters=number("MAX_TEXT_CHARACTERS", 200_000),
            max_body_bytes=number("MAX_BODY_BYTES", 3_000_000),
        )


@cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings.from_mapping(os.environ)


def _positive_int(key: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value) > 0):
        raise ValueError(f"expected {key} to be a positive whole number below a billion, got {value!r}")
    return int(value)
