"""Measure building an index: reports per second, against a loop over texts with transformers, and a run without news.

What is compared takes turns within one run, so that a machine that is slow for a while is slow for all.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from rich.table import Table
from transformers import AutoModel, PreTrainedTokenizerFast
from transformers.utils import logging

from incidents.model.config import read_config
from incidents.model.encoder import Encoder
from incidents.model.text import prepare
from incidents.settings import settings
from scripts.bench import write_model
from scripts.benchmarks.report import machine
from scripts.benchmarks.turns import take_turns
from scripts.cli.paths import MODEL_FOLDER, REPOSITORY, SAMPLE
from scripts.indexing.embedding import PendingTexts, embed
from scripts.indexing.vector_cache import VectorCache
from scripts.sources.jsonl import JsonLines
from scripts.sources.plain_text import strip_markdown
from scripts.sources.snapshot import open_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

BUILD_INDEX = "scripts.build_index"
INCIDENTS = REPOSITORY.parent / "shared" / "data" / "aiid"
LONG_TOKENS = 1000
"""Of a usual report in the AI Incident Database."""
SEED = 0


def main() -> int:
    """Run the command line; the exit status is 1 when vectors are not those of transformers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3, metavar="N", help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "docs" / "bench" / "build.json", metavar="FILE")
    arguments = parser.parse_args()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    random.seed(SEED)
    torch.manual_seed(SEED)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_model(folder)
        long_texts = [" ".join(f"w{random.randrange(4, 50_000)}" for _ in range(LONG_TOKENS - 2)) for _ in range(8)]  # noqa: S311
        rows = [
            {"texts": "short", "model": "minilm", **bench_embedding(MODEL_FOLDER, short_texts(), arguments.turns)},
            {"texts": "of 1,000 tokens", "model": "longformer", **bench_embedding(folder, long_texts, arguments.turns)},
        ]
        results = {"machine": machine(), "embed": rows, "rebuild": bench_rebuild(folder, long_texts)}
    console = Console(width=None if sys.stdout.isatty() else 120, markup=False, highlight=False)
    table = Table("", *(str(row["texts"]) for row in rows))
    for name in list(rows[0])[1:]:
        table.add_row(name, *(f"{row[name]:.3g}" if isinstance(row[name], float) else row[name] for row in rows))
    console.print(table)
    console.print(f"seconds without news: {results['rebuild']}")
    arguments.output.write_text(json.dumps(results, indent=1) + "\n")
    return int(any(row["max difference"] > 1e-5 for row in rows))


def short_texts() -> list[str]:
    """Titles and descriptions of real incidents where they are, else the sample's reports."""
    if INCIDENTS.is_dir():
        with open_snapshot(str(INCIDENTS), INCIDENTS) as source:
            texts = [report.text for incident in source.incidents() for report in source.reports(incident)]
    else:
        sample = JsonLines(SAMPLE, "sample")
        texts = [report.text for incident in sample.incidents() for report in sample.reports(incident)]
    return random.sample([prepare(strip_markdown(text)) for text in texts], 150)


def bench_embedding(folder: Path, texts: list[str], turns: int) -> dict[str, Any]:
    """Reports per second."""
    threads = settings().encoder_threads
    encoders = [Encoder.load(folder) for _ in range(threads)]
    config = read_config(folder)
    model: Any = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))  # type: ignore[no-untyped-call]

    @torch.inference_mode()
    def loop() -> list[torch.Tensor]:
        torch.set_num_threads(threads)
        vectors = []
        for text in texts:
            inputs = tokenizer(text, truncation=True, max_length=config.token_limit, return_tensors="pt")
            hidden = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).last_hidden_state[0]
            vectors.append(hidden[0] if config.pooling == "cls" else hidden.mean(dim=0))
        return [torch.nn.functional.normalize(vector, dim=0) if config.normalized else vector for vector in vectors]

    def ours(n_encoders: int, texts_per_batch: int) -> list[torch.Tensor]:
        with PendingTexts() as pending, VectorCache(None, fingerprint="", width=config.width) as cache:
            for text in texts:
                pending.add(cache.key(text), text)
            embed(pending, cache, encoders[:n_encoders], texts_per_batch, lambda *_: None)
            return [cache.get(cache.key(text)).vector for text in texts]

    difference = max((a - b).abs().max().item() for a, b in zip(ours(threads, 1), loop(), strict=True))
    contestants: dict[str, Callable[[], object]] = {
        "ours": partial(ours, threads, 1),
        "one worker": partial(ours, 1, 1),
        "batches of 16": partial(ours, threads, 16),
        "loop": loop,
    }
    seconds = {name: statistics.median(values) for name, values in take_turns(turns, **contestants).items()}
    speeds = {f"{name}, reports/s": len(texts) / value for name, value in seconds.items()}
    ratios = {f"ours / {name}": seconds[name] / seconds["ours"] for name in contestants if name != "ours"}
    return speeds | ratios | {"max difference": difference}


def bench_rebuild(longformer: Path, long_texts: list[str]) -> dict[str, float]:
    """Seconds of a whole process that finds nothing new."""
    incidents = longformer / "incidents.jsonl"
    incidents.write_text(
        "".join(
            json.dumps({"incident_id": number, "title": "", "reports": [{"text": text}]}) + "\n"
            for number, text in enumerate(long_texts, start=1)
        )
    )
    real = f"snapshot:{INCIDENTS}" if INCIDENTS.is_dir() else "sample"
    seconds = {}
    for name, folder, source in (("minilm", MODEL_FOLDER, real), ("longformer", longformer, f"jsonl:{incidents}")):
        with tempfile.TemporaryDirectory() as temporary:
            files = ["--output", f"{temporary}/index.pt", "--cache", f"{temporary}/vectors.sqlite"]
            command = [sys.executable, "-m", BUILD_INDEX, "--model", str(folder), "--source", source, *files]
            for _ in range(2):  # the second one finds nothing new
                started = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
                seconds[name] = time.perf_counter() - started
    return seconds


if __name__ == "__main__":
    sys.exit(main())
