"""Fetch a model, convert it if needed, and put it in place with a manifest of its files."""

import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from incidents.model.config import CONFIG_FILENAMES
from incidents.model.encoder import Encoder
from incidents.model.manifest import MANIFEST_FILENAME, file_sha256, read_provenance
from scripts.models.fetched import FetchedModel, NoModelError
from scripts.models.minilm import MINILM, fetch_minilm

LONGFORMER: Final = "allenai/longformer-base-4096"
LONGFORMER_REVISION: Final = "301e6a42cb0d9976a6d6a26a079fef81c18aa895"
LONGFORMER_FILENAMES: Final = ("config.json", "tokenizer.json", "pytorch_model.bin")


def fetch_model(name: str, output: Path, downloads: Path) -> FetchedModel:
    """Put the model minilm, longformer, or the one in the folder `name` into the folder `output`.

    `downloads` keeps partial downloads from the hub, so that a later call resumes them.

    Raises:
        NoModelError: the model cannot be fetched, is not the expected one, or `output` holds another model.
        InvalidModelError: the encoder does not support the model.
        ImportError: what converting needs is not installed.
        OSError: a file is missing or damaged, or the disk is full.
        ValueError: the weights are damaged or lack a tensor.
    """
    if output.resolve() == Path(name).resolve():
        raise NoModelError(f"expected --output to be another folder than {output} itself")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".fetch-") as temporary:
        folder = Path(temporary) / "model"
        model = _fetch(name, folder, output, downloads)
        _write_manifest(folder, model)
        _put_in_place(folder, model, output)
    if model.download:
        shutil.rmtree(model.download, ignore_errors=True)  # the model is in place, with or without leftovers
    return model


def _fetch(name: str, folder: Path, output: Path, downloads: Path) -> FetchedModel:
    match name:
        case "minilm":
            model = fetch_minilm(folder)
            _refuse_another_model(output, MINILM, folder)
            return model
        case "longformer":
            return _fetch_longformer(folder, output, downloads)
    source = Path(name)
    if not source.is_dir():
        raise NoModelError(f"expected longformer, minilm or a folder, got {source}")
    _refuse_another_model(output, source.resolve().name, source)
    return _convert(source, source.resolve().name, "", folder)


def _fetch_longformer(folder: Path, output: Path, downloads: Path) -> FetchedModel:
    from scripts.models.hub import UnreachableHubError, fetch_files  # noqa: PLC0415 (not installed for minilm)

    source = downloads / LONGFORMER.replace("/", "--") / LONGFORMER_REVISION
    try:
        fetch_files(LONGFORMER, LONGFORMER_REVISION, LONGFORMER_FILENAMES[:1], source)
        _refuse_another_model(output, LONGFORMER, source)  # before downloading 600 MB
        fetch_files(LONGFORMER, LONGFORMER_REVISION, LONGFORMER_FILENAMES, source)
    except UnreachableHubError as error:
        filenames = ", ".join(LONGFORMER_FILENAMES)
        raise NoModelError(f"{error}\nOr copy {filenames} from another machine and name their folder.") from error
    return replace(_convert(source, LONGFORMER, LONGFORMER_REVISION, folder), download=source)


def _convert(source: Path, name: str, revision: str, folder: Path) -> FetchedModel:
    """Convert a model; without a revision, the digest of its weights is its revision."""
    sys.stderr.write(f"Converting {name} and comparing its vectors with those of transformers\n")
    from scripts.models.conversion import DifferentVectorsError, convert  # noqa: PLC0415 (not installed for minilm)

    try:
        filenames = convert(source, folder)
    except DifferentVectorsError as error:
        raise NoModelError(str(error)) from error
    return FetchedModel(name, revision or f"sha256:{file_sha256(folder / 'model.safetensors')[:12]}", filenames)


def _refuse_another_model(output: Path, name: str, fetched: Path) -> None:
    """Refuse to overwrite a model that an earlier, possibly interrupted, fetch of `name` did not put there.

    `fetched` holds at least the model's config.json.

    Raises:
        NoModelError: `output` holds another model.
    """
    config, manifest = output / "config.json", output / MANIFEST_FILENAME
    if manifest.exists():
        is_another = read_provenance(output)[0] != name
    else:
        is_another = config.exists() and file_sha256(config) != file_sha256(fetched / "config.json")
    if is_another:
        raise NoModelError(f"{output} holds another model; name another folder")


def _write_manifest(folder: Path, model: FetchedModel) -> None:
    files = {filename: file_sha256(folder / filename) for filename in model.filenames}
    fingerprint = Encoder.load(folder).fingerprint
    manifest = {"name": model.name, "revision": model.revision, "fingerprint": fingerprint, "files": files}
    (folder / MANIFEST_FILENAME).write_text(json.dumps(manifest, indent=2) + "\n")


def _put_in_place(folder: Path, model: FetchedModel, output: Path) -> None:
    for filename in set(CONFIG_FILENAMES) - set(model.filenames):  # left by the model that is replaced
        (output / filename).unlink(missing_ok=True)
    for filename in (*model.filenames, MANIFEST_FILENAME):  # the manifest last: it tells that the folder is complete
        (output / filename).parent.mkdir(parents=True, exist_ok=True)
        (folder / filename).replace(output / filename)
