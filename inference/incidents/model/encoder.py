"""From a text to its embedding, with torch alone: importing `transformers` would more than double a cold start."""

import ctypes
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import Self

from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from incidents.errors import InvalidInputError, InvalidModelError
from incidents.measurements import note, timed
from incidents.model.config import MIN_TOKENS, ModelConfig, read_config
from incidents.model.manifest import read_provenance
from incidents.model.text import PREPARATION, prepare
from incidents.model.transformer import Transformer
from incidents.model.weights import read_weights
from incidents.names import WEIGHTS_FILENAME

BATCH_TOKENS = 4096
"""Maximum tokens that `encode_batch` computes at once. More use more memory and are no faster."""

RECENT_TEXTS = 256
"""Embeddings kept for repeated texts: impatient clients retry. Each takes about 4 KB."""


@dataclass(frozen=True)
class Embedding:
    """A text's vector, the number of tokens in the text, and the number of tokens used for the vector.

    Shape: vector (width,), float32.
    """

    vector: Tensor
    tokens: int
    tokens_used: int

    @property
    def warnings(self) -> list[str]:
        """Warnings for the caller who sent the text."""
        if self.tokens_used == self.tokens:
            return []
        return [f"The text has {self.tokens} tokens, of which the first {self.tokens_used} were used."]


class Encoder:
    """Embeds texts with a model of the BERT family: model_type bert, roberta or longformer.

    Vectors equal those of `transformers`: CLS and not normalized, unless the folder's sentence-transformers files say
    otherwise. A Longformer attends locally only, as `LongformerModel` does without a global_attention_mask.
    """

    def __init__(self, folder: Path, device: str) -> None:
        self._weights_path = folder / WEIGHTS_FILENAME
        self._config = read_config(folder)
        self._tokenizer_path = folder / "tokenizer.json"
        self._tokenizer, self._tokenizer_digest = _read_tokenizer(self._tokenizer_path, self._config)
        self._weights = read_weights(self._weights_path, self._config)
        placed = {name: weight.to(device) for name, weight in self._weights.items()}
        self.transformer = Transformer(self._config, placed)
        self._one_at_a_time = RLock()
        self._recent: dict[bytes, Embedding] = {}
        self.name, self.revision = read_provenance(folder)
        self.width = self._config.width
        self.token_limit = self._config.token_limit

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        """Load a Hugging Face model folder (config.json, tokenizer.json, model.safetensors) onto a torch device.

        Raises:
            InvalidModelError: a file is missing, damaged or not supported.
        """
        return cls(folder, device)

    def encode(self, text: str) -> Embedding:
        """Embed one text; a recently embedded text is not computed again.

        Raises:
            InvalidInputError: nothing remains of the text after preparation.
            InvalidModelError: the tokenizer returned a token that the model does not have, or the weights are damaged.
        """
        prepared = prepare(text)
        key = hashlib.sha256(prepared.encode()).digest()
        known = self._recent.get(key)
        note("repeated_text", known is not None)
        if known is None:
            with self._one_at_a_time:
                known = self._recent.get(key) or self._embed([prepared])[0]
                self._remember(key, known)
        note("tokens", known.tokens)
        note("tokens_used", known.tokens_used)
        return known

    def encode_batch(self, texts: Sequence[str]) -> list[Embedding]:
        """Embed texts in order; fastest when neighbors have similar lengths.

        Raises:
            InvalidInputError: nothing remains of one of the texts after preparation.
            InvalidModelError: the tokenizer returned a token that the model does not have, or the weights are damaged.
        """
        return self._embed([prepare(text) for text in texts])

    def _embed(self, prepared: Sequence[str]) -> list[Embedding]:
        with timed("tokenize_ms"):
            sequences = [self._tokenize(text) for text in prepared]
        used = [self._truncate(sequence) for sequence in sequences]
        with self._one_at_a_time, timed("encode_ms"):
            vectors = [vector for batch in _batches(used) for vector in self._pool(self.transformer(batch))]
        return [
            Embedding(vector, tokens=len(sequence), tokens_used=len(kept))
            for sequence, kept, vector in zip(sequences, used, vectors, strict=True)
        ]

    @cached_property
    def fingerprint(self) -> str:
        """64 hex digits that identify the vector space; only vectors with equal fingerprints are comparable.

        SHA-256 over the configuration, the preparation of texts, the tokenizer's file and a sample of the weights: all
        biases and layer norms, and the first and last row of every matrix. Trained models differ somewhere in these,
        and reading every row would take a cold start longer than its first text. Damage in other rows keeps the
        fingerprint; `verify_files` detects it.
        """
        digest = hashlib.sha256()
        digest.update(json.dumps([PREPARATION, asdict(self._config)], sort_keys=True).encode())
        digest.update(self._tokenizer_digest)
        for name, weight in sorted(self._weights.items()):
            sample = weight if weight.dim() == 1 else weight[[0, -1]]
            digest.update(name.encode() + ctypes.string_at(sample.data_ptr(), sample.nbytes))
        return digest.hexdigest()

    def _remember(self, key: bytes, embedding: Embedding) -> None:
        """Keep an embedding; if there are too many, drop the oldest."""
        self._recent[key] = embedding
        if len(self._recent) > RECENT_TEXTS:
            del self._recent[next(iter(self._recent))]

    def _tokenize(self, prepared: str) -> list[int]:
        sequence = list(self._tokenizer.encode(prepared).ids)
        if len(sequence) < MIN_TOKENS:
            problem = "expected text with content; nothing remained after conversion to ASCII and trimming"
            raise InvalidInputError(problem)
        if (largest := max(sequence)) >= self._config.vocab_size:
            raise InvalidModelError(
                self._tokenizer_path, f"expected tokens below the model's {self._config.vocab_size}, got {largest}"
            )
        return sequence

    def _truncate(self, sequence: list[int]) -> list[int]:
        """Cut to the token limit as tokenizers do: the final special token stays."""
        return sequence if len(sequence) <= self.token_limit else sequence[: self.token_limit - 1] + sequence[-1:]

    def _pool(self, outputs: Iterable[Tensor]) -> Iterator[Tensor]:
        """Pool each output; with CLS, the mean is over its single row. Shape: (1 or seq_len, width) -> (width,)."""
        for output in outputs:
            vector = output.mean(dim=0).cpu()
            if not vector.isfinite().all() or not vector.any():
                raise InvalidModelError(self._weights_path, "damaged; gave a vector that is all zero or not finite")
            yield F.normalize(vector, dim=0) if self._config.normalized else vector


