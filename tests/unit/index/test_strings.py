"""A column of strings: what goes in comes out."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from incidents.index.strings import Strings


def bytes_of(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.uint8)


def test_strings_lie_one_after_another() -> None:
    column = Strings.pack(["ab", "", "é"])
    assert (column.utf8.tolist(), column.ends.tolist()) == ([97, 98, 0xC3, 0xA9], [2, 2, 4])
    assert len(column) == 3
    assert [column[position] for position in range(3)] == ["ab", "", "é"]


@pytest.mark.parametrize("strings", [[], [""], ["", "", ""]])
def test_a_column_without_a_character_is_one(strings: list[str]) -> None:
    column = Strings.pack(strings)
    assert (len(column), len(column.utf8)) == (len(strings), 0)
    assert [column[position] for position in range(len(column))] == strings


def test_lone_surrogates_become_question_marks() -> None:
    column = Strings.pack(["a\ud800b", "\udfff", "😀"])
    assert [column[position] for position in range(3)] == ["a?b", "?", "😀"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_strings_come_out_as_they_went_in(strings: list[str]) -> None:
    column = Strings.pack(iter(strings))
    assert [column[position] for position in range(len(column))] == strings


def test_a_position_beyond_the_last_is_an_error() -> None:
    with pytest.raises(IndexError):
        Strings.pack(["ab"])[1]


@pytest.mark.parametrize(
    ("utf8", "ends", "message"),
    [
        ("ab", torch.tensor([2]), "expected the bytes of strings to be torch.uint8 of shape (n,), got str"),
        (
            torch.tensor([97]),
            torch.tensor([1]),
            "the bytes of strings to be torch.uint8 of shape (n,), got torch.int64",
        ),
        (bytes_of(97).unsqueeze(0), torch.tensor(1), "the bytes of strings to be torch.uint8 of shape (n,), got"),
        (bytes_of(97), [1], "expected the ends of strings to be torch.int64 of shape (n,), got list"),
        (bytes_of(97), torch.tensor([1.0]), "expected the ends of strings to be torch.int64 of shape (n,), got"),
        (bytes_of(97, 98), torch.tensor([1]), "expected the last string to end at byte 2, got 1"),
        (bytes_of(97, 98), torch.tensor([3]), "expected the last string to end at byte 2, got 3"),
        (bytes_of(97), torch.tensor([], dtype=torch.int64), "expected the last string to end at byte 1, got 0"),
        (bytes_of(97, 98), torch.tensor([2, 1, 2]), "expected the ends of strings to ascend from 0, got descending"),
        (bytes_of(97, 98), torch.tensor([-1, 2]), "expected the ends of strings to ascend from 0, got descending"),
        (bytes_of(97), torch.tensor([2**63 - 1, -5, 1]), "expected the ends of strings to ascend from 0"),
    ],
)
def test_other_tensors_are_refused(utf8: torch.Tensor, ends: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the message is compared as it is)
        Strings(utf8, ends)
    assert message in str(caught.value)
