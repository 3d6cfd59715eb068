"""Linear layers computed by oneDNN, where torch includes it.

`torch.addmm`, `torch.mv` and `F.linear` use MKL. On AMD CPUs, MKL reaches half the speed of oneDNN, and less for a
large matrix times one vector. On Intel CPUs, a long text takes equally long with either. oneDNN's operators are those
that torch's compiler calls; they have no public name. On ARM they are not measured, so torch chooses there.
"""

import platform
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

IS_FASTER: Final[bool] = platform.machine() == "x86_64" and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
ONEDNN: Final[Any] = torch.ops.mkldnn._linear_pointwise if IS_FASTER else None  # noqa: SLF001

FEW_ROWS: Final = 4096
"""Fewest rows for which oneDNN pays off; below, the extra call costs more than it saves."""


def round_up(n_rows: int) -> int:
    """The next allowed number of rows: a multiple of 16 up to 128, then one of eight sizes per doubling.

    That is at most an eighth more rows. oneDNN compiles machine code for each number of rows in about a millisecond
    and keeps it, about 0.6 MB each. Allowing few sizes limits both.
    """
    step = _step(n_rows)
    return -(-n_rows // step) * step


def _round_down(n_rows: int) -> int:
    """The largest allowed number of rows up to `n_rows`, which is at least 16."""
    step = _step(n_rows + 1)
    return n_rows // step * step


def _step(n_rows: int) -> int:
    next_power_of_two = 1 << (n_rows - 1).bit_length()
    return max(16, next_power_of_two // 16)


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Apply a linear layer.

    Shape: inputs (n_rows, n_in), weight (n_out, n_in), bias (n_out,) -> (n_rows, n_out).
    """
    if ONEDNN is None or not inputs.is_cpu:
        return F.linear(inputs, weight, bias)
    outputs: Tensor = ONEDNN(inputs, weight, bias, "none", [], "")
    return outputs


def matrix_vector(matrix: Tensor, vector: Tensor) -> Tensor:
    """Multiply a matrix with a vector.

    With oneDNN, it multiplies two blocks of allowed sizes, as each new index has another number of rows. The blocks
    overlap in at most a sixty-fourth of the rows.

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
    """`linear` followed by the exact GELU (Hendrycks and Gimpel 2016). Shapes as for `linear`."""
    if ONEDNN is None or not inputs.is_cpu:
        return F.gelu(F.linear(inputs, weight, bias))
    outputs: Tensor = ONEDNN(inputs, weight, bias, "gelu", [], "none")
    return outputs


def linear_plus(inputs: Tensor, weight: Tensor, bias: Tensor, residual: Tensor) -> Tensor:
    """`linear` plus a residual. Shape: residual (n_rows, n_out), the others as for `linear`."""
    if ONEDNN is None or not inputs.is_cpu:
        return F.linear(inputs, weight, bias).add_(residual)
    outputs: Tensor = ONEDNN.binary(inputs, residual, weight, bias, "add")
    return outputs
