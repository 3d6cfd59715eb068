"""Measure encoding, a cold start, ranking and loading, each side by side with a reference that does it the usual way.

The model has the configuration of allenai/longformer-base-4096 and random weights: neither speed nor exactness depends
on the values. Each ratio is named for what is divided by what, of medians; a spread is from the fastest to the slowest.
"""

import argparse
import ast
import csv
import json
import sys
import tempfile
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from torch.nn import functional as F
from transformers import LongformerConfig, LongformerModel

from incidents.index.file import load_index, save_index
from incidents.index.incident_index import EncoderInfo, IncidentIndex
from incidents.model.encoder import Encoder
from incidents.names import INDEX_FILENAME
from incidents.onednn import linear
from incidents.settings import settings
from scripts.benchmarks.cold_start import bench_cold_start
from scripts.benchmarks.report import machine, plot, report
from scripts.benchmarks.turns import Row, summarise, take_turns
from scripts.cli.paths import REPOSITORY

LENGTHS = (16, 64, 128, 257, 512, 1000, 2000, 4096)
INCIDENTS = (178, 1550, 10_000, 100_000, 1_000_000)
LOOP_INCIDENTS = 10_000
"""More incidents than this the Python loop does not get: it takes some ten seconds for a million."""
MATRIX = 4096
"""Rows and columns of the matrices whose product shows the machine's own rate."""
COLD_TOKENS = (1000, 4096)
"""Lengths of the text of a cold start: a usual report in the AI Incident Database, and the longest that is read."""
WIDTH, INTERMEDIATE, LAYERS, REACH = 768, 3072, 12, 256
SEED = 0
TOLERANCE = 1e-5
"""Largest difference to transformers' vectors that rounding may cause."""


def main() -> int:
    """Run the command line; the exit status is 1 when the encoder's vectors are not those of transformers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer sizes, in under a minute; writes no file")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "docs" / "bench", metavar="FOLDER")
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(settings().encoder_threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_model(folder)
        write_index(folder, 178)
        results: dict[str, Any] = {
            "machine": machine(),
            "encode": bench_encode(folder, (16, 128, 512) if arguments.quick else LENGTHS, arguments.quick),
            "cold start": bench_cold_start(
                folder, COLD_TOKENS[: 1 if arguments.quick else None], 2 if arguments.quick else 5
            ),
            "rank": bench_rank(INCIDENTS[: 3 if arguments.quick else None], 1 if arguments.quick else 3),
            "load": bench_load(folder),
        }
    report(results)
    if (worst := max(row["max difference"] for row in results["encode"])) > TOLERANCE:
        print(f"The encoder differs from transformers by {worst}, more than {TOLERANCE}", file=sys.stderr)
        return 1
    if not arguments.quick:
        arguments.output.mkdir(parents=True, exist_ok=True)
        (arguments.output / "bench.json").write_text(json.dumps(results, indent=1) + "\n")
        plot(results, arguments.output / "latency.png")
    return 0


def bench_encode(folder: Path, lengths: tuple[int, ...], quick: bool) -> list[Row]:
    """Token ids to CLS vector, against LongformerModel, and against two yardsticks.

    These are reading every layer's weights once, and doing the operations at the rate of one large matrix product.
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
            # Products by torch's own, and by the one that is used, which is faster on some machines.
            mm, onednn = partial(torch.mm, matrix, matrix), partial(linear, matrix, matrix, None)
            turns = take_turns(repetitions, ours=ours, transformers=theirs, reading=read_weights, mm=mm, onednn=onednn)
            row: Row = {"tokens": length, **summarise(turns)}
            row["transformers / ours"] = row["transformers ms"] / row["ours ms"]
            row["max difference"] = difference
            work = operations(length) / (2 * MATRIX**3)
            row["reading weights / ours"] = row["reading ms"] / row["ours ms"]
            row["products by mm / ours"] = work * row["mm ms"] / row["ours ms"]
            row["products by oneDNN / ours"] = work * row["onednn ms"] / row["ours ms"]
        rows.append(row)
    return rows


