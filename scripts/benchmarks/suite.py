"""All measurements of `make bench`, with one random model."""

import tempfile
from pathlib import Path
from typing import Any, Final

import torch

from incidents.settings import settings
from scripts.benchmarks.cold_start import bench_cold_start
from scripts.benchmarks.encode import bench_encode
from scripts.benchmarks.random_model import write_index, write_model
from scripts.benchmarks.rank import bench_load, bench_rank
from scripts.benchmarks.report import machine

LENGTHS: Final = (16, 64, 128, 257, 512, 1000, 2000, 4096)
QUICK_LENGTHS: Final = (16, 128, 512)
INCIDENTS: Final = (178, 1550, 10_000, 100_000, 1_000_000)
COLD_TOKENS: Final = (1000, 4096)
"""Tokens of the text of a cold start: a usual report in the AI Incident Database, and the longest that is read."""
SEED: Final = 0


def measure(*, quick: bool) -> dict[str, Any]:
    """Results by measurement; `quick` takes fewer sizes and turns."""
    torch.manual_seed(SEED)
    torch.set_num_threads(settings().encoder_threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_model(folder)
        write_index(folder, 178)
        return {
            "machine": machine(),
            "encode": bench_encode(folder, QUICK_LENGTHS if quick else LENGTHS, quick),
            "cold start": bench_cold_start(folder, COLD_TOKENS[:1] if quick else COLD_TOKENS, 2 if quick else 5),
            "rank": bench_rank(INCIDENTS[:3] if quick else INCIDENTS, 1 if quick else 3),
            "load": bench_load(folder),
        }
