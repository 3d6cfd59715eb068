"""Read the configuration of a Hugging Face model folder.

The folder has the layout of `transformers` (config.json, model.safetensors). Files of sentence-transformers may declare
the pooling and the token limit (modules.json, 1_Pooling/config.json, sentence_bert_config.json).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from incidents.errors import InvalidModelError

MODEL_TYPES = ("bert", "roberta", "longformer")
CONFIG_FILENAMES = ("config.json", "modules.json", "sentence_bert_config.json", "1_Pooling/config.json")
"""Files read besides the tokenizer and the weights. Only the first is required, but each changes the vectors."""
MIN_TOKENS = 3
"""The two special tokens around a text, and one token of the text."""


@dataclass(frozen=True)
class ModelConfig:
    """What determines a model's vectors, besides its weights and its tokenizer."""

    model_type: str
    n_layers: int
    n_heads: int
    width: int
    intermediate_width: int
    vocab_size: int
    n_positions: int
    n_token_types: int
    layer_norm_eps: float
    padding_token: int
    reach: tuple[int | None, ...]
    """For each layer, how many tokens on each side a token attends to; None means all."""
    pooling: Literal["cls", "mean"]
    normalized: bool
    token_limit: int
    """Longest input in tokens, including the special ones."""

    @property
    def counts_padding(self) -> bool:
        """Whether positions start after the padding token's id, as in RoBERTa and its descendants."""
        return self.model_type != "bert"


def read_config(folder: Path) -> ModelConfig:
    """Read and check the configuration files of a model folder.

    Raises:
        InvalidModelError: a file is missing, damaged or not supported by the encoder.
    """
    path = folder / "config.json"
    config = read_json_object(path)
    if (model_type := config.get("model_type")) not in MODEL_TYPES:
        raise InvalidModelError(path, f"expected model_type to be one of {', '.join(MODEL_TYPES)}, got {model_type!r}")
    for key, known in (("hidden_act", "gelu"), ("position_embedding_type", "absolute"), ("is_decoder", False)):
        if (value := config.get(key, known)) != known:
            raise InvalidModelError(path, f"expected {key} to be {known!r}, got {value!r}")

    n_layers = _positive_int(path, config, "num_hidden_layers")
    n_heads = _positive_int(path, config, "num_attention_heads")
    width = _positive_int(path, config, "hidden_size")
    if width % n_heads:
        raise InvalidModelError(path, f"expected hidden_size {width} to be a multiple of the {n_heads} attention heads")
    eps = config.get("layer_norm_eps")
    if not isinstance(eps, float) or not 0 < eps < 1:
        raise InvalidModelError(path, f"expected layer_norm_eps to be a float between 0 and 1, got {eps!r}")
    vocab_size = _positive_int(path, config, "vocab_size")
    padding_token = config.get("pad_token_id", 0 if model_type == "bert" else 1)
    if type(padding_token) is not int or not 0 <= padding_token < vocab_size:
        raise InvalidModelError(path, f"expected pad_token_id to be below {vocab_size}, got {padding_token!r}")
    n_positions = _positive_int(path, config, "max_position_embeddings")
    usable_positions = n_positions if model_type == "bert" else n_positions - padding_token - 1
    if usable_positions < MIN_TOKENS:
        raise InvalidModelError(path, f"expected max_position_embeddings for {MIN_TOKENS} tokens, got {n_positions}")
    pooling, normalized = _read_pooling(folder)
    return ModelConfig(
        model_type=str(model_type),
        n_layers=n_layers,
        n_heads=n_heads,
        width=width,
        intermediate_width=_positive_int(path, config, "intermediate_size"),
        vocab_size=vocab_size,
        n_positions=n_positions,
        n_token_types=_positive_int(path, config, "type_vocab_size"),
        layer_norm_eps=eps,
        padding_token=padding_token,
        reach=_reach(path, config, n_layers, n_positions) if model_type == "longformer" else (None,) * n_layers,
        pooling=pooling,
        normalized=normalized,
        token_limit=_read_token_limit(folder, usable_positions),
    )


def _reach(path: Path, config: dict[str, Any], n_layers: int, n_positions: int) -> tuple[int, ...]:
    """Half of each layer's attention_window, which counts both sides; a single number applies to every layer."""
    value = config.get("attention_window")
    windows: list[Any] = value if isinstance(value, list) else [value] * n_layers
    if len(windows) != n_layers or not all(type(w) is int and w > 0 and w % 2 == 0 for w in windows):
        raise InvalidModelError(
            path, f"expected attention_window to be an even number or a list of {n_layers} of them, got {value!r}"
        )
    return tuple(min(window // 2, n_positions) for window in windows)


def _read_pooling(folder: Path) -> tuple[Literal["cls", "mean"], bool]:
    """The pooling of token vectors, and whether the result is normalized to length 1."""
    modules_path = folder / "modules.json"
    if not modules_path.is_file():
        return "cls", False
    modules = _read_json(modules_path)
    if not isinstance(modules, list) or not all(isinstance(module, dict) for module in modules):
        raise InvalidModelError(modules_path, "expected a list of modules")
    kinds = [str(module.get("type")).rpartition(".")[2] for module in modules]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise InvalidModelError(modules_path, f"expected Transformer, Pooling and perhaps Normalize, got {kinds}")

    pooling_path = folder / str(modules[1].get("path")) / "config.json"
    options = read_json_object(pooling_path)
    modes = {name.removeprefix("pooling_mode_") for name, on in options.items() if "pooling_mode_" in name and on}
    if isinstance(mode := options.get("pooling_mode"), str):
        modes.add(mode)
    normalized = kinds[-1] == "Normalize"
    if modes in ({"cls_token"}, {"cls"}):
        return "cls", normalized
    if modes in ({"mean_tokens"}, {"mean"}):
        return "mean", normalized
    raise InvalidModelError(pooling_path, f"expected the pooling mode cls or mean, got {sorted(modes)}")


def _read_token_limit(folder: Path, usable_positions: int) -> int:
    path = folder / "sentence_bert_config.json"
    if not path.is_file():
        return usable_positions
    options = read_json_object(path)
    if options.get("do_lower_case"):
        raise InvalidModelError(path, "expected do_lower_case to be false: the tokenizer decides about case")
    limit = options.get("max_seq_length")
    if limit is None:
        return usable_positions
    if type(limit) is not int or not MIN_TOKENS <= limit <= usable_positions:
        raise InvalidModelError(
            path, f"expected max_seq_length to be from {MIN_TOKENS} to {usable_positions}, got {limit!r}"
        )
    return limit


def _positive_int(path: Path, config: dict[str, Any], key: str) -> int:
    value = config.get(key)
    if type(value) is not int or value < 1:
        raise InvalidModelError(path, f"expected {key} to be a positive number, got {value!r}")
    return value


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object that a file holds.

    Raises:
        InvalidModelError: it is missing, damaged or not a JSON object.
    """
    value = _read_json(path)
    if not isinstance(value, dict):
        raise InvalidModelError(path, f"expected a JSON object, got {type(value).__name__}")
    return value


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InvalidModelError(path, "missing; expected a file of a Hugging Face model folder") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidModelError(path, "damaged or unreadable, expected JSON") from error
