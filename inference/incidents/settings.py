"""The settings that the service reads from its environment, once per process."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self, get_type_hints

from incidents.cpus import available_cpus


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting: its type, its help text and its default. Its variable is the field's name in capitals."""

    model_path: Annotated[
        Path | None, "The model folder to use, instead of the one in the image or on the model cache."
    ] = None
    index_path: Annotated[
        Path | None, "The index file to use, instead of the one in the model folder or on the model cache."
    ] = None
    transformers_cache: Annotated[
        Path | None,
        "A mounted folder, the model cache. It keeps the published index, and a model if the image has none.",
    ] = None
    hf_model_uri: Annotated[
        str, "The model's name on the Hugging Face hub. The model is published and cached under this name."
    ] = "allenai/longformer-base-4096"
    index_bucket: Annotated[
        str | None, "The S3 bucket with the published index and models. Without it, nothing is fetched."
    ] = None
    index_refresh_seconds: Annotated[
        int, "Seconds between two checks for a newer index. A check takes S3 about 20 ms."
    ] = 300
    encoder_threads: Annotated[
        int, "Number of threads to compute with. The default is the number of CPUs that the process can fully use."
    ]
    max_text_characters: Annotated[
        int,
        "Maximum length of a text, in characters; a longer one is answered with 413. 200,000 characters of English are "
        "about 40,000 tokens, ten times what Longformer reads. Some scripts, such as Korean, have up to 25 times as "
        "many tokens, which take seconds.",
    ] = 200_000
    max_body_bytes: Annotated[
        int,
        "Maximum size of a request's body, in bytes; a larger one is answered with 413. JSON takes up to 12 bytes per "
        "character, so the default admits every permitted text.",
    ] = 3_000_000

    @classmethod
    def from_mapping(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings; a variable that is missing or empty takes its default.

        Raises:
            ValueError: a number is invalid; the message names the variable.
        """
        values: dict[str, Any] = {"encoder_threads": available_cpus(environment)}
        for name, kind in get_type_hints(cls).items():
            variable = name.upper()
            if text := environment.get(variable):
                values[name] = _positive_int(variable, text) if kind is int else _path_or_text(kind, text)
        return cls(**values)


@cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings.from_mapping(os.environ)


def _path_or_text(kind: Any, text: str) -> Path | str:
    return Path(text) if kind == Path | None else text


def _positive_int(variable: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise ValueError(f"expected {variable} to be a positive whole number below a billion, got {text!r}")
    return int(text)
