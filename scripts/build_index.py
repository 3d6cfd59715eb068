"""Build incident_cls.pt: embed the reports of known incidents and average them, incident by incident.

Every vector is kept in a cache as soon as it is there. So the next run embeds only what is new or was edited, and a
run that was stopped, however it was, is gone on with by the same command. The index is replaced as a whole or not at
all.
"""

import argparse
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import torch
from rich.console import Console

from incidents.cpus import available_cpus
from incidents.errors import InvalidFileError, InvalidIndexError
from incidents.index.file import load_index, save_index
from incidents.index.incident_index import EncoderInfo, IncidentIndex
from incidents.model.encoder import Encoder
from incidents.names import INDEX_FILENAME
from scripts.cli.arguments import CHECK, IMPORT, TEXTS_PER_BATCH, find_purpose, make_parser
from scripts.cli.build_report import Outcome, as_json, as_tables, embedding_progress, reading_progress
from scripts.cli.paths import MODEL_FOLDER
from scripts.indexing.diff import UNKNOWN_FINGERPRINT, compare
from scripts.indexing.embedding import PendingTexts, embed, load_verified
from scripts.indexing.incident_vectors import average, import_vectors, make_plan
from scripts.indexing.vector_cache import UnusableCacheError, VectorCache
from scripts.sources.spec import open_import, open_source


def main() -> int:
    """Run the command line; for the exit status see `build_arguments`."""
    parser = make_parser(__doc__)
    arguments = parser.parse_args()
    purpose = find_purpose(parser, arguments)
    console = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)
    try:
        if purpose == CHECK:
            outcome = _check(arguments)
        elif purpose == IMPORT:
            outcome = _import(arguments)
        else:
            outcome = _build(arguments, console)
    except (InvalidFileError, UnusableCacheError, OSError, sqlite3.Error, ValueError) as error:
        console.print(f"{'Not in order' if arguments.check else 'No index written'}: {error}")
        return 1
    except KeyboardInterrupt:
        console.print("Stopped: no index written; the same command goes on from here")
        return 130
    try:
        print(as_json(outcome) if arguments.json else as_tables(outcome), flush=True)
    except (OSError, UnicodeError) as error:  # a full disk, a reader that is gone, a terminal without such characters
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter would fail to flush it
        console.print(f"{outcome.path} is in order, but what there is to say could not be printed: {error}")
        return 3
    return 0


def _build(arguments: argparse.Namespace, console: Console) -> Outcome:
    """Embed the texts of a source."""
    started = time.monotonic()
    folder = arguments.model or MODEL_FOLDER
    output, old, built_at = _prepare(arguments, folder)
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"expected a GPU for --device cuda; torch {torch.__version__} finds none")
    encoder = load_verified(folder, arguments.device)
    cache_path = None if arguments.no_cache else arguments.cache
    per_batch = arguments.batch or TEXTS_PER_BATCH[arguments.device]
    alone = arguments.device == "cpu" and per_batch == 1
    # Apart, as rounding differs with what is computed together: other vectors would stay in every index from now on.
    made_by = encoder.fingerprint if alone else f"{encoder.fingerprint} on {arguments.device} by {per_batch}"
    with (
        VectorCache(cache_path, fingerprint=made_by, width=encoder.width) as cache,
        open_source(arguments.source, encoder) as source,
        PendingTexts() as pending,
    ):
        with reading_progress(console) as advance:
            plan = make_plan(source, cache, pending, advance)
        n_workers = arguments.workers or (1 if arguments.device == "cuda" else available_cpus(os.environ))
        more = min(n_workers, -(-pending.n_texts // per_batch)) - 1
        encoders = [encoder, *(Encoder.load(folder, device=arguments.device) for _ in range(more))]
        with embedding_progress(console, pending) as embedded:
            empty = embed(pending, cache, encoders, per_batch, embedded)
        rows = average(plan, cache, empty)
        index = rows.index(encoder_info(encoder), source.name, built_at)
        pruned = cache.prune(plan.keys) if arguments.prune else 0
        save_index(index, output)
        return Outcome(
            path=output,
            index=index,
            left_out=rows.left_out,
            notes=source.notes,
            new=pending.n_texts - len(empty),
            truncated=rows.truncated,
            pruned=pruned,
            seconds=time.monotonic() - started,
            diff=compare(old, index) if old else None,
        )


def _import(arguments: argparse.Namespace) -> Outcome:
    """Take over the vectors of a source; a model that is named vouches for them with its fingerprint."""
    started = time.monotonic()
    output, old, built_at = _prepare(arguments, arguments.model or Path())
    source = open_import(arguments.source)
    if arguments.model:
        info = encoder_info(load_verified(arguments.model))
        rows = import_vectors(source, info.width)
    else:
        rows = import_vectors(source, None)
        width = rows.means[0].numel() if rows.means else 0
        info = EncoderInfo(
            arguments.encoder_name, arguments.encoder_revision, UNKNOWN_FINGERPRINT, width, arguments.encoder_tokens
        )
    index = rows.index(info, source.name, built_at)
    save_index(index, output)
    diff = compare(old, index) if old else None
    seconds = time.monotonic() - started
    return Outcome(path=output, index=index, left_out=rows.left_out, notes=source.notes, seconds=seconds, diff=diff)


def _check(arguments: argparse.Namespace) -> Outcome:
    """Verify an index, and that it was built with the model that is named, or that it lies beside."""
    index = load_index(arguments.check)
    folder = arguments.model or arguments.check.absolute().parent
    if arguments.model or (folder / "config.json").is_file():
        if (expected := load_verified(folder).fingerprint) != index.encoder.fingerprint:
            found = index.encoder.fingerprint
            raise InvalidIndexError(arguments.check, f"expected one built with {folder} ({expected}), got {found}")
        note = f"built with the model in {folder}"
    else:
        note = "there is no model beside it: which one it was built with was not verified (--model FOLDER does)"
    diff = compare(load_index(arguments.diff), index) if arguments.diff else None
    return Outcome(path=arguments.check, index=index, notes=[note], diff=diff)


def _prepare(arguments: argparse.Namespace, folder: Path) -> tuple[Path, IncidentIndex | None, str]:
    """What can be known to fail is tried before hours of work: (output, old index, time of building)."""
    output: Path = arguments.output or folder / INDEX_FILENAME
    if output.is_dir():
        raise IsADirectoryError(f"expected --output to be a file, got {output}: a folder")
    try:
        with tempfile.TemporaryFile(dir=output.parent):
            pass
    except OSError as error:  # it names the temporary file, which nobody knows
        raise OSError(
            f"expected --output to be in a folder that can be written, got {output}: {error.strerror}"
        ) from error
    return output, load_index(arguments.diff) if arguments.diff else None, build_time(os.environ)


def encoder_info(encoder: Encoder) -> EncoderInfo:
    """What an index says of the encoder it was built with."""
    return EncoderInfo(encoder.name, encoder.revision, encoder.fingerprint, encoder.width, encoder.token_limit)


def build_time(environment: Mapping[str, str]) -> str:
    """Now, or SOURCE_DATE_EPOCH (reproducible-builds.org): with it, the same source gives the same file, bit for bit.

    Raises:
        ValueError: SOURCE_DATE_EPOCH is not a time.
    """
    epoch = environment.get("SOURCE_DATE_EPOCH")
    try:
        moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"expected SOURCE_DATE_EPOCH to be seconds since 1970, got {epoch!r}") from error
    return moment.isoformat(timespec="seconds")


if __name__ == "__main__":
    sys.exit(main())
