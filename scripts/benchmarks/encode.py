"""Measure encoding against transformers, and against what the machine can do."""

from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

import torch
from transformers import LongformerModel

from incidents.model.encoder import Encoder
from incidents.onednn import linear
from scripts.benchmarks.random_model import INTERMEDIATE, LAYERS, REACH, WIDTH
from scripts.benchmarks.turns import Row, summarize, take_turns

MATRIX: Final = 4096
"""Rows and columns of the matrices whose product shows the machine's own rate."""


def bench_encode(folder: Path, lengths: tuple[int, ...], quick: bool) -> list[Row]:
    """Time token ids to CLS vector, against LongformerModel and against two bounds.

    The bounds are reading every layer's weights once, and doing the operations at the rate of one large matrix product.
    """
    reference = LongformerModel.from_pretrained(folder, add_pooling_layer=False).eval()  # type: ignore[no-untyped-call]
    transformer = Encoder.load(folder).transformer
    matrix = torch.randn(MATRIX, MATRIX)
    needed = [weight for name, weight in reference.named_parameters() if "encoder" in name and "global" not in name]

    def read_weights() -> list[torch.Tensor]:
        return [weight.sum() for weight in needed]

    rows = []
    for length in lengths:
        tokens = [0, *torch.randint(4, 50_000, (length - 2,)).tolist(), 2]
        repetitions = 2 if quick else 9 if length <= 1000 else 5
        with torch.inference_mode():
            ours = partial(transformer, [tokens])
            theirs = partial(reference, torch.tensor([tokens]))
            difference = (ours()[0][0] - theirs().last_hidden_state[0, 0]).abs().max().item()
            # Products by torch's own function, and by the one that is used, which is faster on some machines.
            mm, onednn = partial(torch.mm, matrix, matrix), partial(linear, matrix, matrix, None)
            turns = take_turns(repetitions, ours=ours, transformers=theirs, reading=read_weights, mm=mm, onednn=onednn)
            row: Row = {"tokens": length, **summarize(turns)}
            row["transformers / ours"] = row["transformers ms"] / row["ours ms"]
            row["max difference"] = difference
            work = operations(length) / (2 * MATRIX**3)
            row["reading weights / ours"] = row["reading ms"] / row["ours ms"]
            row["products by mm / ours"] = work * row["mm ms"] / row["ours ms"]
            row["products by oneDNN / ours"] = work * row["onednn ms"] / row["ours ms"]
        rows.append(row)
    return rows


def operations(length: int) -> int:
    """Multiplications and additions in the dependency cone of a text of `length` tokens."""
    needed = [min(length, 1 + REACH * (LAYERS - layer)) for layer in range(LAYERS + 1)]
    total = 0
    for inputs, outputs in pairwise(needed):
        pairs = sum(min(inputs, row + REACH + 1) - max(0, row - REACH) for row in range(outputs))
        total += 2 * WIDTH * (2 * inputs * WIDTH + 2 * outputs * WIDTH + 2 * outputs * INTERMEDIATE + 2 * pairs)
    return total
