"""Benchmark building an index: embedding against a loop with transformers, and a build that finds nothing new."""

import json
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from scripts.benchmarks.build import measure
from scripts.benchmarks.report import report_build
from scripts.cli.command import make_app, run, verbatim
from scripts.cli.paths import BENCH_FOLDER, DOWNLOADS, MODEL_FOLDER, SAMPLE
from scripts.sources.spec import open_source

TOLERANCE: Final = 1e-5
"""Largest difference to transformers' vectors that rounding may cause."""
EPILOG: Final = """\
Exit status:
  0  measured
  1  vectors are not those of transformers
  2  the arguments are wrong
"""
app = make_app()


@app.command(epilog=verbatim(EPILOG))
def bench_build(
    source: Annotated[str, typer.Option(metavar="SPEC", help="Where short texts come from.")] = "sample",
    turns: Annotated[int, typer.Option(min=1, help="Turns of each contestant.")] = 3,
    output: Annotated[Path, typer.Option(metavar="FILE", help="Where results go.")] = BENCH_FOLDER / "build.json",
) -> None:
    """Benchmark building an index: embedding against a loop with transformers, and a build that finds nothing new.

    Short texts are those of a source, embedded with minilm. Texts of 1,000 tokens, as a usual report in the AI Incident
    Database has, are embedded by a Longformer with random weights.
    """
    with open_source(source, sample=SAMPLE, downloads=DOWNLOADS) as incidents:
        texts = [report.text for incident in incidents.incidents() for report in incident.reports if report.text]
    results = measure(MODEL_FOLDER, source, texts, turns)
    report_build(results)
    output.write_text(json.dumps(results, indent=1) + "\n")
    raise typer.Exit(int(any(row["max difference"] > TOLERANCE for row in results["embed"])))


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return run(app, argv)


if __name__ == "__main__":
    sys.exit(main())
