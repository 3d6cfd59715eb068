"""Copy a model folder into inference/model, from which the image is built."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from scripts.cli.paths import REPOSITORY
from scripts.models.staging import StagingError, stage

TARGET = REPOSITORY / "inference" / "model"

app = typer.Typer(add_completion=False)


@app.command(help=__doc__)
def stage_model(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="A model folder; '' for an image without a model.")],
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the copy goes.")] = TARGET,
) -> None:
    """Stage the model; the exit status is 1 if it cannot be staged."""
    try:
        stage(Path(folder) if folder else None, output)
    except (StagingError, OSError) as error:
        print(f"Not staged: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit status is 0 when the model is staged, 1 when not, 2 for wrong arguments."""
    try:
        app(argv)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
