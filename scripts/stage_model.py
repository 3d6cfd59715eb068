"""Copy a model folder into inference/model, from which the image is built."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from scripts.cli.command import make_app, reporting, run
from scripts.cli.paths import REPOSITORY
from scripts.models.staging import StagingError, stage

TARGET: Final = REPOSITORY / "inference" / "model"
EPILOG: Final = "Exit status: 0 when the model is staged, 1 when not, 2 for invalid arguments."

app = make_app()


@app.command(epilog=EPILOG)
def stage_model(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="A model folder; '' for an image without a model.")],
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the copy goes.")] = TARGET,
) -> None:
    """Copy a model folder to where the image's build takes it from."""
    with reporting("Not staged", (StagingError, OSError)):
        stage(Path(folder) if folder else None, output)


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return run(app, argv)


if __name__ == "__main__":
    sys.exit(main())
