"""What an image is checked with when it is built: every handler can be imported, and the model embeds a text."""

import importlib
import sys

import boto3

from incidents import startup  # noqa: F401
from incidents.model.manifest import verify_files, verify_fingerprint
from incidents.settings import IMAGE_FOLDER, IMAGE_INDEX, IMAGE_WEIGHTS
from incidents.store import current as store


def main() -> None:
    """Check handlers and S3's client, then the image's model and index if they are there; the first error ends it.

    Raises:
        InvalidModelError: the model is damaged or unusable.
        InvalidIndexError: the index is damaged, or was built with another model.
    """
    scripts = sorted(path.stem for path in IMAGE_FOLDER.glob("*.py"))
    for script in scripts:
        if not callable(getattr(importlib.import_module(script), "handler", None)):
            sys.exit(f"{script}.py: expected a function named handler, got none")
    sys.stderr.write(f"handlers: {', '.join(scripts)}\n")
    boto3.client("s3", region_name="us-east-1")  # which a handler imports only when it looks for a published index

    weights = IMAGE_FOLDER / IMAGE_WEIGHTS
    folder = weights.parent
    if not weights.is_file():
        sys.stderr.write(f"no model in {folder}: it has to be on the model cache\n")
        return
    verify_files(folder)
    encoder = store.encoder()
    embedding = encoder.encode("A robot does what it was told, not what was meant.")
    verify_fingerprint(folder, encoder.fingerprint)
    sys.stderr.write(f"model: {encoder.name}, {embedding.tokens_used} tokens embedded\n")
    if not (IMAGE_FOLDER / IMAGE_INDEX).is_file():
        sys.stderr.write(f"no index in {folder}: it has to be on the model cache\n")
        return
    index = store.index(built_with=encoder)
    index.rank(embedding.vector, num=1)
    sys.stderr.write(f"index: {len(index)} incidents\n")


if __name__ == "__main__":
    main()
