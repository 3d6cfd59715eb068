"""Tables and a plot of what `bench` measured."""

import platform
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from rich.console import Console
from rich.table import Table

mpl.use("agg")
from matplotlib import pyplot as plt


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    return {"cpu": model, "threads": torch.get_num_threads(), "torch": torch.__version__}


def report(results: dict[str, Any]) -> None:
    """Print a table for each measurement, with a column for each size."""
    console = Console(width=None if sys.stdout.isatty() else 160, markup=False, highlight=False)
    console.print(results["machine"])
    for name in ("encode", "cold start", "rank", "load"):
        rows = results[name]
        size, *measured = dict.fromkeys(key for row in rows for key in row if "spread" not in key)
        table = Table(size, *(f"{row[size]:,}" for row in rows), title=name)
        for key in measured:
            table.add_row(key, *(_format(row.get(key)) for row in rows))
        console.print(table)


def report_build(results: dict[str, Any]) -> None:
    """Print the measurements of building an index, with a column for each kind of text."""
    console = Console(width=None if sys.stdout.isatty() else 160, markup=False, highlight=False)
    console.print(results["machine"])
    rows = results["embed"]
    table = Table("", *(str(row["texts"]) for row in rows))
    for name in list(rows[0])[1:]:
        table.add_row(name, *(value if isinstance(value := row[name], str) else _format(value) for row in rows))
    console.print(table)
    console.print(f"seconds without news: {results['rebuild']}")


def _format(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.3g}"


def plot(results: dict[str, Any], path: Path) -> None:
    """Draw latency against tokens, with the spread of every point."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    tokens = [row["tokens"] for row in results["encode"]]
    for name, label in (("transformers", "transformers' LongformerModel"), ("ours", "this project")):
        medians = [row[f"{name} ms"] for row in results["encode"]]
        spreads = [row[f"{name} spread ms"] for row in results["encode"]]
        below = [median - low for median, (low, _) in zip(medians, spreads, strict=True)]
        above = [high - median for median, (_, high) in zip(medians, spreads, strict=True)]
        axes.errorbar(tokens, medians, yerr=[below, above], marker="o", capsize=3, label=label)
    axes.set(xscale="log", yscale="log", xlabel="tokens", ylabel="milliseconds, median and spread")
    axes.set_xticks(tokens, [str(count) for count in tokens], minor=False)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    axes.set_title("{cpu}, {threads} threads, torch {torch}".format(**results["machine"]), fontsize=9)
    figure.savefig(path, dpi=120)
