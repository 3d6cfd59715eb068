"""Linear layers by oneDNN, where torch has it.

`torch.addmm`, `torch.mv` and `F.linear` go to MKL, which on AMD's CPUs is half as fast: 196 against 405 GFLOP/s on two
threads of an EPYC, and 2.4 times as long for a matrix and one vector. On Intel's a long text took as long by either.
The operators are those that torch's own compiler makes calls of; they have no public name. On ARM's CPUs they were
never measured, and torch chooses.
"""

import platform
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

IS_FASTER: Final[bool] = platform.machine() == "x86_64" and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
ONEDNN: Final[Any] = torch.ops.mkldnn._linear_pointwise if IS_FASTER else None  # noqa: SLF001


def round_up(n_rows: int) -> int:
    """The next number of rows, of which there are eight from any to its double, and none below 16 or in between.

    oneDNN makes machine code for every number of rows that it meets, takes a millisecond for it and keeps it, some
    0.6 MB for each layer: so there must not be many. At most an eighth of the rows are computed in vain.
    """
    step = max(16, _next_power_of_two(n_rows) // 16)
    return -(-n_rows // step) * step


def _next_power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Shape: inputs (n_rows, n_in), weight (n_out, n_in), bias (n_out,) -> (n_rows, n_out)."""
    if ONEDNN is None or not inputs.is_cpu:
        return F.linear(inputs, weight, bias)
    outputs: Tensor = ONEDNN(inputs, weight, bias, "none", [], "")
    return outputs


def matrix_vector(matrix: Tensor, vector: Tensor) -> Tensor:
    """Their product, by up to three blocks of a power of two rows each; the last may repeat a fifth of all at most.

    An index that is replaced has another number of rows than the one before, and oneDNN would keep code for each.

    Shape: matrix (n_rows, n) with at least one row, vector (n,) -> (n_rows,).
    """
    if ONEDNN is None:
        return torch.mv(matrix, vector)
    products, rest = [], matrix
    while len(rest) > len(matrix) // 4:
        block = rest[: _next_power_of_two(len(rest) + 1) // 2]
        products.append(linear(block, vector.unsqueeze(0), None).squeeze(1))
        rest = rest[len(block) :]
    if len(rest) > 0:
        block = matrix[-_next_power_of_two(len(rest)) :]
        products.append(linear(block, vector.unsqueeze(0), None).squeeze(1)[-len(rest) :])
    return torch.cat(products)


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
