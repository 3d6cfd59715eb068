"""From text to embedding: tokens, limits, pooling, the fingerprint, and folders that are not what they should be."""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from torch import Tensor

from incidents.errors import InvalidInputError, InvalidModelError
from incidents.model.encoder import Encoder
from incidents.model.manifest import verify_files
from support.tiny import make_model

TOLERANCE = 1e-5


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may damage."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


def test_an_embedding_is_the_first_vector_of_the_last_layer(tmp_path: Path) -> None:
    model = make_model(tmp_path, "longformer", attention_window=8)
    embedding = Encoder.load(tmp_path).encode("w5 w6 w59")
    with torch.inference_mode():
        expected = model(torch.tensor([[0, 5, 6, 59, 2]])).last_hidden_state[0, 0]
    assert embedding.vector.shape == (32,)
    assert embedding.vector.dtype == torch.float32
    assert (embedding.vector - expected).abs().max() <= TOLERANCE
    assert (embedding.tokens, embedding.tokens_used, embedding.warnings) == (5, 5, [])


def test_a_long_text_is_cut_as_tokenizers_cut_and_says_so(tmp_path: Path) -> None:
    model = make_model(tmp_path, "roberta")  # 40 tokens
    embedding = Encoder.load(tmp_path).encode(" ".join(["w7"] * 100))
    with torch.inference_mode():
        expected = model(torch.tensor([[0] + [7] * 38 + [2]])).last_hidden_state[0, 0]
    assert (embedding.vector - expected).abs().max() <= TOLERANCE
    assert (embedding.tokens, embedding.tokens_used) == (102, 40)
    assert embedding.warnings == ["The text has 102 tokens, of which the first 40 were used."]


def test_a_batch_is_in_the_order_of_its_texts(tiny_encoder: Encoder) -> None:
    texts = [" ".join(["w5", f"w{4 + n % 50}"] * (1 + n % 19)) for n in range(300)]  # several batches
    embeddings = tiny_encoder.encode_batch(texts)
    assert len(embeddings) == 300
    for text, embedding in zip(texts, embeddings, strict=True):
        alone = tiny_encoder.encode(text)
        assert (embedding.vector - alone.vector).abs().max() <= TOLERANCE
        assert (embedding.tokens, embedding.tokens_used) == (alone.tokens, alone.tokens_used)


def test_a_batch_of_no_texts_is_empty(tiny_encoder: Encoder) -> None:
    assert tiny_encoder.encode_batch([]) == []


def test_a_vector_stays_what_it_was_when_other_texts_are_embedded(tiny_encoder: Encoder) -> None:
    first = tiny_encoder.encode("w5 w6 w7").vector
    before = first.clone()
    tiny_encoder.encode(" ".join(["w8"] * 38))
    assert torch.equal(first, before)


def test_threads_do_not_disturb_one_another(tiny_encoder: Encoder) -> None:
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


def test_texts_that_are_prepared_alike_have_the_same_vector(tiny_encoder: Encoder) -> None:
    plain = tiny_encoder.encode("w5 w6").vector
    for text in ("  w5 w6\n", "ẃ5 w6", "w5\u00a0w6", "w5 w6\ud800"):
        assert torch.equal(tiny_encoder.encode(text).vector, plain), ascii(text)


@pytest.mark.parametrize("text", ["", " \n\t ", "\ud800", "\u200b"])
def test_a_text_without_content_is_refused(tiny_encoder: Encoder, text: str) -> None:
    with pytest.raises(InvalidInputError, match="expected a text"):
        tiny_encoder.encode(text)


@pytest.mark.parametrize("kinds", [("Transformer", "Pooling"), ("Transformer", "Pooling", "Normalize")])
def test_pooling_normalisation_and_limit_follow_sentence_transformers(tmp_path: Path, kinds: tuple[str, ...]) -> None:
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


def test_limits_and_padding_in_a_tokenizer_file_are_not_applied(folder: Path) -> None:
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
    edit(folder / "tokenizer.json", truncation=truncation, padding=padding)
    after = Encoder.load(folder).encode("w5 w6 w7 w8")
    assert after.tokens == 6
    assert torch.equal(before.vector, after.vector)


def test_half_precision_weights_are_computed_in_single_precision(folder: Path) -> None:
    edit_weights(folder, lambda weights: weights.update({name: weight.half() for name, weight in weights.items()}))
    assert Encoder.load(folder).encode("w5").vector.dtype == torch.float32


# The fingerprint


