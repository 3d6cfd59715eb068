"""What `build_index` can be told."""

import argparse
from pathlib import Path
from typing import Final

from incidents.names import INDEX_FILENAME
from scripts.cli.paths import MODEL_FOLDER, VECTOR_CACHE
from scripts.sources.spec import IMPORTS, SPECS

EPILOG: Final = f"""\
SPEC is one of:
{SPECS}
exit status:
  0    the index is written, or the checked one is in order
  1    nothing was written: the source, the model, the cache or an index cannot be used, or the disk is full
  2    the arguments do not fit together
  3    the index is written, or in order, but that could not be printed
  130  stopped with Ctrl-C; what was embedded is kept
"""
TEXTS_PER_BATCH: Final = {"cpu": 1, "cuda": 64}
"""On a CPU a text alone: its vector then depends on no other text, to the last bit. A GPU would idle with one."""
CHECK, IMPORT, BUILD = "--check", "a source of vectors", "a source of texts"
EFFECTIVE: Final = {
    CHECK: {"check", "model", "diff", "json"},
    IMPORT: {"source", "model", "output", "json", "diff", "encoder_name", "encoder_revision", "encoder_tokens"},
    BUILD: {"source", "model", "output", "json", "diff", "cache", "no_cache", "prune", "workers", "device", "batch"},
}
"""Options, by what is to be done."""


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """The parser, with the help that goes with `description`."""
    parser = argparse.ArgumentParser(
        description=description, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--source", default="sample", metavar="SPEC", help="where incidents come from, see below (default: sample)")
    add("--model", type=Path, metavar="FOLDER", help=f"default: {MODEL_FOLDER}")
    add("--output", type=Path, metavar="FILE", help=f"default: {INDEX_FILENAME} in the model's folder")
    add("--cache", type=Path, default=VECTOR_CACHE, metavar="FILE", help="of vectors (default: %(default)s)")
    add("--no-cache", action="store_true", help="embed everything, and keep no vector")
    add("--prune", action="store_true", help="forget this model's cached vectors that were not needed")
    add("--workers", type=_positive, metavar="N", help="texts to embed at a time, each on one CPU (default: the CPUs)")
    add("--device", choices=tuple(TEXTS_PER_BATCH), default="cpu", help="default: %(default)s")
    add(
        "--batch",
        type=_positive,
        metavar="TEXTS",
        help="texts to compute together (default: 1 on cpu, 64 on cuda); "
        "with more than 1, or on cuda, vectors are cached apart, as they can differ by 1e-5",
    )
    add("--json", action="store_true", help="print what was done as JSON")
    add("--check", type=Path, metavar="INDEX", help="build nothing: verify this index, and print what it holds")
    add("--diff", type=Path, metavar="OLD", help="say what came, went and moved since this index")
    add("--encoder-name", metavar="NAME", help="for vectors: the encoder that made them")
    add("--encoder-revision", default="", metavar="REVISION", help="for vectors: its revision")
    add(
        "--encoder-tokens",
        type=_positive,
        default=2000,
        metavar="N",
        help="for vectors: the most it read; default: 2000",
    )
    return parser


def find_purpose(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> str:
    """What is to be done; arguments that do not fit that, or each other, end the program."""
    purpose = IMPORT if arguments.source.partition(":")[0] in IMPORTS else BUILD
    purpose = CHECK if arguments.check else purpose
    given = {name for name, value in vars(arguments).items() if value != parser.get_default(name)}
    if superfluous := sorted(given - EFFECTIVE[purpose]):
        options = ", ".join(f"--{name.replace('_', '-')}" for name in superfluous)
        parser.error(f"without effect with {purpose}: {options}")
    if arguments.prune and arguments.no_cache:
        parser.error("without effect with --no-cache: --prune")
    if purpose != IMPORT:
        return purpose
    if (arguments.model is None) == (arguments.encoder_name is None):
        parser.error("vectors need either --encoder-name, or --model to vouch that its encoder made them")
    if arguments.model and given & {"encoder_revision", "encoder_tokens"}:
        parser.error("without effect with --model: --encoder-revision, --encoder-tokens")
    if arguments.model is None and arguments.output is None:
        parser.error("vectors with --encoder-name need an --output")
    return purpose


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)
