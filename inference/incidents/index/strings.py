"""A column of strings in two tensors: the unpickler of torch reads millions of characters as fast as one number."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from incidents.index.checks import check, check_tensor


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
        check_tensor("the bytes of strings", self.utf8, torch.uint8, (None,))
        check_tensor("the ends of strings", self.ends, torch.int64, (None,))
        bounds = torch.cat([self.ends.new_zeros(1), self.ends])
        check("the ends of strings to ascend from 0", bool((bounds[1:] >= bounds[:-1]).all()), "descending ones")
        check(f"the last string to end at byte {len(self.utf8)}", int(bounds[-1]) == len(self.utf8), int(bounds[-1]))

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
