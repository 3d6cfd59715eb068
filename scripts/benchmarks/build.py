"""Measure embedding many texts against a loop with transformers, and a build that finds nothing new."""

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from transformers import AutoModel, PreTrainedTokenizerFast
from transformers.utils import logging

from incidents.model.config import read_config
from incidents.model.encoder import Encoder
from incidents.model.text import prepare
from incidents.settings import settings
from scripts.benchmarks.random_model import write_model
from scripts.benchmarks.report import machine
from scripts.benchmarks.turns import take_turns
from scripts.indexing.embedding import embed
from scripts.indexing.vector_cache import VectorCache

LONG_TOKENS: Final = 1000
LONG_TEXTS: Final = 8
SHORT_TEXTS: Final = 150
SEED: Final = 0


def measure(model: Path, source: str, texts: Sequence[str], turns: int) -> dict[str, Any]:
    """Embed short texts with a model, and long ones with a Longformer of random weights; rebuild without news.

    Short texts are a random sample of the `texts` of a source, which is named by `source`.
    """
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    random.seed(SEED)
    torch.manual_seed(SEED)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_model(folder)
        words = [[f"w{random.randrange(4, 50_000)}" for _ in range(LONG_TOKENS - 2)] for _ in range(LONG_TEXTS)]  # noqa: S311
        long_texts = [" ".join(text) for text in words]
        incident = {"incident_id": 1, "title": "", "reports": [{"text": text} for text in long_texts]}
        (folder / "incidents.jsonl").write_text(json.dumps(incident) + "\n")
        short = bench_embedding(model, random.sample(texts, SHORT_TEXTS), turns)
        rows = [
            {"texts": "short", "model": "minilm", **short},
            {"texts": "of 1,000 tokens", "model": "longformer", **bench_embedding(folder, long_texts, turns)},
        ]
        rebuild = {
            "minilm": bench_rebuild(model, source),
            "longformer": bench_rebuild(folder, f"jsonl:{folder / 'incidents.jsonl'}"),
        }
    return {"machine": machine(), "embed": rows, "rebuild": rebuild}


def bench_embedding(folder: Path, texts: list[str], turns: int) -> dict[str, Any]:
    """Reports per second."""
    texts = [prepare(text) for text in texts]
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
        with VectorCache(None, made_by="", width=config.width) as cache:
            keyed = [(cache.key(text), text) for text in texts]
            embed(keyed, cache, encoders[:n_encoders], texts_per_batch, lambda *_: None)
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


def bench_rebuild(folder: Path, source: str) -> float:
    """Seconds of a whole process that finds nothing new."""
    with tempfile.TemporaryDirectory() as temporary:
        files = ["--output", f"{temporary}/index.pt", "--cache", f"{temporary}/vectors.sqlite"]
        command = [sys.executable, "-m", "scripts.build_index", "build", "--model", str(folder), "--source", source]
        for _ in range(2):  # the second one finds nothing new
            started = time.perf_counter()
            subprocess.run([*command, *files], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
            seconds = time.perf_counter() - started
    return seconds
