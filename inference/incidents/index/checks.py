"""Checks of the parts of an index; each message says what was expected and what came."""

from typing import Any

import torch
from torch import Tensor


def check(expected: str, holds: bool, got: object = "") -> None:
    """Require that something holds.

    Raises:
        ValueError: it does not; the message has `expected` and, unless it is empty, `got`.
    """
    if not holds:
        raise ValueError(f"expected {expected}" + (f", got {got}" if got != "" else ""))


def check_tensor(name: str, value: Any, dtype: torch.dtype, shape: tuple[int | None, ...]) -> None:
    """Require a dense tensor of this type and shape; None in the shape is any size.

    Raises:
        ValueError: the value is something else.
    """
    if isinstance(value, Tensor) and value.dim() == len(shape):
        sizes = [size if wanted is None else wanted for size, wanted in zip(value.shape, shape, strict=True)]
        if value.dtype == dtype and value.layout == torch.strided and value.shape == tuple(sizes):
            return
    wanted = f"{dtype} of shape {shape}".replace("None", "n")
    raise ValueError(f"expected {name} to be {wanted}, got {_describe(value)}")


def _describe(value: Any) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    layout = "" if value.layout == torch.strided else f", {value.layout}"
    return f"{value.dtype} of shape {tuple(value.shape)}{layout}"
