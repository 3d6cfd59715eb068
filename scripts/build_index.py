"""Build incident_cls.pt: embed the reports of known incidents and average them, incident by incident.

Vectors are cached as soon as they are computed: the next run embeds only what is new or was edited, and an interrupted
run resumes when you repeat the command. The index is replaced atomically.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from incidents.names import INDEX_FILENAME
from scripts.cli.arguments import Batch, Cache, Device, Diff, IndexOutput, Json, ModelFolder, Workers
from scripts.cli.build_report import EXIT_STATUS, run_and_report
from scripts.cli.command import make_app, run, verbatim
from scripts.cli.console import error_console
from scripts.cli.paths import DOWNLOADS, MODEL_FOLDER, SAMPLE, VECTOR_CACHE
from scripts.cli.progress import BuildProgress
from scripts.indexing import jobs
from scripts.indexing.embedding import EncoderPool
from scripts.indexing.vector_cache import VectorCache
from scripts.sources.spec import TEXT_SPECS, VECTOR_SPECS, open_source, open_vectors

app = make_app(__doc__)


@app.command(epilog=verbatim(f"SPEC is one of:\n{TEXT_SPECS}", EXIT_STATUS))
def build(  # noqa: PLR0913, PLR0917 (a parameter for each option)
    source: Annotated[str, typer.Option(metavar="SPEC", help="Where incidents come from.")] = "sample",
    model: ModelFolder = MODEL_FOLDER,
    output: IndexOutput = None,
    cache: Cache = VECTOR_CACHE,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Embed everything, and keep no vector.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Remove this model's unused vectors from the cache.")] = False,
    workers: Workers = None,
    device: Device = "cpu",
    batch: Batch = None,
    json: Json = False,
    diff: Diff = None,
) -> None:
    """Embed the texts of a source."""
    if prune and no_cache:
        raise typer.BadParameter("--prune has no effect with --no-cache")

    def job() -> jobs.Outcome:
        target = jobs.prepare_target(output or model / INDEX_FILENAME, diff)
        pool = EncoderPool(model, device=device, workers=workers, texts_per_batch=batch)
        with (
            VectorCache(None if no_cache else cache, made_by=pool.made_by, width=pool.encoder.width) as vectors,
            open_source(source, sample=SAMPLE, downloads=DOWNLOADS) as incidents,
        ):
            return jobs.build_file(incidents, pool, vectors, target, BuildProgress(error_console()), prune=prune)

    run_and_report(job, json=json, failed="No index written")


@app.command("import", epilog=verbatim(f"SPEC is one of:\n{VECTOR_SPECS}", EXIT_STATUS))
def import_(  # noqa: PLR0913, PLR0917 (a parameter for each option)
    source: Annotated[str, typer.Argument(metavar="SPEC", help="The file of vectors.")],
    model: Annotated[Path | None, typer.Option(metavar="FOLDER", help="The model that made the vectors.")] = None,
    encoder_name: Annotated[str | None, typer.Option(help="Without --model: the encoder that made them.")] = None,
    encoder_revision: Annotated[str | None, typer.Option(help="Its revision.")] = None,
    encoder_tokens: Annotated[int | None, typer.Option(min=1, help="Tokens it read at most; default: 2000.")] = None,
    output: IndexOutput = None,
    json: Json = False,
    diff: Diff = None,
) -> None:
    """Take over the vectors of a file."""
    if (model is None) == (encoder_name is None):
        raise typer.BadParameter("vectors need either --encoder-name, or --model to vouch that its encoder made them")
    if model and (encoder_revision or encoder_tokens):
        raise typer.BadParameter("--encoder-revision and --encoder-tokens have no effect with --model")
    path = output or (model and model / INDEX_FILENAME)
    if path is None:
        raise typer.BadParameter("vectors with --encoder-name need an --output")

    def job() -> jobs.Outcome:
        name, revision, tokens = str(encoder_name), encoder_revision or "", encoder_tokens or 2000
        encoder = jobs.encoder_of(model) if model else jobs.named_encoder(name, revision, tokens)
        return jobs.import_file(open_vectors(source), encoder, jobs.prepare_target(path, diff))

    run_and_report(job, json=json, failed="No index written")


@app.command(epilog=verbatim(EXIT_STATUS))
def check(
    index: Annotated[Path, typer.Argument(metavar="INDEX")],
    model: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Default: the model beside the index.")] = None,
    json: Json = False,
    diff: Diff = None,
) -> None:
    """Verify an index and print what it holds."""
    run_and_report(lambda: jobs.check_file(index, model, diff), json=json, failed="Invalid")


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return run(app, argv)


if __name__ == "__main__":
    sys.exit(main())
