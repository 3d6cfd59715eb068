"""A column of strings in two tensors: the unpickler of torch reads millions of characters as fast as one number."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Strings:
    """Strings, decoded one at a time.

    Shape: utf8 (n_bytes,), uint8, the strings one after another; ends (n_strings,), int64, where each one ends.

    Raises:
        ValueError: the tensors are not such a column.
    """

    utf8: Tensor
    ends: Tensor

    def __post_init__(self) -> None:
        if self.utf8.dtype != torch.uint8 or self.ends.dtype != torch.int64 or self.utf8.dim() + self.ends.dim() != 2:
            raise ValueError("expected strings as bytes and their ends, got other tensors")
        bounds = torch.cat([self.ends.new_zeros(1), self.ends, self.ends.new_tensor([len(self.utf8)])])
        if bool((bounds.diff() < 0).any()) or int(bounds[-2]) != len(self.utf8):
            raise ValueError("expected the ends of strings in ascending order, up to the last byte")

    @classmethod
    def pack(cls, strings: Iterable[str]) -> Self:
        """A column of these strings; lone surrogates become question marks."""
        encoded = [string.encode("utf-8", "replace") for string in strings]
        ends = torch.tensor([len(string) for string in encoded], dtype=torch.int64).cumsum(0)
        return cls(torch.frombuffer(bytearray(b"".join(encoded)), dtype=torch.uint8).clone() if ends.any() else
                   torch.empty(0, dtype=torch.uint8), ends)  # fmt: skip

    def __len__(self) -> int:
        """The number of strings."""
        return len(self.ends)

    def __getitem__(self, position: int) -> str:
        """The string at a position from 0."""
        start = int(self.ends[position - 1]) if position else 0
        return bytes(self.utf8[start : int(self.ends[position])].tolist()).decode("utf-8", "replace")
