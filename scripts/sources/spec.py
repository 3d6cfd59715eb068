"""One way to name a source of incidents on a command line: SPEC."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from scripts.sources.incident import VectorSource
from scripts.sources.jsonl import stage_json_lines
from scripts.sources.legacy_pt import LegacyPt
from scripts.sources.snapshot import open_snapshot
from scripts.sources.staging import StagedIncidents
from scripts.sources.state_csv import StateCsv

TEXT_SPECS: Final = """\
  sample               the incidents written for this project
  jsonl:FILE           one incident a line, as sample/README.md describes
  snapshot:PATH        the AI Incident Database's weekly backup-*.tar.bz2, or its unpacked folder
  snapshot:URL         the same, downloaded first; an interrupted download resumes
  mongodb:VARIABLE     the database itself, read-only, at the URI in that variable (default: MONGODB_CONNECTION_STRING)
  mongodb:URI          the same; a password in a URI can be read by anyone who lists this machine's processes
"""
VECTOR_SPECS: Final = """\
  state-csv:FILE       the vectors of the original service's state.csv
  legacy-pt:FILE       the vectors of the original service's incident_cls.pt
"""


def open_vectors(spec: str) -> VectorSource:
    """A source of vectors.

    Raises:
        ValueError: `spec` is not a source of vectors.
    """
    kind, _, place = spec.partition(":")
    match kind:
        case "state-csv":
            return StateCsv(Path(place))
        case "legacy-pt":
            return LegacyPt(Path(place))
    raise ValueError(f"expected a source of vectors, one of\n{VECTOR_SPECS}got another kind")


@contextmanager
def open_source(spec: str, *, sample: Path, downloads: Path) -> Iterator[StagedIncidents]:
    """A source of texts, read whole; `sample` is the sample's file, `downloads` the folder for what is downloaded.

    Raises:
        OSError: it cannot be read.
        ValueError: `spec` is not a source of texts, or the source is invalid; the message says what was expected.
    """
    kind, _, place = spec.partition(":")
    match kind:
        case "sample":
            with StagedIncidents("sample") as staged:
                stage_json_lines(sample, staged)
                yield staged
        case "jsonl":
            path = Path(place)
            with StagedIncidents(f"jsonl:{path.name}") as staged:
                stage_json_lines(path, staged)
                yield staged
        case "snapshot":
            with open_snapshot(place, downloads) as staged:
                yield staged
        case "mongodb":
            try:
                from scripts.sources.mongo import open_mongo  # noqa: PLC0415 (other sources work without its library)
            except ImportError as error:
                raise ValueError("reading MongoDB needs pymongo: `make index SOURCE=mongodb:` installs it") from error
            with open_mongo(place, os.environ) as staged:
                yield staged
        case _:
            raise ValueError(
                f"expected a source, one of\n{TEXT_SPECS}got another kind; for files of vectors, use "
                "`python -m scripts.build_index import`"
            )
