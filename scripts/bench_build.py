"""Measure building an index: embedding side by side with a loop over transformers, and a build without news.

Short texts are those of a source, embedded with minilm. Texts of 1,000 tokens, as a usual report in the AI Incident
Database has, are embedded by a Longformer with random weights.
"""

import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any, Final

import torch
import typer
from rich.table import Table
from transformers.utils import logging

from scripts.benchmarks.build import bench_embedding, bench_rebuild
from scripts.benchmarks.random_model import write_model
from scripts.benchmarks.report import machine
from scripts.cli.command import make_app, run, verbatim
from scripts.cli.console import answer_console
from scripts.cli.paths import BENCH_FOLDER, DOWNLOADS, MODEL_FOLDER, SAMPLE
from scripts.sources.spec import open_source

LONG_TOKENS: Final = 1000
SHORT_TEXTS: Final = 150
SEED: Final = 0
EPILOG: Final = """\
Exit status:
  0  measured
  1  vectors are not those of transformers
  2  the arguments are wrong
"""
app = make_app()


@app.command(help=__doc__, epilog=verbatim(EPILOG))
def bench_build(
    source: Annotated[str, typer.Option(metavar="SPEC", help="Where short texts come from.")] = "sample",
    turns: Annotated[int, typer.Option(min=1, help="Turns of each contestant.")] = 3,
    output: Annotated[Path, typer.Option(metavar="FILE", help="Where results go.")] = BENCH_FOLDER / "build.json",
) -> None:
    """Measure building an index."""
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    random.seed(SEED)
    torch.manual_seed(SEED)
    with open_source(source, sample=SAMPLE, downloads=DOWNLOADS) as incidents:
        texts = [report.text for incident in incidents.incidents() for report in incident.reports if report.text]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_model(folder)
        words = [[f"w{random.randrange(4, 50_000)}" for _ in range(LONG_TOKENS - 2)] for _ in range(8)]  # noqa: S311
        long_texts = [" ".join(text) for text in words]
        incident = {"incident_id": 1, "title": "", "reports": [{"text": text} for text in long_texts]}
        (folder / "incidents.jsonl").write_text(json.dumps(incident) + "\n")
        short = bench_embedding(MODEL_FOLDER, random.sample(texts, SHORT_TEXTS), turns)
        rows: list[dict[str, Any]] = [
            {"texts": "short", "model": "minilm", **short},
            {"texts": "of 1,000 tokens", "model": "longformer", **bench_embedding(folder, long_texts, turns)},
        ]
        rebuild = {
            "minilm": bench_rebuild(MODEL_FOLDER, source),
            "longformer": bench_rebuild(folder, f"jsonl:{folder / 'incidents.jsonl'}"),
        }
    console = answer_console()
    table = Table("", *(str(row["texts"]) for row in rows))
    for name in list(rows[0])[1:]:
        table.add_row(name, *(f"{row[name]:.3g}" if isinstance(row[name], float) else row[name] for row in rows))
    console.print(table)
    console.print(f"seconds without news: {rebuild}")
    output.write_text(json.dumps({"machine": machine(), "embed": rows, "rebuild": rebuild}, indent=1) + "\n")
    raise typer.Exit(int(any(row["max difference"] > 1e-5 for row in rows)))


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    return run(app, argv)


if __name__ == "__main__":
    sys.exit(main())
