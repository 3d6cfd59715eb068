"""Point the Lambda scripts at a model and an index on this machine."""

import argparse
import os
from pathlib import Path

from incidents.names import INDEX_FILENAME
from incidents.settings import settings
from scripts.cli.paths import MODEL_FOLDER


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --model and --index to a command line."""
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER, metavar="FOLDER", help="default: %(default)s")
    parser.add_argument("--index", type=Path, metavar="FILE", help=f"default: {INDEX_FILENAME} in the model's folder")


def configure(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Set the environment by the arguments, before a Lambda script is imported; mistakes end the program."""
    index = arguments.index or arguments.model / INDEX_FILENAME
    for path in (arguments.model, index):
        if not path.exists():
            parser.error(f"{path} is not there; `make index` makes the default ones")
    os.environ |= {"MODEL_PATH": str(arguments.model), "INDEX_PATH": str(index)}
    os.environ.setdefault("POWERTOOLS_METRICS_DISABLED", "true")  # nobody collects them here
    try:
        settings()
    except ValueError as error:
        parser.error(str(error))
