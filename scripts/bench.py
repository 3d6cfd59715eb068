"""Measure encoding, a cold start, ranking and loading, each side by side with a reference that does it the usual way.

Each ratio is named for what is divided by what, of medians; a spread is from the fastest to the slowest.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any, Final

import torch
import typer

from incidents.settings import settings
from scripts.benchmarks.cold_start import bench_cold_start
from scripts.benchmarks.encode import bench_encode
from scripts.benchmarks.random_model import write_index, write_model
from scripts.benchmarks.rank import bench_load, bench_rank
from scripts.benchmarks.report import machine, plot, report
from scripts.cli.command import make_app, run, verbatim
from scripts.cli.paths import BENCH_FOLDER

LENGTHS: Final = (16, 64, 128, 257, 512, 1000, 2000, 4096)
QUICK_LENGTHS: Final = (16, 128, 512)
INCIDENTS: Final = (178, 1550, 10_000, 100_000, 1_000_000)
COLD_TOKENS: Final = (1000, 4096)
"""Tokens of the text of a cold start: a usual report in the AI Incident Database, and the longest that is read."""
SEED: Final = 0
TOLERANCE: Final = 1e-5
"""Largest difference to transformers' vectors that rounding may cause."""
EPILOG: Final = """\
Exit status:
  0  measured
  1  the encoder's vectors are not those of transformers
  2  the arguments are wrong
"""
app = make_app()


@app.command(help=__doc__, epilog=verbatim(EPILOG))
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer sizes, in a minute; write no file.")] = False,
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where bench.json goes.")] = BENCH_FOLDER,
) -> None:
    """Measure speed and memory."""
    torch.manual_seed(SEED)
    torch.set_num_threads(settings().encoder_threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_model(folder)
        write_index(folder, 178)
        results: dict[str, Any] = {
            "machine": machine(),
            "encode": bench_encode(folder, QUICK_LENGTHS if quick else LENGTHS, quick),
            "cold start": bench_cold_start(folder, COLD_TOKENS[:1] if quick else COLD_TOKENS, 2 if quick else 5),
            "rank": bench_rank(INCIDENTS[:3] if quick else INCIDENTS, 1 if quick else 3),
            "load": bench_load(folder),
        }
    report(results)
    if (worst := max(row["max difference"] for row in results["encode"])) > TOLERANCE:
        print(f"The encoder differs from transformers by {worst}, more than {TOLERANCE}", file=sys.stderr)
        raise typer.Exit(1)
    if not quick:
        output.mkdir(parents=True, exist_ok=True)
        (output / "bench.json").write_text(json.dumps(results, indent=1) + "\n")
        plot(results, output / "latency.png")


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    return run(app, argv)


if __name__ == "__main__":
    sys.exit(main())
