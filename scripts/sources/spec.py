"""One way to name a source of incidents on a command line: SPEC."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from incidents.model.encoder import Encoder
from scripts.cli.paths import DOWNLOADS, SAMPLE
from scripts.sources.incident import Source
from scripts.sources.jsonl import JsonLines
from scripts.sources.legacy_pt import LegacyPt
from scripts.sources.snapshot import open_snapshot
from scripts.sources.state_csv import StateCsv

SPECS: Final = """\
  sample               the incidents written for this project
  jsonl:FILE           one incident a line, as sample/README.md describes
  snapshot:PATH        the AI Incident Database's weekly backup-*.tar.bz2, or its unpacked folder
  snapshot:URL         the same, downloaded first; a download that was cut is completed
  mongodb:VARIABLE     the database itself, read-only, at the URI in that variable (MONGODB_CONNECTION_STRING if none)
  mongodb:URI          the same; but who lists processes can read a password on the command line
  state-csv:FILE       the vectors of the original service's state.csv
  legacy-pt:FILE       the vectors of the original service's incident_cls.pt
"""
IMPORTS: Final = ("state-csv", "legacy-pt")
"""Sources that give vectors and no texts."""


def open_import(spec: str) -> Source:
    """A source of vectors.

    Raises:
        ValueError: `spec` names none.
    """
    kind, _, place = spec.partition(":")
    match kind:
        case "state-csv":
            return StateCsv(Path(place))
        case "legacy-pt":
            return LegacyPt(Path(place))
    raise ValueError(f"expected a source of vectors, {' or '.join(IMPORTS)}, got {kind}")


@contextmanager
def open_source(spec: str, encoder: Encoder) -> Iterator[Source]:
    """A source of texts; `encoder` is the one they will be embedded with.

    Raises:
        OSError: it cannot be read.
        ValueError: `spec` names none, or what it names is not what it should be; the message says what was expected.
    """
    kind, _, place = spec.partition(":")
    match kind:
        case "sample":
            yield JsonLines(SAMPLE, "sample")
        case "jsonl":
            path = Path(place)
            yield JsonLines(path, f"jsonl:{path.name}")
        case "snapshot":
            with open_snapshot(place, DOWNLOADS) as snapshot:
                yield snapshot
        case "mongodb":
            try:
                from scripts.sources.mongo import open_mongo  # noqa: PLC0415 (other sources do without its library)
            except ImportError as error:
                raise ValueError("reading MongoDB needs pymongo: `make index SOURCE=mongodb:` installs it") from error
            with open_mongo(place, encoder, os.environ) as database:
                yield database
        case _:
            raise ValueError(f"expected a source, one of\n{SPECS}got another kind")
