"""The manifest of a model folder: the model's name, revision and files; scripts/models/fetching.py writes it."""

import hashlib
from pathlib import Path
from typing import Any, Final

from incidents.errors import InvalidModelError
from incidents.model.config import read_json_object

MANIFEST_FILENAME: Final = "manifest.json"


def read_provenance(folder: Path) -> tuple[str, str]:
    """A model's name and revision; without a manifest, the folder's name and ""."""
    manifest = _read_if_any(folder)
    return str(manifest.get("name", folder.name)), str(manifest.get("revision", ""))


def read_fingerprint(folder: Path) -> str | None:
    """The fingerprint of the folder's encoder, according to its manifest, or None."""
    fingerprint = _read_if_any(folder).get("fingerprint")
    return fingerprint if isinstance(fingerprint, str) else None


def read_files(folder: Path) -> dict[str, str]:
    """The files of a model folder according to its manifest, each with its SHA-256 in hex.

    Raises:
        InvalidModelError: there is no manifest, or it lists no files.
    """
    files = read_json_object(folder / MANIFEST_FILENAME).get("files")
    if not isinstance(files, dict) or not all(isinstance(sha256, str) for sha256 in files.values()):
        raise InvalidModelError(folder / MANIFEST_FILENAME, "expected files, each with its sha256")
    return files


def verify_files(folder: Path) -> None:
    """Compare the files of a model folder with its manifest; without a manifest, do nothing.

    Raises:
        InvalidModelError: a file is missing or has another sha256.
    """
    if not (folder / MANIFEST_FILENAME).is_file():
        return
    for name, expected in read_files(folder).items():
        if not (folder / name).is_file():
            raise InvalidModelError(folder / name, f"missing; expected the file with sha256 {expected}")
        if (found := file_sha256(folder / name)) != expected:
            raise InvalidModelError(folder / name, f"expected sha256 {expected}, got {found}; fetch the model again")


def verify_fingerprint(folder: Path, fingerprint: str) -> None:
    """Compare a loaded encoder's fingerprint with the one in its folder's manifest, if there is one.

    Detects an extra file, not in the manifest, that changes the vectors.

    Raises:
        InvalidModelError: the fingerprints differ.
    """
    if (listed := read_fingerprint(folder)) not in (None, fingerprint):
        raise InvalidModelError(
            folder / MANIFEST_FILENAME,
            f"expected the fingerprint {fingerprint} of the folder's model, got {listed}; fetch the model again",
        )


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_if_any(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST_FILENAME
    return read_json_object(path) if path.is_file() else {}
