"""`incident_cls.pt`, the file of an index: write it atomically, read it without trusting it.

It is what `torch.save` makes of a dict: format_version (int), the fields of `IncidentIndex`, and the encoder as a dict
of the fields of `EncoderInfo`.
"""

import fcntl
import glob
import hashlib
import io
import os
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import IO, Final

import torch

from incidents.errors import InvalidIndexError
from incidents.index.incident_index import EncoderInfo, IncidentIndex

FORMAT_VERSION: Final = 1
UNFINISHED_SUFFIX: Final = ".unfinished"


def save_index(index: IncidentIndex, path: Path) -> None:
    """Write an index so that `path` holds either what it held before or the whole new file.

    Raises:
        OSError: the folder cannot be written, or the disk is full; `path` is unchanged.
    """
    content = {column.name: getattr(index, column.name) for column in fields(index) if column.init}
    del content["version"]
    content |= {"format_version": FORMAT_VERSION, "encoder": asdict(index.encoder)}
    # In memory first: on a full disk torch.save raises a RuntimeError that does not mention the disk.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    _remove_leftovers(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED_SUFFIX)
    try:
        with os.fdopen(handle, "wb") as file:
            _lock(file)
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)  # mkstemp's 0600 would hide it from the user that a container runs as
            Path(temporary).replace(path)  # under the lock, or another save could remove it as a leftover
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load_index(path: Path) -> IncidentIndex:
    """Read what `save_index` wrote; nothing in the file is executed.

    Raises:
        InvalidIndexError: the file is missing, damaged, foreign, or of another format version.
    """
    if not path.is_file():
        raise InvalidIndexError(path, "missing; expected an index of known incidents")
    try:
        file = path.read_bytes()  # once, as the file may be replaced at any time
        with zipfile.ZipFile(io.BytesIO(file)) as archive:
            if archive.testzip() is not None:  # torch.load does not verify the checksums
                raise zipfile.BadZipFile("a checksum is wrong")
        digest = hashlib.sha256(file).hexdigest()
        content = torch.load(io.BytesIO(file), map_location="cpu", weights_only=True)
    except Exception as error:  # damaged content can make the unpickler raise anything
        raise InvalidIndexError(path, "damaged or foreign, expected an index of known incidents") from error
    if not isinstance(content, dict) or "format_version" not in content:
        raise InvalidIndexError(path, f"expected a dict with a format_version, got {type(content).__name__}")
    version = content.pop("format_version")
    if type(version) is not int or version != FORMAT_VERSION:
        raise InvalidIndexError(path, f"expected format version {FORMAT_VERSION}, got {version!r}; build it again")
    try:
        return IncidentIndex(**content | {"encoder": EncoderInfo(**content["encoder"])}, version=digest[:12])
    except Exception as error:  # tensors of an unknown kind can make the checks raise anything
        raise InvalidIndexError(path, f"not a valid index: {error}") from error


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files of saves that were killed; each save has its own, so several may be under way."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*{UNFINISHED_SUFFIX}"):
        # A leftover that cannot be removed, such as another user's, does not prevent the save.
        with suppress(OSError), leftover.open("rb") as file:
            if leftover.stat().st_size > 0 and _lock(file):  # an empty one may be about to be locked
                leftover.unlink()


def _lock(file: IO[bytes]) -> bool:
    """Whether the file could be locked; the system releases the lock of a process that is killed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another process holds it, or the file system has no locks; then nothing is removed
        return False
    return True
