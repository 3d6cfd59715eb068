"""Measure how well an encoder and a ranking find known incidents and tell them from new ones."""

import json
import os
import re
import sqlite3
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from incidents.errors import InvalidFileError
from scripts.cli.arguments import Cache, ModelFolder, Workers
from scripts.cli.command import make_app, reporting, run, verbatim
from scripts.cli.console import answer_console, error_console
from scripts.cli.paths import DOWNLOADS, MODEL_FOLDER, QUALITY_FOLDER, SAMPLE, VECTOR_CACHE
from scripts.cli.progress import BuildProgress, track
from scripts.evaluation.evaluation import Plan
from scripts.evaluation.evaluation import evaluate as evaluate_source
from scripts.evaluation.page import make_page, write_page
from scripts.evaluation.plots import write_plots
from scripts.evaluation.queries import read_queries
from scripts.indexing.build import build_time
from scripts.indexing.embedding import EncoderPool
from scripts.indexing.vector_cache import UnusableCacheError, VectorCache
from scripts.sources.spec import TEXT_SPECS, open_source

EPILOG: Final = """\
Exit status:
  0    measured
  1    nothing was written: the source, the queries, the model or the cache is unusable
  2    the arguments are wrong
  130  stopped with Ctrl-C; vectors computed so far are kept
"""
ERRORS: Final = (InvalidFileError, UnusableCacheError, OSError, sqlite3.Error, ValueError)
Queries = Annotated[
    list[Path] | None,
    typer.Option(
        "--queries",
        metavar="FILE",
        help="JSON Lines of more texts: incident_id, text or headline, perhaps report_number. May be repeated.",
    ),
]
app = make_app()


@app.command(epilog=verbatim(f"SPEC is one of:\n{TEXT_SPECS}", EPILOG))
def evaluate(  # noqa: PLR0913, PLR0917 (a parameter for each option)
    source: Annotated[str, typer.Option(metavar="SPEC", help="Where incidents come from.")] = "sample",
    queries: Queries = None,
    model: ModelFolder = MODEL_FOLDER,
    cache: Cache = VECTOR_CACHE,
    workers: Workers = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the resamples behind the intervals.")] = 0,
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where pages go.")] = QUALITY_FOLDER,
    name: Annotated[str | None, typer.Option(help="The page's name; default: the source's.")] = None,
) -> None:
    """Measure how well an encoder and a ranking find known incidents and tell them from new ones.

    Every report of the source is asked without itself, and without its whole incident. Writes NAME.md, NAME.json and
    three plots; what stands by hand above the generated part of NAME.md is kept.
    """
    console = error_console()
    with reporting("Nothing was written", ERRORS):
        asked = {path.stem: read_queries(path) for path in queries or []}
        plan = Plan(asked, seed, build_time(os.environ), lambda: BuildProgress(console), track(console))
        pool = EncoderPool(model, workers=workers)
        with (
            VectorCache(cache, made_by=pool.made_by, width=pool.encoder.width) as vectors,
            open_source(source, sample=SAMPLE, downloads=DOWNLOADS) as incidents,
        ):
            results = evaluate_source(incidents, pool, vectors, plan)
        page = name or re.sub(r"[^\w-]+", "-", Path(incidents.name.rpartition(":")[2]).stem)
        output.mkdir(parents=True, exist_ok=True)
        (output / f"{page}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        write_plots(output, page, results)
        write_page(output / f"{page}.md", results)
    answer_console().print(make_page(page, results))
    typer.echo(f"Wrote {output / page}.md", err=True)


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return run(app, argv)


if __name__ == "__main__":
    sys.exit(main())
