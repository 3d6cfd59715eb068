"""Embed many texts on all CPUs or on a GPU; each vector is kept in the cache as soon as it is computed."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import Final

import torch

from incidents.cpus import available_cpus
from incidents.errors import InvalidInputError, InvalidModelError
from incidents.model.encoder import Embedding, Encoder
from incidents.model.manifest import verify_files, verify_fingerprint
from scripts.indexing.vector_cache import VectorCache

TEXTS_PER_BATCH: Final = {"cpu": 1, "cuda": 64}
"""By device. On a CPU a text is computed alone: its vector then depends on no other text, to the last bit. A GPU would
be idle most of the time with one text."""
BATCHES_AHEAD: Final = 2
"""Batches submitted for each encoder, so that no encoder waits while finished vectors are written to the cache."""


class EncoderPool:
    """Encoders of one verified model folder, one for each worker, loaded when there is work for them.

    Raises:
        InvalidModelError: a file of the folder is missing, damaged, or not the one that its manifest lists.
        ValueError: the device is "cuda" and there is no GPU.
    """

    def __init__(
        self, folder: Path, *, device: str = "cpu", workers: int | None = None, texts_per_batch: int | None = None
    ) -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"expected a GPU for --device cuda; torch {torch.__version__} finds none")
        self.encoder = load_verified(folder, device)
        self.texts_per_batch = texts_per_batch or TEXTS_PER_BATCH[device]
        self._folder = folder
        self._device = device
        self._workers = workers or (1 if device == "cuda" else available_cpus(os.environ))

    @property
    def made_by(self) -> str:
        """What the last bits of a vector depend on besides its text: the key under which the cache keeps vectors.

        Rounding differs with what is computed together, so batches and GPUs have keys of their own; otherwise their
        vectors would stay in every later index.
        """
        if self._device == "cpu" and self.texts_per_batch == 1:
            return self.encoder.fingerprint
        return f"{self.encoder.fingerprint} on {self._device} by {self.texts_per_batch}"

    def encoders(self, n_texts: int) -> list[Encoder]:
        """The encoders that `n_texts` texts keep busy; the first one is `encoder`."""
        n_encoders = max(1, min(self._workers, -(-n_texts // self.texts_per_batch)))
        return [self.encoder, *(Encoder.load(self._folder, device=self._device) for _ in range(n_encoders - 1))]


def load_verified(folder: Path, device: str = "cpu") -> Encoder:
    """Load an encoder whose folder is what its manifest says, if it has one: its vectors are kept for a long time.

    Raises:
        InvalidModelError: a file is missing or damaged, or there is an extra one.
    """
    verify_files(folder)
    encoder = Encoder.load(folder, device=device)
    verify_fingerprint(folder, encoder.fingerprint)
    return encoder


def embed(
    texts: Iterable[tuple[bytes, str]],
    cache: VectorCache,
    encoders: Sequence[Encoder],
    texts_per_batch: int,
    advance: Callable[[Sequence[str], int], None],
) -> set[bytes]:
    """Embed all texts into the cache, each under its key; return the keys of texts without tokens.

    Each encoder has a thread, which computes with one CPU. With `texts_per_batch` 1 a vector depends on nothing but its
    text, to the last bit. `advance` is called with texts that were embedded, and their number of tokens.

    Raises:
        InvalidModelError: the model gives invalid vectors.
        UnusableCacheError: a vector could not be kept.
    """
    empty: set[bytes] = set()
    running: dict[Future[list[Embedding | None]], Sequence[tuple[bytes, str]]] = {}
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
            for batch in _batched(texts, texts_per_batch):
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


def _batched(texts: Iterable[tuple[bytes, str]], size: int) -> Iterator[list[tuple[bytes, str]]]:
    remaining = iter(texts)
    while batch := list(islice(remaining, size)):
        yield batch


def _encode(encoder: Encoder, texts: list[str]) -> list[Embedding | None]:
    """None for a text without tokens."""
    try:
        return list(encoder.encode_batch(texts))
    except InvalidInputError:
        if len(texts) == 1:
            return [None]
        return [embedding for text in texts for embedding in _encode(encoder, [text])]
