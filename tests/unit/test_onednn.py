"""Products by oneDNN, which compiles code for each number of rows, so few different numbers are used."""

import pytest
import torch
from torch import Tensor

import incidents.onednn
from incidents.onednn import FEW_ROWS, matrix_vector, round_up


def test_rounding_up_costs_at_most_an_eighth_of_many_rows() -> None:
    sizes = {round_up(n_rows) for n_rows in range(1, 4097)}
    assert len(sizes) == 48
    assert all(n_rows <= round_up(n_rows) <= n_rows * 9 / 8 for n_rows in range(128, 4097))


def test_a_matrix_is_multiplied_with_a_vector_in_blocks_of_allowed_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def recorded(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        sizes.append(len(inputs))
        return linear(inputs, weight, bias)

    linear = incidents.onednn.linear
    monkeypatch.setattr(incidents.onednn, "linear", recorded)
    matrix, vector = torch.randn(4 * FEW_ROWS, 24), torch.randn(24)
    expected = matrix.double() @ vector.double()
    for n_rows in [1, 2, FEW_ROWS - 1, *range(FEW_ROWS, 4 * FEW_ROWS + 1, 63), 2 * FEW_ROWS, 4 * FEW_ROWS]:
        sizes.clear()
        product = matrix_vector(matrix[:n_rows], vector)
        assert product.shape == (n_rows,)
        assert torch.allclose(product.double(), expected[:n_rows], rtol=0, atol=1e-5), n_rows
        by_onednn = incidents.onednn.IS_FASTER and n_rows >= FEW_ROWS
        assert 1 <= len(sizes) <= 2 if by_onednn else sizes == []
        assert all(size == round_up(size) for size in sizes)
        assert sum(sizes) <= n_rows * 1.01
