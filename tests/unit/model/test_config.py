"""The configuration of a model folder: unsupported, damaged and missing files are refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from incidents.errors import InvalidModelError
from incidents.model.encoder import Encoder
from support.tiny import edit_json


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
def test_an_unsupported_configuration_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    edit_json(folder / "config.json", **changes)
    with pytest.raises(InvalidModelError, match=message):
        Encoder.load(folder)


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


def test_a_deeply_nested_configuration_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text("[" * 100_000)
    with pytest.raises(InvalidModelError, match="damaged or unreadable, expected JSON"):
        Encoder.load(folder)


def test_messages_name_only_the_file_and_its_folder(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    with pytest.raises(InvalidModelError) as raised:
        Encoder.load(folder)
    assert str(raised.value) == "model/config.json: damaged or unreadable, expected JSON"
    assert raised.value.path == folder / "config.json"