def operations(length: int) -> int:
    """Multiplications and additions that the cone of a text of `length` tokens needs."""
    needed = [min(length, 1 + REACH * (LAYERS - layer)) for layer in range(LAYERS + 1)]
    total = 0
    for inputs, outputs in pairwise(needed):
        pairs = sum(min(inputs, row + REACH + 1) - max(0, row - REACH) for row in range(outputs))
        total += 2 * WIDTH * (2 * inputs * WIDTH + 2 * outputs * WIDTH + 2 * outputs * INTERMEDIATE + 2 * pairs)
    return total


def bench_rank(sizes: tuple[int, ...], n_indexes: int) -> list[Row]:
    """The best three of n incidents, against one pass over the matrix, numpy's product with it, and a loop over it.

    Of several indexes one after the other, as it depends on where the system puts a large matrix how fast it is read.
    """
    rows = []
    for size in sizes:
        turns: dict[str, dict[str, list[float]]] = {}
        for _ in range(n_indexes):
            for reference, seconds in _rank_turns(make_index(size), torch.randn(WIDTH)).items():
                for name, values in seconds.items():
                    turns.setdefault(reference, {}).setdefault(name, []).extend(values)
        row: Row = {"incidents": size, **summarise(turns["one pass"])}
        row["ours / one pass"] = row["ours ms"] / row["one_pass ms"]
        with_numpy = row["turns with numpy, spread"] = summarise(turns["numpy"])
        row["ours / numpy"] = with_numpy["ours ms"] / with_numpy["numpy ms"]
        if "loop" in turns:
            with_loop = row["turns with the loop, spread"] = summarise(turns["loop"])
            row["loop / ours"] = with_loop["loop ms"] / with_loop["ours ms"]
        rows.append(row)
    return rows


def _rank_turns(index: IncidentIndex, query: torch.Tensor) -> dict[str, dict[str, list[float]]]:
    """Seconds by reference, each of which takes turns of its own.

    numpy's threads go on spinning after a product and slow what comes next; `make bench` sets OPENBLAS_THREAD_TIMEOUT
    so that they stop soon.
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
    """Rank the way it is done without thinking of speed: a cosine at a time, then a sort."""
    similarities = [F.cosine_similarity(query, vector, dim=-1).item() for vector in vectors]
    return sorted(zip(similarities, range(len(vectors)), strict=True), reverse=True)[:3]


def bench_load(folder: Path) -> list[Row]:
    """An index of 178 incidents, against a CSV file whose vectors are Python lists as text."""
    path, index = folder / "state.csv", load_index(folder / INDEX_FILENAME)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [i, vector] for i, vector in zip(index.ids.tolist(), index.vectors.tolist(), strict=True)
        )

    def load_csv() -> list[list[float]]:
        csv.field_size_limit(2**24)
        with path.open(newline="") as file:
            return [ast.literal_eval(vector) for _, vector in csv.reader(file)]

    row = summarise(take_turns(5, ours=lambda: load_index(folder / INDEX_FILENAME), csv=load_csv))
    return [{"incidents": len(index), **row, "csv / ours": row["csv ms"] / row["ours ms"]}]


def write_model(folder: Path) -> None:
    """Write a Longformer of the base model's shape, with random weights and a vocabulary of made-up words."""
    config = LongformerConfig(
        vocab_size=50_265, max_position_embeddings=4098, type_vocab_size=1, layer_norm_eps=1e-5, attention_window=512
    )
    LongformerModel(config, add_pooling_layer=False).save_pretrained(folder)
    words = {f"w{token}": token for token in range(4, 50_000)}
    tokenizer = Tokenizer(WordLevel({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3} | words, unk_token="<unk>"))  # noqa: S106
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.save(str(folder / "tokenizer.json"))


def write_index(folder: Path, size: int) -> None:
    """Write an index of random vectors that the model in the folder accepts."""
    save_index(make_index(size, Encoder.load(folder).fingerprint), folder / INDEX_FILENAME)


def make_index(size: int, fingerprint: str = "") -> IncidentIndex:
    """An index of random vectors."""
    return IncidentIndex(
        ids=torch.arange(1, size + 1),
        vectors=torch.randn(size, WIDTH),
        report_counts=torch.ones(size, dtype=torch.int64),
        titles=["a title"] * size,
        encoder=EncoderInfo("random", "", fingerprint, WIDTH, 4096),
        source="bench",
        built_at="2026-01-01T00:00:00+00:00",
    )


if __name__ == "__main__":
    sys.exit(main())
