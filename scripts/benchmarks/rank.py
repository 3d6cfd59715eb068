"""Measure ranking and loading an index, against numpy, a Python loop and a CSV file."""

import ast
import csv
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch.nn import functional as F

from incidents.index.file import load_index
from incidents.index.incident_index import IncidentIndex
from incidents.names import INDEX_FILENAME
from scripts.benchmarks.random_model import WIDTH, make_index
from scripts.benchmarks.turns import Row, summarize, take_turns

LOOP_INCIDENTS: Final = 10_000
"""Most incidents for the Python loop, which takes ten seconds for a million."""


def bench_rank(sizes: tuple[int, ...], n_indexes: int) -> list[Row]:
    """Time the best three of n incidents, against one pass over the matrix, numpy's product with it, and a loop.

    Several indexes of a size take turns: how fast a large matrix is read depends on where the system puts it.
    """
    rows = []
    for size in sizes:
        turns: dict[str, dict[str, list[float]]] = {}
        for _ in range(n_indexes):
            for reference, seconds in _rank_turns(make_index(size), torch.randn(WIDTH)).items():
                for name, values in seconds.items():
                    turns.setdefault(reference, {}).setdefault(name, []).extend(values)
        row: Row = {"incidents": size, **summarize(turns["one pass"])}
        row["ours / one pass"] = row["ours ms"] / row["one_pass ms"]
        with_numpy = row["turns with numpy, spread"] = summarize(turns["numpy"])
        row["ours / numpy"] = with_numpy["ours ms"] / with_numpy["numpy ms"]
        if "loop" in turns:
            with_loop = row["turns with the loop, spread"] = summarize(turns["loop"])
            row["loop / ours"] = with_loop["loop ms"] / with_loop["ours ms"]
        rows.append(row)
    return rows


def _rank_turns(index: IncidentIndex, query: torch.Tensor) -> dict[str, dict[str, list[float]]]:
    """Seconds by reference; each reference takes its own turns.

    numpy's threads keep spinning after a product and slow what comes next; `make bench` sets OPENBLAS_THREAD_TIMEOUT so
    that they stop soon.
    """
    ours = partial(index.rank, query, 3)
    turns = {
        "one pass": take_turns(9, ours=ours, one_pass=index.vectors.sum),
        "numpy": take_turns(9, ours=ours, numpy=partial(np.matmul, index.vectors.numpy(), query.numpy())),
    }
    if len(index) <= LOOP_INCIDENTS:
        turns["loop"] = take_turns(9, ours=ours, loop=partial(rank_in_a_loop, index.vectors, query))
    return turns


def rank_in_a_loop(vectors: torch.Tensor, query: torch.Tensor) -> list[tuple[float, int]]:
    """Rank naively: one cosine at a time, then a sort."""
    similarities = [F.cosine_similarity(query, vector, dim=-1).item() for vector in vectors]
    return sorted(zip(similarities, range(len(vectors)), strict=True), reverse=True)[:3]


def bench_load(folder: Path) -> list[Row]:
    """Time loading an index of 178 incidents, against a CSV file whose vectors are Python lists as text."""
    path, index = folder / "state.csv", load_index(folder / INDEX_FILENAME)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [i, vector] for i, vector in zip(index.ids.tolist(), index.vectors.tolist(), strict=True)
        )

    def load_csv() -> list[list[float]]:
        csv.field_size_limit(2**24)
        with path.open(newline="") as file:
            return [ast.literal_eval(vector) for _, vector in csv.reader(file)]

    row = summarize(take_turns(5, ours=lambda: load_index(folder / INDEX_FILENAME), csv=load_csv))
    return [{"incidents": len(index), **row, "csv / ours": row["csv ms"] / row["ours ms"]}]
