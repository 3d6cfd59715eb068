"""`incident_cls.pt`, the file of an index: written atomically, and read without trusting its content.

`torch.save` writes it from a dict. The keys are format_version (int) and the fields of `IncidentIndex`. Fields that are
dataclasses, the encoder and the details with their parts, are dicts of their own fields. Version 1 had no details.
"""

import fcntl
import glob
import hashlib
import io
import os
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import IO, Any, Final

import torch

from incidents.errors import InvalidIndexError
from incidents.index.calibration import Calibration, Curve
from incidents.index.checks import check
from incidents.index.details import Details
from incidents.index.encoder_info import EncoderInfo
from incidents.index.evidence import FEATURES
from incidents.index.incident_index import IncidentIndex
from incidents.index.lexicon import Lexicon
from incidents.index.reports import Reports
from incidents.index.strings import Strings

FORMAT_VERSION: Final = 2
READABLE_VERSIONS: Final = (1, 2)
UNFINISHED_SUFFIX: Final = ".unfinished"


def save_index(index: IncidentIndex, path: Path) -> None:
    """Write an index atomically: `path` holds either its previous content or the complete new file.

    Raises:
        OSError: the folder is not writable or the disk is full; `path` is unchanged.
    """
    content = _as_dict(index)
    del content["version"]
    content["format_version"] = FORMAT_VERSION
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
            os.fchmod(file.fileno(), 0o644)  # mkstemp's 0600 would hide it from the container's user
            Path(temporary).replace(path)  # under the lock, so that no other save removes it as a leftover
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load_index(path: Path) -> IncidentIndex:
    """Read an index file; nothing in the file is executed.

    Raises:
        InvalidIndexError: the file is missing, damaged, not an index, or of another format version.
    """
    if not path.is_file():
        raise InvalidIndexError(path, "missing; expected an index of known incidents")
    try:
        file = path.read_bytes()  # one read, because the file may be replaced at any time
        with zipfile.ZipFile(io.BytesIO(file)) as archive:
            if archive.testzip() is not None:  # torch.load does not verify the checksums
                raise zipfile.BadZipFile("a checksum is wrong")
        digest = hashlib.sha256(file).hexdigest()
        content = torch.load(io.BytesIO(file), map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler can raise anything on damaged content
        raise InvalidIndexError(path, "damaged or foreign, expected an index of known incidents") from error
    if not isinstance(content, dict) or "format_version" not in content:
        raise InvalidIndexError(path, f"expected a dict with a format_version, got {type(content).__name__}")
    version = content.pop("format_version")
    if type(version) is not int or version not in READABLE_VERSIONS:
        raise InvalidIndexError(path, f"expected format version {FORMAT_VERSION}, got {version!r}; build it again")
    try:
        parts = {"encoder": EncoderInfo(**content["encoder"]), "details": _details(content.get("details"))}
        return IncidentIndex(**content | parts, version=digest[:12])
    except Exception as error:  # the checks can raise anything on tensors of an unknown kind
        raise InvalidIndexError(path, f"not a valid index: {error}") from error


def _as_dict(record: Any) -> dict[str, Any]:
    """A dataclass as a dict; unlike `dataclasses.asdict`, it copies no tensor."""
    return {part.name: _as_plain(getattr(record, part.name)) for part in fields(record) if part.init}


def _as_plain(value: Any) -> Any:
    if is_dataclass(value):
        return _as_dict(value)
    return [_as_plain(item) for item in value] if isinstance(value, list) else value


def _details(content: Any) -> Details | None:
    if content is None:
        return None
    _check_fields(Details, content)
    _check_fields(Reports, content["reports"])
    columns = {name: _strings(content["reports"][name]) for name in ("titles", "urls", "dates")}
    _check_fields(Lexicon, content["lexicon"])
    return Details(
        dates=_strings(content["dates"]),
        urls=_strings(content["urls"]),
        reports=Reports(**content["reports"] | columns),
        lexicon=Lexicon(**content["lexicon"]),
        calibration=_calibration(content["calibration"]),
        dense_calibration=_calibration(content["dense_calibration"]),
    )


def _strings(content: Any) -> Strings:
    _check_fields(Strings, content)
    return Strings(**content)


def _calibration(content: Any) -> Calibration | None:
    if content is None:
        return None
    _check_fields(Calibration, content)
    check("a list of curves", isinstance(content["curves"], list), type(content["curves"]).__name__)
    curves = []
    for curve in content["curves"]:
        _check_fields(Curve, curve)
        check(f"curves of {', '.join(FEATURES)}", curve["feature"] in FEATURES, repr(curve["feature"]))
        curves.append(Curve(**curve))
    return Calibration(**content | {"curves": curves})


def _check_fields(kind: type[Any], content: Any) -> None:
    """Require a dict with the fields of a dataclass."""
    names = [part.name for part in fields(kind) if part.init]
    is_dict = isinstance(content, dict)
    got = ", ".join(map(str, content)) if is_dict else type(content).__name__
    check(f"{kind.__name__} of {', '.join(names)}", is_dict and content.keys() == set(names), got)


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files of killed saves, but not those of other running saves."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*{UNFINISHED_SUFFIX}"):
        # Suppressed: a file that cannot be removed, such as another user's, must not prevent the save.
        with suppress(OSError), leftover.open("rb") as file:
            if leftover.stat().st_size > 0 and _lock(file):  # an empty one may not be locked yet
                leftover.unlink()


def _lock(file: IO[bytes]) -> bool:
    """Try to lock the file and say whether it worked; the system releases the lock of a killed process."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held by another process, or the file system has no locks
        return False
    return True
