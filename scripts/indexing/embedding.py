"""Embed many texts: each once, on all CPUs or on a GPU, and keep every vector as soon as it is there."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from queue import SimpleQueue
from typing import Final, Self

import torch

from incidents.errors import InvalidInputError, InvalidModelError
from incidents.model.encoder import Embedding, Encoder
from incidents.model.manifest import verify_files, verify_fingerprint
from scripts.indexing.vector_cache import VectorCache

BATCHES_AHEAD: Final = 2
"""Batches handed out for each encoder, so that none waits while the vectors of a finished one are kept."""


def load_verified(folder: Path, device: str = "cpu") -> Encoder:
    """Load an encoder whose folder is as its manifest says, if it has one: its vectors will be kept for long.

    Raises:
        InvalidModelError: a file is missing, damaged, another, or one too many.
    """
    verify_files(folder)
    encoder = Encoder.load(folder, device=device)
    verify_fingerprint(folder, encoder.fingerprint)
    return encoder


class PendingTexts:
    """Prepared texts that wait to be embedded, each once; in a temporary file, as there may be more than fit in memory.

    `n_texts` and `n_characters` count what waits.
    """

    def __init__(self) -> None:
        self.n_texts = 0
        self.n_characters = 0
        self._database = sqlite3.connect("", isolation_level=None)  # "" is a temporary file that closing removes
        self._database.execute("CREATE TABLE texts (key BLOB PRIMARY KEY, length INTEGER, text TEXT)")
        self._database.execute("BEGIN")  # never committed: nobody else reads it, and it is faster

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, key: bytes, text: str) -> None:
        """Let a text wait, unless it does already."""
        added = self._database.execute("INSERT OR IGNORE INTO texts VALUES (?, ?, ?)", (key, len(text), text)).rowcount
        self.n_texts += added
        self.n_characters += added * len(text)

    def batches(self, n_texts: int) -> Iterator[list[tuple[bytes, str]]]:
        """Keys and texts, neighbours of like lengths; the longest first, so that at the end no encoder waits long."""
        rows = self._database.execute("SELECT key, text FROM texts ORDER BY length DESC, key")
        while batch := rows.fetchmany(n_texts):
            yield batch


def embed(
    pending: PendingTexts,
    cache: VectorCache,
    encoders: Sequence[Encoder],
    texts_per_batch: int,
    advance: Callable[[Sequence[str], int], None],
) -> set[bytes]:
    """Embed what waits and put it into the cache; give the keys of texts of which the tokenizer leaves nothing.

    Each encoder has a thread of its own, which computes with one CPU. With `texts_per_batch` 1 a vector depends on
    nothing but its text, to the last bit. `advance` is told of texts that were embedded, and their number of tokens.

    Raises:
        InvalidModelError: the model gives vectors that are none.
        UnusableCacheError: a vector could not be kept.
    """
    empty: set[bytes] = set()
    running: dict[Future[list[Embedding | None]], list[tuple[bytes, str]]] = {}
    idle: SimpleQueue[Encoder] = SimpleQueue()
    for encoder in encoders:
        idle.put(encoder)

    def compute(texts: list[str]) -> list[Embedding | None]:
        encoder = idle.get()
        try:
            return _encode(encoder, texts)
        finally:
            idle.put(encoder)

    def keep(finished: Iterable[Future[list[Embedding | None]]]) -> None:
        for future in sorted(finished, key=lambda future: future.exception() is not None):  # failures last
            batch, embeddings = running.pop(future), future.result()
            found = [(key, embedding) for (key, _), embedding in zip(batch, embeddings, strict=True) if embedding]
            cache.put(found)
            empty.update({key for key, _ in batch} - {key for key, _ in found})
            advance([text for _, text in batch], sum(embedding.tokens_used for _, embedding in found))

    with ThreadPoolExecutor(len(encoders), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            for batch in pending.batches(texts_per_batch):
                running[pool.submit(compute, [text for _, text in batch])] = batch
                if len(running) == BATCHES_AHEAD * len(encoders):
                    keep(wait(running, return_when=FIRST_COMPLETED).done)
            while running:
                keep(wait(running, return_when=FIRST_COMPLETED).done)
        except (InvalidModelError, KeyboardInterrupt):
            pool.shutdown(cancel_futures=True)
            keep([future for future in running if not future.cancelled() and future.exception() is None])
            raise
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return empty


def _encode(encoder: Encoder, texts: list[str]) -> list[Embedding | None]:
    """None for a text of which the tokenizer leaves nothing."""
    try:
        return list(encoder.encode_batch(texts))
    except InvalidInputError:
        if len(texts) == 1:
            return [None]
        return [embedding for text in texts for embedding in _encode(encoder, [text])]
