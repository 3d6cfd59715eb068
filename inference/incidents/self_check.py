"""The check at the end of an image build: every handler imports, the model embeds a text, the index ranks it."""

import importlib
import sys

import boto3

from incidents import startup  # noqa: F401 (before anything that imports torch)
from incidents.model.manifest import verify_files, verify_fingerprint
from incidents.names import INDEX_FILENAME, MODEL_DIR, WEIGHTS_FILENAME
from incidents.store.current import IMAGE_FOLDER, current


def main() -> None:
    """Check the handlers and the S3 client, then the image's model and index if present; stop at the first error.

    Raises:
        SystemExit: a script has no handler.
        InvalidModelError: the model is damaged or not supported.
        InvalidIndexError: the index is damaged, or another encoder built it.
    """
    scripts = sorted(path.stem for path in IMAGE_FOLDER.glob("*.py"))
    for script in scripts:
        if not callable(getattr(importlib.import_module(script), "handler", None)):
            sys.exit(f"{script}.py: expected a function named handler, got none")
    sys.stderr.write(f"handlers: {', '.join(scripts)}\n")
    boto3.client("s3", region_name="us-east-1")  # handlers import it late, only to check for a published index

    folder = IMAGE_FOLDER / MODEL_DIR
    if not (folder / WEIGHTS_FILENAME).is_file():
        sys.stderr.write(f"no model in {folder}; it must be on the model cache\n")
        return
    verify_files(folder)
    encoder = current().encoder()
    embedding = encoder.encode("A robot does what it was told, not what was meant.")
    verify_fingerprint(folder, encoder.fingerprint)
    sys.stderr.write(f"model: {encoder.name}, {embedding.tokens_used} tokens embedded\n")
    if not (folder / INDEX_FILENAME).is_file():
        sys.stderr.write(f"no index in {folder}; it must be on the model cache\n")
        return
    index = current().index(built_with=encoder)
    index.rank(embedding.vector, num=1)
    sys.stderr.write(f"index: {len(index)} incidents\n")


if __name__ == "__main__":
    main()
