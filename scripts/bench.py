"""Benchmark encoding, cold start, ranking and loading, each side by side with a reference in the same run."""

import json
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from scripts.benchmarks.report import plot, report
from scripts.benchmarks.suite import measure
from scripts.cli.command import make_app, run, verbatim
from scripts.cli.paths import BENCH_FOLDER

TOLERANCE: Final = 1e-5
"""Largest difference to transformers' vectors that rounding may cause."""
EPILOG: Final = """\
Exit status:
  0  measured
  1  the encoder's vectors are not those of transformers
  2  the arguments are wrong
"""
app = make_app()


@app.command(epilog=verbatim(EPILOG))
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer sizes, in a minute; write no file.")] = False,
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where bench.json goes.")] = BENCH_FOLDER,
) -> None:
    """Benchmark encoding, cold start, ranking and loading, each side by side with a reference in the same run.

    A ratio divides medians and is named for what is divided by what; a spread is [fastest, slowest].
    """
    results = measure(quick=quick)
    report(results)
    if (worst := max(row["max difference"] for row in results["encode"])) > TOLERANCE:
        typer.echo(f"The encoder differs from transformers by {worst}, more than {TOLERANCE}", err=True)
        raise typer.Exit(1)
    if not quick:
        output.mkdir(parents=True, exist_ok=True)
        (output / "bench.json").write_text(json.dumps(results, indent=1) + "\n")
        plot(results, output / "latency.png")


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return run(app, argv)


if __name__ == "__main__":
    sys.exit(main())
