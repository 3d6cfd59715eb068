"""Stage a model for the image: copy its folder to where the image's build takes it from."""

import shutil
import tempfile
from pathlib import Path
from typing import Final

from incidents.names import WEIGHTS_FILENAME

STAGED_FILENAME: Final = ".copied-by-make"
"""Marks a folder as a copy, which the next copy may replace; the image leaves it out."""


TEMPORARY: Final = ".model-"


class StagingError(Exception):
    """The model must not or cannot be staged; the message says why."""


def stage(model: Path | None, target: Path) -> None:
    """Replace `target` with a copy of a model folder, with files in place of links; None removes it.

    The copy is complete before it replaces the last one. A folder that is not a copy may be the only one, so it stays.

    Raises:
        StagingError: `target` is not a copy, or the model has no weights.
        OSError: the model cannot be copied; `target` is as it was.
    """
    if target.is_symlink() or (target.exists() and not (target / STAGED_FILENAME).exists()):
        raise StagingError(f"{target} was not staged from another folder: move it elsewhere and name it, MODEL=folder")
    if model is None:
        if target.exists():
            shutil.rmtree(target)
        return
    weights = model / WEIGHTS_FILENAME
    if not weights.is_file():
        raise StagingError(f"expected the weights of a model in {weights}, found no such file")
    for leftover in target.parent.glob(f"{TEMPORARY}*"):  # of a copy that was killed
        shutil.rmtree(leftover)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=TEMPORARY) as temporary:
        copy = Path(temporary, "copy")
        shutil.copytree(model, copy)
        (copy / STAGED_FILENAME).touch()
        if target.exists():
            target.rename(Path(temporary, "replaced"))
        copy.rename(target)