def test_the_same_folder_elsewhere_has_the_same_fingerprint(tiny_encoder: Encoder, folder: Path) -> None:
    (folder / "manifest.json").write_text('{"name": "another name", "revision": "2"}')
    copy = Encoder.load(folder)
    assert (copy.name, copy.revision) == ("another name", "2")
    assert copy.fingerprint == tiny_encoder.fingerprint
    assert len(bytes.fromhex(copy.fingerprint)) == 32


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: edit(folder / "config.json", layer_norm_eps=1e-6),
        lambda folder: edit(folder / "config.json", attention_window=[8, 8, 4]),
        lambda folder: edit(folder / "tokenizer.json", normalizer={"type": "Lowercase"}),
        lambda folder: (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 20}'),
        lambda folder: edit_weights(folder, lambda weights: weights["embeddings.LayerNorm.bias"][17].add_(1e-6)),
        lambda folder: edit_weights(
            folder, lambda weights: weights["encoder.layer.2.output.dense.weight"].mul_(1.0 + 1e-6)
        ),
    ],
)
def test_whatever_changes_the_vectors_changes_the_fingerprint(
    tiny_encoder: Encoder, folder: Path, change: Callable[[Path], object]
) -> None:
    change(folder)
    assert Encoder.load(folder).fingerprint != tiny_encoder.fingerprint


def test_the_fingerprint_of_a_model_stays_what_it_was(tmp_path: Path) -> None:
    """A deployed index carries a fingerprint: whoever changes how it is made has to want that."""
    make_model(tmp_path, "longformer", attention_window=8)
    edit_weights(
        tmp_path,
        lambda weights: [weight.copy_(torch.arange(weight.numel()).view_as(weight)) for weight in weights.values()],
    )
    assert Encoder.load(tmp_path).fingerprint == "a5736bdf7f2d272b4e79896aec199c3e36f9b1876bd52b24d8c70f0845713fb0"


