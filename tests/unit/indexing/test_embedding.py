"""Many texts at once: the same vectors however the work is divided, and each kept as soon as it is there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from incidents.errors import InvalidModelError
from incidents.model.encoder import Embedding, Encoder
from scripts.indexing.embedding import embed
from scripts.indexing.vector_cache import VectorCache

TEXTS = [" ".join(f"w{4 + (n * k) % 50}" for k in range(1 + n % 45)) for n in range(60)]  # some are too long
TOLERANCE = 1e-5


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def embed_all(texts: list[str], folder: Path, n_encoders: int, texts_per_batch: int) -> dict[str, Embedding]:
    encoders = [Encoder.load(folder) for _ in range(n_encoders)]
    told: list[int] = []
    with VectorCache(None, made_by="f", width=32) as cache:
        distinct = [(cache.key(text), text) for text in dict.fromkeys(texts)]
        empty = embed(distinct, cache, encoders, texts_per_batch, lambda _, tokens: told.append(tokens))
        found = {text: cache.get(cache.key(text)) for text in texts if cache.key(text) not in empty}
    assert sum(told) == sum(embedding.tokens_used for embedding in found.values())
    assert len(told) == -(-len(set(texts)) // texts_per_batch)
    return found


def test_a_text_alone_has_the_same_vector_to_the_last_bit_whatever_else_is_embedded(tiny_folder: Path) -> None:
    together = embed_all(TEXTS, tiny_folder, n_encoders=3, texts_per_batch=1)
    for text in TEXTS[::7]:
        assert torch.equal(embed_all([text], tiny_folder, 1, 1)[text].vector, together[text].vector)


@pytest.mark.parametrize(("n_encoders", "texts_per_batch"), [(1, 1), (3, 7), (1, 1000)])
def test_vectors_are_the_same_whatever_the_batching(
    tiny_folder: Path, tiny_encoder: Encoder, n_encoders: int, texts_per_batch: int
) -> None:
    found = embed_all(TEXTS, tiny_folder, n_encoders, texts_per_batch)
    for text, embedding in zip(TEXTS, tiny_encoder.encode_batch(TEXTS), strict=True):
        assert (found[text].vector - embedding.vector).abs().max() <= TOLERANCE
        assert (found[text].tokens, found[text].tokens_used) == (embedding.tokens, embedding.tokens_used)


@pytest.mark.parametrize("texts_per_batch", [1, 4])
def test_a_text_that_the_tokenizer_drops_is_reported(tiny_folder: Path, texts_per_batch: int) -> None:
    assert embed_all(["w5", "w6"], tiny_folder, 1, texts_per_batch).keys() == {"w5", "w6"}
    assert embed_all(["w5", "", "w6", "w7"], tiny_folder, 1, texts_per_batch).keys() == {"w5", "w6", "w7"}


@pytest.mark.parametrize("failure", [InvalidModelError(Path("model"), "damaged"), KeyboardInterrupt()])
@pytest.mark.parametrize("n_encoders", [1, 3])
def test_a_failure_keeps_every_vector_that_was_computed(
    tiny_folder: Path, failure: BaseException, n_encoders: int
) -> None:
    encoders = [Encoder.load(tiny_folder) for _ in range(n_encoders)]
    computed: list[str] = []

    def compute(texts: list[str]) -> list[Embedding]:
        if len(computed) >= 20:
            raise failure
        embeddings = Encoder.encode_batch(encoders[0], texts)
        computed.extend(texts)
        return embeddings

    for encoder in encoders:
        encoder.encode_batch = compute  # type: ignore[method-assign, assignment]
    with VectorCache(None, made_by="f", width=32) as cache:
        distinct = [(cache.key(text), text) for text in dict.fromkeys(TEXTS)]
        with pytest.raises(type(failure)):
            embed(distinct, cache, encoders, 1, lambda *_: None)
        assert len(computed) >= 20
        assert len(cache) == len(computed)
