"""Linear layers by oneDNN, where torch has it.

`torch.addmm`, `torch.mv` and `F.linear` go to MKL, which on AMD's CPUs has half of oneDNN's rate, and takes over twice
as long for a large matrix and one vector. On Intel's a long text took as long by either. The operators are those that
torch's own compiler makes calls of; they have no public name. On ARM's CPUs they were never measured, and torch
chooses.
"""

import platform
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

IS_FASTER: Final[bool] = platform.machine() == "x86_64" and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
ONEDNN: Final[Any] = torch.ops.mkldnn._linear_pointwise if IS_FASTER else None  # noqa: SLF001

FEW_ROWS: Final = 4096
"""Of a matrix that is multiplied with a vector: with fewer, what is gained, microseconds, is lost on further calls."""


def round_up(n_rows: int) -> int:
    """The next of few numbers of rows: multiples of 16 up to 128, then eight to a doubling, an eighth more at most.

    oneDNN makes machine code for every number of rows that it meets, takes a millisecond for it and keeps it, some
    0.6 MB each: so there must not be many.
    """
    step = _step(n_rows)
    return -(-n_rows // step) * step


def _round_down(n_rows: int) -> int:
    """The largest of these numbers that is not more; `n_rows` is at least 16."""
    step = _step(n_rows + 1)
    return n_rows // step * step


def _step(n_rows: int) -> int:
    next_power_of_two = 1 << (n_rows - 1).bit_length()
    return max(16, next_power_of_two // 16)


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Shape: inputs (n_rows, n_in), weight (n_out, n_in), bias (n_out,) -> (n_rows, n_out)."""
    if ONEDNN is None or not inputs.is_cpu:
        return F.linear(inputs, weight, bias)
    outputs: Tensor = ONEDNN(inputs, weight, bias, "none", [], "")
    return outputs


def matrix_vector(matrix: Tensor, vector: Tensor) -> Tensor:
    """Their product; for oneDNN in two blocks of rounded numbers of rows, as every new index has other rows.

    The second starts before the first has ended, over a sixty-fourth of the rows at most.

    Shape: matrix (n_rows, n), vector (n,) -> (n_rows,), float32.
    """
    n_rows = len(matrix)
    if ONEDNN is None or not matrix.is_cpu or n_rows < FEW_ROWS:
        return torch.mv(matrix, vector)
    weight = vector.unsqueeze(0)
    first = linear(matrix[: _round_down(n_rows)], weight, None).squeeze(1)
    if (rest := n_rows - len(first)) == 0:
        return first
    last = linear(matrix[-round_up(rest) :], weight, None).squeeze(1)
    return torch.cat([first, last[-rest:]])


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
