"""From a text to its embedding, on torch alone: `transformers` would cost more at a cold start than all the rest."""

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
"""Most tokens computed at once by `encode_batch`: more gains no speed and costs memory in proportion."""

RECENT_TEXTS = 256
"""Embeddings kept by the hash of their text: clients ask again when they lose patience. One takes some 4 KB."""


@dataclass(frozen=True)
class Embedding:
    """A text's vector (shape (width,), float32) and how many tokens the text has and the vector was made from."""

    vector: Tensor
    tokens: int
    tokens_used: int

    @property
    def warnings(self) -> list[str]:
        """What whoever sent the text should know about its embedding."""
        if self.tokens_used == self.tokens:
            return []
        return [f"The text has {self.tokens} tokens, of which the first {self.tokens_used} were used."]


class Encoder:
    """Embeds texts with a model of the BERT family: model_type bert, roberta or longformer.

    Vectors are the model's own, as `transformers` computes them: CLS, not normalised, unless the folder has the files
    of sentence-transformers that say otherwise. A Longformer attends locally only, as `LongformerModel` does when it
    is given no global_attention_mask.
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
        """Load a Hugging Face model folder: config.json, tokenizer.json and the weights, to compute on a torch device.

        Raises:
            InvalidModelError: a file is missing, damaged or of a kind that is not known.
        """
        return cls(folder, device)

    def encode(self, text: str) -> Embedding:
        """Embed one text; one that was embedded not long ago is not computed again.

        Raises:
            InvalidInputError: nothing is left of the text once it is prepared.
            InvalidModelError: the tokenizer gave a token that the model has not got, or the weights are damaged.
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
        """Embed texts, in their order; fastest when neighbours are of similar length.

        Raises:
            InvalidInputError: nothing is left of one of the texts once it is prepared.
            InvalidModelError: the tokenizer gave a token that the model has not got, or the weights are damaged.
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
        """64 hex digits that differ between encoders whose vectors must not be compared.

        SHA-256 of the configuration, the preparation of texts, the tokenizer's file, and of the weights the biases and
        layer norms whole and the first and last row of every matrix: no two trained models agree in all of these, and
        reading every row would cost a cold start more than its first text does. So a file that was damaged further
        in keeps its fingerprint; `verify_files` finds that.
        """
        digest = hashlib.sha256()
        digest.update(json.dumps([PREPARATION, asdict(self._config)], sort_keys=True).encode())
        digest.update(self._tokenizer_digest)
        for name, weight in sorted(self._weights.items()):
            sample = weight if weight.dim() == 1 else weight[[0, -1]]
            digest.update(name.encode() + ctypes.string_at(sample.data_ptr(), sample.nbytes))
        return digest.hexdigest()

    def _remember(self, key: bytes, embedding: Embedding) -> None:
        """Keep an embedding, and forget the one that was kept longest ago if there are too many."""
        self._recent[key] = embedding
        if len(self._recent) > RECENT_TEXTS:
            del self._recent[next(iter(self._recent))]

    def _tokenize(self, prepared: str) -> list[int]:
        sequence = list(self._tokenizer.encode(prepared).ids)
        if len(sequence) < MIN_TOKENS:
            raise InvalidInputError("expected a text, got one of which nothing is left in ASCII without whitespace")
        if (largest := max(sequence)) >= self._config.vocab_size:
            raise InvalidModelError(
                self._tokenizer_path, f"expected tokens below the model's {self._config.vocab_size}, gave {largest}"
            )
        return sequence

    def _truncate(self, sequence: list[int]) -> list[int]:
        """Cut to the token limit as tokenizers do: the closing special token stays."""
        return sequence if len(sequence) <= self.token_limit else sequence[: self.token_limit - 1] + sequence[-1:]

    def _pool(self, outputs: Iterable[Tensor]) -> Iterator[Tensor]:
        """Shape: (1 or seq_len, width) -> (width,), for each sequence. CLS is the mean over the one row there is."""
        for output in outputs:
            vector = output.mean(dim=0).cpu()
            if not vector.isfinite().all() or not vector.any():
                raise InvalidModelError(self._weights_path, "damaged, gave a vector that is all zero or not finite")
            yield F.normalize(vector, dim=0) if self._config.normalized else vector


def _batches(sequences: list[list[int]]) -> Iterator[list[list[int]]]:
    """Group neighbours into batches of at most BATCH_TOKENS tokens, or of one longer sequence."""
    batch: list[list[int]] = []
    for sequence in sequences:
        if batch and sum(map(len, batch)) + len(sequence) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(sequence)
    if batch:
        yield batch


def _read_tokenizer(path: Path, config: ModelConfig) -> tuple[Tokenizer, bytes]:
    """The tokenizer, set to neither cut nor pad, and the SHA-256 of its file."""
    if not path.is_file():
        raise InvalidModelError(path, "missing; expected the tokenizer as the tokenizers library saves it")
    try:
        content = path.read_bytes()
        tokenizer = Tokenizer.from_buffer(content)
        tokenizer.no_truncation()  # some files ship with their training's limits
        tokenizer.no_padding()
        probe = tokenizer.encode("a")
    except Exception as error:  # the library raises plain Exception and ValueError
        raise InvalidModelError(path, "damaged or unreadable, expected a tokenizer") from error
    # By their number: asking for each takes longer, and more memory, than a short text. One beyond the model's that
    # leaves a gap below is found when a text has it.
    if (n_tokens := tokenizer.get_vocab_size(with_added_tokens=True)) > config.vocab_size:
        raise InvalidModelError(path, f"expected at most the model's {config.vocab_size} tokens, got {n_tokens}")
    if [i for i, special in enumerate(probe.special_tokens_mask) if special] != [0, len(probe) - 1]:
        raise InvalidModelError(path, f"expected one special token before and one after a text, got {probe.tokens}")
    return tokenizer, hashlib.sha256(content).digest()
