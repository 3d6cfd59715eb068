"""Files of a model on the Hugging Face hub, at a pinned revision.

`hf_hub_download` keeps nothing of a download that was stopped; its parts, used here one by one, do.
"""

import hashlib
import re
from pathlib import Path

import httpx2
from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.file_download import http_get


class UnreachableHubError(Exception):
    """The hub, or a file on it, cannot be had; the message says what to do."""


def fetch_files(repository: str, revision: str, filenames: tuple[str, ...], folder: Path) -> None:
    """Put files into a folder, from the hub's own cache on this machine or from the hub.

    What has arrived of a file when the process is stopped stays beside it, and is completed by the next call.

    Raises:
        UnreachableHubError: a file cannot be had.
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
        except (httpx2.HTTPError, ConnectionError) as error:  # the second where HF_HUB_OFFLINE is set
            raise UnreachableHubError(
                f"{url} cannot be had: {error}\n"
                "What has arrived is kept: try again where the hub can be reached, or set HF_ENDPOINT to a mirror."
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
    """What the hub has as ETag: the SHA-256 of a large file, git's SHA-1 of a small one."""
    digest = hashlib.sha256() if re.fullmatch("[0-9a-f]{64}", etag) else hashlib.sha1(usedforsecurity=False)
    if digest.name == "sha1":
        digest.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()
