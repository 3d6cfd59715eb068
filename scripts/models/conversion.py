"""Convert a model of `transformers` to a folder that `Encoder.load` reads, and check that their vectors agree."""

import shutil
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils import logging

from incidents.model.config import CONFIG_FILENAMES, read_config
from incidents.model.encoder import Encoder
from incidents.model.text import prepare

TEXTS: Final = (
    "A robot.",
    "Two self-driving cars \u2013 \u201crobotaxis\u201d \u2013 hit one pickup.\n\nCaf\u00e9, na\u00efve, \u5317\u4eac.",
    " ".join(f"Sentence {n} of a long report on a chatbot, a camera and {n} witnesses." for n in range(500)),
)
"""A short text, one with characters to transliterate, and one longer than most models read."""
TOLERANCE: Final = 1e-5
"""Largest difference that rounding may cause, relative to the vector's largest number."""


class DifferentVectorsError(Exception):
    """The converted model does not give the vectors of the original."""


def convert(source: Path, folder: Path) -> tuple[str, ...]:
    """Write the converted model of `source` into `folder` and return the names of its files.

    Weights that do not affect the vectors are dropped: the pooler, the projections for global attention, and heads
    for other tasks.

    Raises:
        InvalidModelError: the encoder does not support this kind of model.
        DifferentVectorsError: the encoder and `transformers` give different vectors for a text.
        OSError: `source` lacks a file, or the disk is full.
        ValueError: the weights are damaged or lack a tensor.
    """
    read_config(source)
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    copied = tuple(name for name in CONFIG_FILENAMES if (source / name).is_file())
    for name in copied:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, folder / name)
    if (source / "tokenizer.json").is_file():
        shutil.copyfile(source / "tokenizer.json", folder / "tokenizer.json")
    else:
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True).backend_tokenizer
        # The tokenizer's own save raises a bare Exception on a full disk.
        (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=True), encoding="utf-8")
    model, loading = _load(source)
    if loading["missing_keys"] or loading["mismatched_keys"]:
        lacking = sorted(loading["missing_keys"]) + sorted(loading["mismatched_keys"])
        raise ValueError(f"{source}: the weights lack {', '.join(map(str, lacking[:3]))}")
    needed = {name: weight.detach() for name, weight in model.named_parameters() if "_global." not in name}
    try:
        save_file({name: weight.contiguous() for name, weight in needed.items()}, folder / "model.safetensors")
    except SafetensorError as error:
        raise OSError(f"model.safetensors cannot be written: {error}") from error
    _compare(model.eval(), folder)
    return (*copied, "tokenizer.json", "model.safetensors")


def _load(source: Path) -> tuple[Any, dict[str, Any]]:
    options = {"local_files_only": True, "add_pooling_layer": False, "dtype": torch.float32}
    try:
        model, loading = AutoModel.from_pretrained(source, output_loading_info=True, **options)
    except OSError:
        raise
    except Exception as error:  # damaged weights can raise anything
        raise ValueError(
            f"{source}: expected weights, got a file that is damaged, unknown or would run code"
        ) from error
    return model, loading


@torch.inference_mode()
def _compare(model: Any, folder: Path) -> None:
    config, encoder = read_config(folder), Encoder.load(folder)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))  # type: ignore[no-untyped-call]
    for text in TEXTS:
        inputs = tokenizer(prepare(text), truncation=True, max_length=config.token_limit, return_tensors="pt")
        hidden = model(**{name: inputs[name] for name in ("input_ids", "attention_mask")}).last_hidden_state[0]
        expected = hidden[0] if config.pooling == "cls" else hidden.mean(dim=0)
        expected = F.normalize(expected, dim=0) if config.normalized else expected
        difference = (encoder.encode(text).vector - expected).abs().max() / expected.abs().max()
        if not difference <= TOLERANCE:  # a NaN fails too
            raise DifferentVectorsError(
                f"expected the vectors of transformers, got vectors that differ by {difference:.1g}"
            )
