"""From a text to its embedding: tokens, limits, pooling, repeated texts and the fingerprint."""

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from incidents.errors import InvalidInputError, InvalidModelError
from incidents.model.encoder import Encoder
from support.tiny import edit_json, edit_weights, make_model

TOLERANCE = 1e-5


def test_an_embedding_is_the_first_vector_of_the_last_layer(tmp_path: Path) -> None:
    model = make_model(tmp_path, "longformer", attention_window=8)
    embedding = Encoder.load(tmp_path).encode("w5 w6 w59")
    with torch.inference_mode():
        expected = model(torch.tensor([[0, 5, 6, 59, 2]])).last_hidden_state[0, 0]
    assert embedding.vector.shape == (32,)
    assert embedding.vector.dtype == torch.float32
    assert (embedding.vector - expected).abs().max() <= TOLERANCE
    assert (embedding.tokens, embedding.tokens_used, embedding.warnings) == (5, 5, [])


def test_a_long_text_is_cut_as_tokenizers_do_with_a_warning(tmp_path: Path) -> None:
    model = make_model(tmp_path, "roberta")  # 40 tokens
    embedding = Encoder.load(tmp_path).encode(" ".join(["w7"] * 100))
    with torch.inference_mode():
        expected = model(torch.tensor([[0] + [7] * 38 + [2]])).last_hidden_state[0, 0]
    assert (embedding.vector - expected).abs().max() <= TOLERANCE
    assert (embedding.tokens, embedding.tokens_used) == (102, 40)
    assert embedding.warnings == ["The text has 102 tokens, of which the first 40 were used."]


@pytest.mark.parametrize("kinds", [("Transformer", "Pooling"), ("Transformer", "Pooling", "Normalize")])
def test_pooling_normalization_and_limit_follow_sentence_transformers(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    model = make_model(tmp_path, "bert")
    modules = [{"type": f"sentence_transformers.models.{kind}", "path": f"1_{kind}"} for kind in kinds]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Pooling").mkdir()
    pooling = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 10, "do_lower_case": false}')
    embedding = Encoder.load(tmp_path).encode(" ".join(["w9"] * 20))
    with torch.inference_mode():
        mean = model(torch.tensor([[0] + [9] * 8 + [2]])).last_hidden_state[0].mean(dim=0)
    expected = mean / mean.norm() if "Normalize" in kinds else mean
    assert (embedding.vector - expected).abs().max() <= TOLERANCE
    assert embedding.tokens_used == 10


def test_half_precision_weights_are_computed_in_single_precision(folder: Path) -> None:
    edit_weights(folder, lambda weights: weights.update({name: weight.half() for name, weight in weights.items()}))
    assert Encoder.load(folder).encode("w5").vector.dtype == torch.float32


def test_a_batch_keeps_the_order_of_its_texts(tiny_encoder: Encoder) -> None:
    texts = [" ".join(["w5", f"w{4 + n % 50}"] * (1 + n % 19)) for n in range(300)]  # several batches
    embeddings = tiny_encoder.encode_batch(texts)
    assert len(embeddings) == 300
    for text, embedding in zip(texts, embeddings, strict=True):
        alone = tiny_encoder.encode(text)
        assert (embedding.vector - alone.vector).abs().max() <= TOLERANCE
        assert (embedding.tokens, embedding.tokens_used) == (alone.tokens, alone.tokens_used)


def test_a_batch_of_no_texts_is_empty(tiny_encoder: Encoder) -> None:
    assert tiny_encoder.encode_batch([]) == []


def test_embedding_another_text_leaves_a_vector_unchanged(tiny_encoder: Encoder) -> None:
    first = tiny_encoder.encode("w5 w6 w7").vector
    before = first.clone()
    tiny_encoder.encode(" ".join(["w8"] * 38))
    assert torch.equal(first, before)


def test_several_threads_get_the_same_vectors_as_one(tiny_encoder: Encoder) -> None:
    texts = [" ".join([f"w{5 + n}"] * (1 + 9 * n)) for n in range(4)]
    alone = [tiny_encoder.encode(text).vector for text in texts]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # let threads take over within a call
    try:
        with ThreadPoolExecutor(len(texts)) as pool:
            for _ in range(30):
                together = list(pool.map(tiny_encoder.encode, texts))
                for embedding, vector in zip(together, alone, strict=True):
                    assert torch.equal(embedding.vector, vector)
    finally:
        sys.setswitchinterval(interval)


def test_texts_with_the_same_preparation_have_the_same_vector(tiny_encoder: Encoder) -> None:
    plain = tiny_encoder.encode("w5 w6").vector
    for text in ("  w5 w6\n", "ẃ5 w6", "w5\u00a0w6", "w5 w6\ud800"):
        assert torch.equal(tiny_encoder.encode(text).vector, plain), ascii(text)


