"""The manifest of a model folder, which `scripts/fetch_model.py` leaves: which model it is, and what its files are."""

import hashlib
from pathlib import Path
from typing import Any, Final

from incidents.errors import InvalidModelError
from incidents.model.config import read_json_object

MANIFEST_FILENAME: Final = "manifest.json"


def read_provenance(folder: Path) -> tuple[str, str]:
    """Name and revision of a model; without a manifest the folder's name and ""."""
    manifest = _read_if_any(folder)
    return str(manifest.get("name", folder.name)), str(manifest.get("revision", ""))


def read_fingerprint(folder: Path) -> str | None:
    """The fingerprint of the folder's encoder, without loading it; None if no manifest says it."""
    fingerprint = _read_if_any(folder).get("fingerprint")
    return fingerprint if isinstance(fingerprint, str) else None


def read_files(folder: Path) -> dict[str, str]:
    """The files of a model folder, each with its SHA-256 in hex.

    Raises:
        InvalidModelError: there is no manifest, or it lists no files.
    """
    files = read_json_object(folder / MANIFEST_FILENAME).get("files")
    if not isinstance(files, dict) or not all(isinstance(sha256, str) for sha256 in files.values()):
        raise InvalidModelError(folder / MANIFEST_FILENAME, "expected files, each with its sha256")
    return files


def verify_files(folder: Path) -> None:
    """Compare the files of a model folder with its manifest; without a manifest there is nothing to do.

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
    """Compare the fingerprint of a loaded encoder with its folder's manifest, if that says one.

    It finds what `verify_files` cannot: a file that is there beyond the manifest's, and changes the vectors.

    Raises:
        InvalidModelError: it is another.
    """
    if (said := read_fingerprint(folder)) not in (None, fingerprint):
        raise InvalidModelError(
            folder / MANIFEST_FILENAME,
            f"expected the fingerprint {fingerprint} of what is in the folder, got {said}; fetch the model again",
        )


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_if_any(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST_FILENAME
    return read_json_object(path) if path.is_file() else {}
