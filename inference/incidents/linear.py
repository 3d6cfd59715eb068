"""Linear layers by oneDNN, where torch has it.

`torch.addmm`, `torch.mv` and `F.linear` go to MKL, which on AMD's CPUs is half as fast: 196 against 405 GFLOP/s on two
threads of an EPYC, and 2.4 times as long for a matrix and one vector. On Intel's a long text took as long by either.
The operators are those that torch's own compiler makes calls of; they have no public name.
"""

from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

ONEDNN: Final[Any] = torch.ops.mkldnn._linear_pointwise if torch.backends.mkldnn.is_available() else None  # type: ignore[no-untyped-call]  # noqa: SLF001


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Shape: inputs (n_rows, n_in), weight (n_out, n_in), bias (n_out,) -> (n_rows, n_out)."""
    if ONEDNN is None or not inputs.is_cpu:
        return F.linear(inputs, weight, bias)
    outputs: Tensor = ONEDNN(inputs, weight, bias, "none", [], "")
    return outputs


def linear_gelu(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The exact GELU (Hendrycks and Gimpel 2016) of `linear`, of the same shape."""
    if ONEDNN is None or not inputs.is_cpu:
        return F.gelu(F.linear(inputs, weight, bias))
    outputs: Tensor = ONEDNN(inputs, weight, bias, "gelu", [], "none")
    return outputs


def linear_plus(inputs: Tensor, weight: Tensor, bias: Tensor, residual: Tensor) -> Tensor:
    """`linear` plus a residual of the same shape."""
    if ONEDNN is None or not inputs.is_cpu:
        return F.linear(inputs, weight, bias).add_(residual)
    outputs: Tensor = ONEDNN.binary(inputs, residual, weight, bias, "add")
    return outputs