def test_texts_that_differ_only_after_thousands_of_characters_have_vectors_of_their_own(tiny_encoder: Encoder) -> None:
    beginning = "w5" + " " * 100_000
    for end in ("w6", "w7"):
        long = tiny_encoder.encode(beginning + end)
        assert torch.equal(long.vector, tiny_encoder.encode(f"w5 {end}").vector)


@pytest.mark.parametrize("text", ["", " \n\t ", "\ud800", "\u200b"])
def test_a_text_without_content_is_refused(tiny_encoder: Encoder, text: str) -> None:
    with pytest.raises(InvalidInputError, match="expected text with content"):
        tiny_encoder.encode(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_weights_that_give_an_unusable_vector_are_refused(folder: Path, value: float) -> None:
    names = ("encoder.layer.2.output.LayerNorm.weight", "encoder.layer.2.output.LayerNorm.bias")
    edit_weights(folder, lambda weights: [weights[name].fill_(value) for name in names])
    with pytest.raises(InvalidModelError, match="gave a vector that is all zero or not finite"):
        Encoder.load(folder).encode("w5")


# The tokenizer


def test_limits_and_padding_in_a_tokenizer_file_are_ignored(folder: Path) -> None:
    before = Encoder.load(folder).encode("w5 w6 w7 w8")
    truncation = {"max_length": 3, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    padding = {
        "strategy": {"Fixed": 30},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 1,
        "pad_type_id": 0,
        "pad_token": "<pad>",
    }
    edit_json(folder / "tokenizer.json", truncation=truncation, padding=padding)
    after = Encoder.load(folder).encode("w5 w6 w7 w8")
    assert after.tokens == 6
    assert torch.equal(before.vector, after.vector)


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(folder: Path) -> None:
    edit_json(folder / "config.json", vocab_size=50)
    with pytest.raises(InvalidModelError, match="expected at most the model's 50 tokens, got 60"):
        Encoder.load(folder)


def test_a_token_too_large_for_the_model_is_named(folder: Path) -> None:
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"w59":59', '"w59":60').replace('"w59": 59', '"w59": 60'))
    encoder = Encoder.load(folder)
    assert encoder.encode("w58").tokens == 3
    with pytest.raises(InvalidModelError, match=r"tokenizer\.json: expected tokens below the model's 60, got 60"):
        encoder.encode("w58 w59")


@pytest.mark.parametrize("template", ["$A", "$A </s> </s>", "<s> </s> $A", "<s> <s> $A </s>"])
def test_a_tokenizer_with_other_special_tokens_is_refused(folder: Path, template: str) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    processor = TemplateProcessing(single=template, special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.post_processor = processor
    tokenizer.save(str(folder / "tokenizer.json"))
    with pytest.raises(InvalidModelError, match="expected one special token before and one after a text, got"):
        Encoder.load(folder)


# The fingerprint


def test_a_copy_of_a_folder_has_the_same_fingerprint(tiny_encoder: Encoder, folder: Path) -> None:
    (folder / "manifest.json").write_text('{"name": "another name", "revision": "2"}')
    copy = Encoder.load(folder)
    assert (copy.name, copy.revision) == ("another name", "2")
    assert copy.fingerprint == tiny_encoder.fingerprint
    assert len(bytes.fromhex(copy.fingerprint)) == 32


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: edit_json(folder / "config.json", layer_norm_eps=1e-6),
        lambda folder: edit_json(folder / "config.json", attention_window=[8, 8, 4]),
        lambda folder: edit_json(folder / "tokenizer.json", normalizer={"type": "Lowercase"}),
        lambda folder: (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 20}'),
        lambda folder: edit_weights(folder, lambda weights: weights["embeddings.LayerNorm.bias"][17].add_(1e-6)),
        lambda folder: edit_weights(
            folder, lambda weights: weights["encoder.layer.2.output.dense.weight"].mul_(1.0 + 1e-6)
        ),
    ],
)
def test_a_change_that_affects_vectors_changes_the_fingerprint(
    tiny_encoder: Encoder, folder: Path, change: Callable[[Path], object]
) -> None:
    change(folder)
    assert Encoder.load(folder).fingerprint != tiny_encoder.fingerprint


def test_the_fingerprint_of_a_known_model_is_stable(tmp_path: Path) -> None:
    """Deployed indexes carry fingerprints, so a change of how they are made must be deliberate."""
    make_model(tmp_path, "longformer", attention_window=8)
    edit_weights(
        tmp_path,
        lambda weights: [weight.copy_(torch.arange(weight.numel()).view_as(weight)) for weight in weights.values()],
    )
    assert Encoder.load(tmp_path).fingerprint == "a5736bdf7f2d272b4e79896aec199c3e36f9b1876bd52b24d8c70f0845713fb0"
