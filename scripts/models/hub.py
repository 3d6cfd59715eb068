"""Files of a model on the Hugging Face hub, at a pinned revision.

`hf_hub_download` discards an interrupted download. The functions it is made of, called here, can resume one.
"""

import hashlib
import re
from pathlib import Path

import httpx2
from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.file_download import http_get


class UnreachableHubError(Exception):
    """The hub, or a file on it, is not available; the message says what to do."""


def fetch_files(repository: str, revision: str, filenames: tuple[str, ...], folder: Path) -> None:
    """Put files into a folder, from the hub library's cache on this machine or from the hub.

    A partial download stays in the folder, and the next call resumes it.

    Raises:
        UnreachableHubError: a file is not available.
        OSError: a file arrived damaged, or the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for filename in filenames:
        if (folder / filename).is_file():
            continue
        cached = try_to_load_from_cache(repository, filename, revision=revision)
        if isinstance(cached, str):
            (folder / filename).symlink_to(cached)
            continue
        url = hf_hub_url(repository, filename, revision=revision)
        try:
            _fetch(url, folder / filename)
        except (httpx2.HTTPError, ConnectionError) as error:  # ConnectionError if HF_HUB_OFFLINE is set
            raise UnreachableHubError(
                f"{url} is not available: {error}\n"
                "The partial download is kept: try again when the hub is reachable, or set HF_ENDPOINT to a mirror."
            ) from error


def _fetch(url: str, path: Path) -> None:
    metadata = get_hf_file_metadata(url)
    part = path.with_name(f"{path.name}.{metadata.etag}.part")
    with part.open("ab") as file:
        http_get(metadata.location, file, resume_size=file.tell(), expected_size=metadata.size)
    if (found := _digest(part, metadata.etag or "")) != metadata.etag:
        part.unlink()
        raise OSError(f"{path.name}: expected a file with the digest {metadata.etag}, got {found}; try again")
    part.replace(path)


def _digest(path: Path, etag: str) -> str:
    """The digest that the hub sends as ETag: SHA-256 for a large file, git's SHA-1 for a small one."""
    digest = hashlib.sha256() if re.fullmatch("[0-9a-f]{64}", etag) else hashlib.sha1(usedforsecurity=False)
    if digest.name == "sha1":
        digest.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()
