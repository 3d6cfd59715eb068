"""Map the weights of a Hugging Face model folder into memory."""

from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from incidents.errors import InvalidModelError
from incidents.model.config import ModelConfig

WEIGHT_TYPES: Final = ("F32", "F64", "F16", "BF16")


def read_weights(path: Path, config: ModelConfig) -> dict[str, Tensor]:
    """Map the weights of a model folder into memory; float32 weights are read only when used.

    Names are those of `transformers`; a checkpoint's prefix such as "bert." is dropped. Tensors that the encoder does
    not need, such as a pooler, are skipped.

    Raises:
        InvalidModelError: the file is missing or damaged, or a tensor is missing or of another shape or type.
    """
    if not path.is_file():
        raise InvalidModelError(path, "missing; expected the model's weights as safetensors")
    weights = {}
    try:
        with safe_open(path, framework="pt") as file:
            stored = set(file.keys())
            prefix = f"{config.model_type}."
            if not any(name.startswith(prefix) for name in stored):
                prefix = ""
            if any(name.startswith(f"{prefix}encoder.layer.{config.n_layers}.") for name in stored):
                raise InvalidModelError(path, f"expected the {config.n_layers} layers of config.json, got more")
            for name, shape in _weight_shapes(config).items():
                if prefix + name not in stored:
                    raise InvalidModelError(path, f"lacks the tensor {name} of shape {shape}")
                header = file.get_slice(prefix + name)
                if (found := tuple(header.get_shape())) != shape:
                    raise InvalidModelError(path, f"expected {name} to have shape {shape}, got {found}")
                if (dtype := header.get_dtype()) not in WEIGHT_TYPES:
                    raise InvalidModelError(path, f"expected {name} to be of {', '.join(WEIGHT_TYPES)}, got {dtype}")
                weights[name] = file.get_tensor(prefix + name).to(torch.float32)
    except (SafetensorError, OSError) as error:
        raise InvalidModelError(path, "damaged or unreadable, expected a safetensors file") from error
    return weights


def _weight_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    width, intermediate_width = config.width, config.intermediate_width
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config.vocab_size, width),
        "embeddings.position_embeddings.weight": (config.n_positions, width),
        "embeddings.token_type_embeddings.weight": (config.n_token_types, width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
    }
    for layer in range(config.n_layers):
        for name, outputs, inputs in (
            ("attention.self.query", width, width),
            ("attention.self.key", width, width),
            ("attention.self.value", width, width),
            ("attention.output.dense", width, width),
            ("intermediate.dense", intermediate_width, width),
            ("output.dense", width, intermediate_width),
        ):
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (outputs, inputs)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (outputs,)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (width,)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (width,)
    return shapes