# Folders that are not what they should be


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("config.json", r"model/config\.json: missing"),
        ("tokenizer.json", r"model/tokenizer\.json: missing; expected the tokenizer"),
        ("model.safetensors", r"model/model\.safetensors: missing; expected the model's weights"),
    ],
)
def test_a_missing_file_is_named(folder: Path, file: str, message: str) -> None:
    (folder / file).unlink()
    with pytest.raises(InvalidModelError, match=message) as raised:
        Encoder.load(folder)
    assert raised.value.path == folder / file


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("config.json", r"config\.json: damaged or unreadable, expected JSON"),
        ("tokenizer.json", r"tokenizer\.json: damaged or unreadable, expected a tokenizer"),
        ("model.safetensors", r"model\.safetensors: damaged or unreadable, expected a safetensors file"),
    ],
)
@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.5, 0.99])
def test_a_truncated_file_is_named(folder: Path, file: str, message: str, fraction: float) -> None:
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: int(len(content) * fraction)])
    with pytest.raises(InvalidModelError, match=message):
        Encoder.load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt2"}, "expected model_type to be one of bert, roberta, longformer, got 'gpt2'"),
        ({"hidden_act": "relu"}, "expected hidden_act to be 'gelu', got 'relu'"),
        ({"position_embedding_type": "relative_key"}, "expected position_embedding_type to be 'absolute'"),
        ({"num_attention_heads": 5}, "expected hidden_size 32 to be a multiple of the 5 attention heads"),
        ({"num_hidden_layers": 0}, "expected num_hidden_layers to be a positive number, got 0"),
        ({"vocab_size": None}, "expected vocab_size to be a positive number, got None"),
        ({"num_attention_heads": True}, "expected num_attention_heads to be a positive number, got True"),
        ({"num_hidden_layers": 2, "attention_window": 8}, "expected the 2 layers of config.json, got more"),
        ({"num_hidden_layers": 4, "attention_window": 8}, "lacks the tensor encoder.layer.3"),
        ({"is_decoder": True}, "expected is_decoder to be False, got True"),
        ({"layer_norm_eps": "small"}, "expected layer_norm_eps to be a float between 0 and 1, got 'small'"),
        ({"layer_norm_eps": float("inf")}, "got inf"),
        ({"layer_norm_eps": -1.0}, "got -1.0"),
        ({"pad_token_id": -1}, "expected pad_token_id to be below 60, got -1"),
        ({"pad_token_id": 60}, "expected pad_token_id to be below 60, got 60"),
        ({"max_position_embeddings": 4}, "expected max_position_embeddings for 3 tokens, got 4"),
        ({"attention_window": 7}, "expected attention_window to be an even number or a list of 3 of them, got 7"),
        ({"attention_window": [8, 8]}, r"got \[8, 8\]"),
        ({"attention_window": 0}, "got 0"),
    ],
)
def test_a_configuration_the_encoder_cannot_compute_is_refused(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    edit(folder / "config.json", **changes)
    with pytest.raises(InvalidModelError, match=message):
        Encoder.load(folder)


def test_a_tensor_of_another_shape_is_named(folder: Path) -> None:
    name = "encoder.layer.1.output.dense.weight"
    edit_weights(folder, lambda weights: weights.update({name: weights[name][:, :60].contiguous()}))
    with pytest.raises(InvalidModelError, match=rf"expected {name} to have shape \(32, 64\), got \(32, 60\)"):
        Encoder.load(folder)


def test_a_missing_tensor_is_named(folder: Path) -> None:
    edit_weights(folder, lambda weights: weights.pop("encoder.layer.2.attention.self.key.bias"))
    with pytest.raises(InvalidModelError, match=r"lacks the tensor encoder\.layer\.2\.attention\.self\.key\.bias"):
        Encoder.load(folder)


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(folder: Path) -> None:
    edit(folder / "config.json", vocab_size=50)
    with pytest.raises(InvalidModelError, match="expected at most the model's 50 tokens, got 60"):
        Encoder.load(folder)


def test_a_token_that_the_model_does_not_know_is_named(folder: Path) -> None:
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"w59":59', '"w59":60').replace('"w59": 59', '"w59": 60'))
    encoder = Encoder.load(folder)
    assert encoder.encode("w58").tokens == 3
    with pytest.raises(InvalidModelError, match=r"tokenizer\.json: expected tokens below the model's 60, gave 60"):
        encoder.encode("w58 w59")


@pytest.mark.parametrize("template", ["$A", "$A </s> </s>", "<s> </s> $A", "<s> <s> $A </s>"])
def test_a_tokenizer_with_other_special_tokens_is_refused(folder: Path, template: str) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    processor = TemplateProcessing(single=template, special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.post_processor = processor
    tokenizer.save(str(folder / "tokenizer.json"))
    with pytest.raises(InvalidModelError, match="expected one special token before and one after a text, got"):
        Encoder.load(folder)


def test_weights_of_another_type_are_named(folder: Path) -> None:
    name = "encoder.layer.1.output.dense.weight"
    edit_weights(folder, lambda weights: weights.update({name: weights[name].to(torch.int8)}))
    with pytest.raises(InvalidModelError, match=f"expected {name} to be of F32, F64, F16, BF16, got I8"):
        Encoder.load(folder)


def test_a_deeply_nested_configuration_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text("[" * 100_000)
    with pytest.raises(InvalidModelError, match="damaged or unreadable, expected JSON"):
        Encoder.load(folder)


def test_messages_name_no_folder_but_the_last(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    with pytest.raises(InvalidModelError) as raised:
        Encoder.load(folder)
    assert str(raised.value) == "model/config.json: damaged or unreadable, expected JSON"
    assert raised.value.path == folder / "config.json"


# The manifest


def write_manifest(folder: Path) -> None:
    names = ("config.json", "tokenizer.json", "model.safetensors")
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / "manifest.json").write_text(json.dumps({"name": "tiny", "revision": "1", "files": files}))


def test_files_as_in_the_manifest_pass(folder: Path) -> None:
    verify_files(folder)
    write_manifest(folder)
    verify_files(folder)


def test_damage_that_the_fingerprint_does_not_see_is_found_with_the_manifest(folder: Path) -> None:
    write_manifest(folder)
    edit_weights(folder, lambda weights: weights["embeddings.word_embeddings.weight"][30].zero_())
    with pytest.raises(InvalidModelError, match=r"model\.safetensors: expected sha256 \w+, got \w+; fetch the model"):
        verify_files(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(InvalidModelError, match=r"model\.safetensors: missing"):
        verify_files(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_weights_that_give_no_vector_are_found_out(folder: Path, value: float) -> None:
    names = ("encoder.layer.2.output.LayerNorm.weight", "encoder.layer.2.output.LayerNorm.bias")
    edit_weights(folder, lambda weights: [weights[name].fill_(value) for name in names])
    with pytest.raises(InvalidModelError, match="gave a vector that is all zero or not finite"):
        Encoder.load(folder).encode("w5")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("modules.json", "{}", "expected a list of modules"),
        ("modules.json", '[{"type": "models.Transformer"}, {"type": "models.Dense"}]', "got .*'Dense'"),
        ("1_Pooling/config.json", '{"pooling_mode_max_tokens": true}', r"mode cls or mean, got \['max_tokens'\]"),
        ("1_Pooling/config.json", '{"pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": true}', "got"),
        ("sentence_bert_config.json", '{"max_seq_length": 41}', "expected max_seq_length to be from 3 to 40, got 41"),
        ("sentence_bert_config.json", '{"do_lower_case": true}', "expected do_lower_case to be false"),
        ("sentence_bert_config.json", "[]", "expected a JSON object, got list"),
    ],
)
def test_files_of_sentence_transformers_are_checked(folder: Path, file: str, content: str, message: str) -> None:
    modules = [{"type": "models.Transformer", "path": ""}, {"type": "models.Pooling", "path": "1_Pooling"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": "cls"}')
    Encoder.load(folder)
    (folder / file).write_text(content)
    with pytest.raises(InvalidModelError, match=message):
        Encoder.load(folder)
