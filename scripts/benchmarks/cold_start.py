"""Measure a process from its start to its first answer: with a handler, with transformers, and importing torch only."""

import os
import select
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, cast

import torch

from incidents.names import INDEX_FILENAME
from incidents.store.current import IMAGE_FOLDER
from scripts.benchmarks.turns import Row, summarize, take_turns

POLL_SECONDS = 0.002
"""Between two readings of a process's memory."""
MEMORY = {"resident": "VmHWM", "private": "RssAnon"}
"""The kinds of memory, and their names in /proc/[pid]/status, see proc(5)."""

MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
"""What the image sets for the handlers, see inference/Dockerfile."""

COLD_OURS = """
import contextlib, sys
sys.modules["numpy"] = None  # the image has none
import similar
with contextlib.redirect_stdout(sys.stderr):  # its metrics go to standard output
    answer = similar.handler({"text": sys.stdin.read()}, None)
assert answer["statusCode"] == 200, answer
print(flush=True)
"""
COLD_REFERENCE = """
import os, sys
import torch
from transformers import LongformerModel, PreTrainedTokenizerFast
torch.set_num_threads(int(os.environ["ENCODER_THREADS"]))
folder = os.environ["MODEL_PATH"]
model = LongformerModel.from_pretrained(folder, add_pooling_layer=False).eval()
tokenizer = PreTrainedTokenizerFast(tokenizer_file=folder + "/tokenizer.json")
index = torch.load(os.environ["INDEX_PATH"], weights_only=True)
with torch.inference_mode():
    vector = model(**tokenizer(sys.stdin.read(), return_tensors="pt")).last_hidden_state[0, 0]
torch.nn.functional.cosine_similarity(index["vectors"], vector.unsqueeze(0)).topk(3)
print(flush=True)
"""
COLD_TORCH = """
import torch
print(flush=True)
"""


def bench_cold_start(folder: Path, lengths: tuple[int, ...], repetitions: int) -> list[Row]:
    """Time a process from its start to its first answer, and its peak memory, beside one that only imports torch.

    Resident memory includes pages of files, which the system may drop at any time; private memory does not.
    """
    return [_bench_cold_start(folder, length, repetitions) for length in lengths]


def _bench_cold_start(folder: Path, length: int, repetitions: int) -> Row:
    text = " ".join(f"w{token}" for token in torch.randint(4, 50_000, (length - 2,)).tolist())
    environment = {name: value for name, value in os.environ.items() if name not in MALLOC} | {
        "PYTHONPATH": str(IMAGE_FOLDER),
        "MODEL_PATH": str(folder),
        "INDEX_PATH": str(folder / INDEX_FILENAME),
        "ENCODER_THREADS": str(torch.get_num_threads()),
    }
    peaks: dict[str, list[dict[str, int]]] = {"ours": [], "transformers": [], "torch": []}

    def run(name: str, program: str) -> None:
        command = [sys.executable, "-W", "ignore", "-c", program]
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment | (MALLOC if name == "ours" else {}),
                text=True,
            )
            with process:
                stdin, stdout = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
                stdin.write(text)
                stdin.close()
                most = dict.fromkeys(MEMORY, 0)
                while not select.select([stdout], [], [], POLL_SECONDS)[0]:
                    most = {kind: max(most[kind], now) for kind, now in _kilobytes(process.pid).items()}
                answer = stdout.readline()
                process.kill()  # what follows the answer is not measured
            if not answer:
                log.seek(0)
                raise RuntimeError(f"expected an answer from {name}, got: {log.read()}")
            peaks[name].append(most)

    seconds = take_turns(
        repetitions,
        ours=lambda: run("ours", COLD_OURS),
        transformers=lambda: run("transformers", COLD_REFERENCE),
        torch=lambda: run("torch", COLD_TORCH),
    )
    row: Row = {"tokens": length, **summarize(seconds)}
    row["transformers / ours"] = row["transformers ms"] / row["ours ms"]
    for kind in MEMORY:
        row |= {f"{name} {kind} MiB": statistics.median(most[kind] for most in peaks[name]) / 1024 for name in peaks}
        row[f"ours / transformers {kind}"] = row[f"ours {kind} MiB"] / row[f"transformers {kind} MiB"]
    return row


def _kilobytes(process_id: int) -> dict[str, int]:
    """A process's memory by kind; 0 after its end."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process_id}/status").read_text().splitlines())
    return {kind: int(status.get(field, "0").split()[0]) for kind, field in MEMORY.items()}