def _batches(sequences: list[list[int]]) -> Iterator[list[list[int]]]:
    """Group neighbors into batches of at most BATCH_TOKENS tokens; a longer sequence is a batch of its own."""
    batch: list[list[int]] = []
    for sequence in sequences:
        if batch and sum(map(len, batch)) + len(sequence) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(sequence)
    if batch:
        yield batch


def _read_tokenizer(path: Path, config: ModelConfig) -> tuple[Tokenizer, bytes]:
    """The tokenizer, with truncation and padding off, and the SHA-256 of its file."""
    if not path.is_file():
        raise InvalidModelError(path, "missing; expected the tokenizer as the tokenizers library saves it")
    try:
        content = path.read_bytes()
        tokenizer = Tokenizer.from_buffer(content)
        tokenizer.no_truncation()  # some files contain the limits of their training
        tokenizer.no_padding()
        probe = tokenizer.encode("a")
    except Exception as error:  # the library raises plain Exception and ValueError
        raise InvalidModelError(path, "damaged or unreadable, expected a tokenizer") from error
    # Only the number of tokens is checked: listing them takes longer, and more memory, than a short text. With gaps, a
    # token may still be too large for the model; encoding a text that has it reports that.
    if (n_tokens := tokenizer.get_vocab_size(with_added_tokens=True)) > config.vocab_size:
        raise InvalidModelError(path, f"expected at most the model's {config.vocab_size} tokens, got {n_tokens}")
    if [i for i, special in enumerate(probe.special_tokens_mask) if special] != [0, len(probe) - 1]:
        raise InvalidModelError(path, f"expected one special token before and one after a text, got {probe.tokens}")
    return tokenizer, hashlib.sha256(content).digest()
