"""The weights of a model folder: each tensor must have the name, shape and type that the configuration requires."""

from pathlib import Path

import pytest
import torch

from incidents.errors import InvalidModelError
from incidents.model.encoder import Encoder
from support.tiny import edit_weights


def test_a_tensor_with_another_shape_is_named(folder: Path) -> None:
    name = "encoder.layer.1.output.dense.weight"
    edit_weights(folder, lambda weights: weights.update({name: weights[name][:, :60].contiguous()}))
    with pytest.raises(InvalidModelError, match=rf"expected {name} to have shape \(32, 64\), got \(32, 60\)"):
        Encoder.load(folder)


def test_a_missing_tensor_is_named(folder: Path) -> None:
    edit_weights(folder, lambda weights: weights.pop("encoder.layer.2.attention.self.key.bias"))
    with pytest.raises(InvalidModelError, match=r"lacks the tensor encoder\.layer\.2\.attention\.self\.key\.bias"):
        Encoder.load(folder)


def test_a_tensor_with_another_type_is_named(folder: Path) -> None:
    name = "encoder.layer.1.output.dense.weight"
    edit_weights(folder, lambda weights: weights.update({name: weights[name].to(torch.int8)}))
    with pytest.raises(InvalidModelError, match=f"expected {name} to be of F32, F64, F16, BF16, got I8"):
        Encoder.load(folder)
