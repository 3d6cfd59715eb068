"""The vectors equal those of `transformers` with the same random weights."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

import incidents.model.transformer
import incidents.onednn
from incidents.model.config import read_config
from incidents.model.transformer import ATTENTION_BLOCK_TOKENS, Transformer
from incidents.model.weights import read_weights
from support.tiny import N_TOKENS, make_model

TOLERANCE = 1e-5
MAXIMUM = 4 * ATTENTION_BLOCK_TOKENS + 44
"""Longest sequence of the models here, in tokens: five blocks of attention."""


def load(folder: Path) -> Transformer:
    config = read_config(folder)
    return Transformer(config, read_weights(folder / "model.safetensors", config))


def sequence(length: int) -> list[int]:
    return [0, *random.Random(length).choices(range(4, N_TOKENS), k=length - 1)]


@torch.inference_mode()
def expected(model: PreTrainedModel, tokens: list[int]) -> Tensor:
    output: Tensor = model(torch.tensor([tokens])).last_hidden_state[0]
    return output


# No window of 2: LongformerModel itself fails with it.
MODELS: dict[str, dict[str, Any]] = {
    "bert": {"max_position_embeddings": MAXIMUM},
    "roberta": {"max_position_embeddings": MAXIMUM + 2},
    "roberta, padding token 5": {"max_position_embeddings": MAXIMUM + 6, "pad_token_id": 5},
    "longformer, window 4": {"max_position_embeddings": MAXIMUM + 2, "attention_window": 4},
    "longformer, window 10": {"max_position_embeddings": MAXIMUM + 2, "attention_window": 10},
    "longformer, window 64": {"max_position_embeddings": MAXIMUM + 2, "attention_window": 64},
    "longformer, window 256": {"max_position_embeddings": MAXIMUM + 2, "attention_window": 256},
    "longformer, windows 4, 32 and 8": {"max_position_embeddings": MAXIMUM + 2, "attention_window": [4, 32, 8]},
    "longformer, windows 64, 4 and 16": {"max_position_embeddings": MAXIMUM + 2, "attention_window": [64, 4, 16]},
}


@pytest.fixture(scope="module", params=MODELS)
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Transformer, Any]:
    folder = tmp_path_factory.mktemp("model")
    model = make_model(folder, request.param.partition(",")[0], **MODELS[request.param])
    return load(folder), model


def test_the_vector_is_that_of_transformers_at_every_length(models: tuple[Transformer, Any]) -> None:
    transformer, model = models
    for length in range(1, MAXIMUM + 1):
        tokens = sequence(length)
        (output,) = transformer([tokens])
        assert output.shape == (1, 32)
        assert (output[0] - expected(model, tokens)[0]).abs().max() <= TOLERANCE, f"{length} tokens"


def test_a_batch_gives_the_same_vectors_as_its_sequences_alone(models: tuple[Transformer, Any]) -> None:
    transformer, model = models
    lengths = [1, 7, MAXIMUM, 2, 130, 40, ATTENTION_BLOCK_TOKENS]
    outputs = transformer([sequence(length) for length in lengths])
    for length, output in zip(lengths, outputs, strict=True):
        assert (output - transformer([sequence(length)])[0]).abs().max() <= TOLERANCE
        assert (output[0] - expected(model, sequence(length))[0]).abs().max() <= TOLERANCE


def test_blocks_of_rows_and_onednn_do_not_change_the_vectors(
    models: tuple[Transformer, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    transformer, model = models
    tokens = sequence(100)
    whole = expected(model, tokens)[0]
    for blocks, onednn in ((7, incidents.onednn.ONEDNN), (100, None), (7, None)):
        monkeypatch.setattr(incidents.model.transformer, "FEED_FORWARD_BLOCK_ROWS", blocks)
        monkeypatch.setattr(incidents.onednn, "ONEDNN", onednn)
        assert (transformer([tokens])[0][0] - whole).abs().max() <= TOLERANCE


def test_matrices_have_few_different_numbers_of_rows(
    models: tuple[Transformer, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    transformer, _ = models
    seen = set()

    def recorded(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        seen.add(len(inputs))
        return linear(inputs, weight, bias)

    linear = incidents.onednn.linear
    monkeypatch.setattr(incidents.model.transformer, "linear", recorded)
    for length in range(1, MAXIMUM + 1):
        transformer([sequence(length)])
    assert seen <= {*range(16, 257, 16), 288, 320}


@pytest.mark.parametrize("model_type", ["bert", "roberta", "longformer"])
def test_with_mean_pooling_every_position_is_computed(model_type: str, tmp_path: Path) -> None:
    options = {"attention_window": 8} if model_type == "longformer" else {}
    model = make_model(tmp_path, model_type, max_position_embeddings=202, **options)
    write_mean_pooling(tmp_path)
    transformer = load(tmp_path)
    for length in (1, 2, 17, ATTENTION_BLOCK_TOKENS, ATTENTION_BLOCK_TOKENS + 1, 200):
        tokens = sequence(length)
        (output,) = transformer([tokens])
        assert output.shape == (length, 32)
        assert (output - expected(model, tokens)).abs().max() <= TOLERANCE


def write_mean_pooling(folder: Path) -> None:
    (folder / "modules.json").write_text(
        '[{"type": "models.Transformer", "path": ""}, {"type": "models.Pooling", "path": "1_Pooling"}]'
    )
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')


@pytest.mark.parametrize("model_type", ["roberta", "longformer"])
def test_a_padding_token_inside_a_text_has_the_same_position_as_in_transformers(
    model_type: str, tmp_path: Path
) -> None:
    model = make_model(tmp_path, model_type, **({"attention_window": 8} if model_type == "longformer" else {}))
    tokens = [0, 10, 1, 11, 1, 1, 12, 2]
    assert (load(tmp_path)([tokens])[0][0] - expected(model, tokens)[0]).abs().max() <= TOLERANCE


def test_tokens_beyond_the_reach_of_all_layers_have_no_effect(tmp_path: Path) -> None:
    make_model(tmp_path, "longformer", attention_window=[8, 4, 2])
    transformer = load(tmp_path)
    reach = 4 + 2 + 1
    tokens = sequence(40)
    (output,) = transformer([tokens])
    assert torch.equal(output, transformer([tokens[: reach + 1] + tokens[:-9:-1]])[0])
    changed = tokens.copy()
    changed[reach] = 4 + (changed[reach] - 3) % 50
    assert not torch.equal(output, transformer([changed])[0]), "the last token within reach must matter"


def test_a_checkpoints_prefix_in_tensor_names_is_accepted(tmp_path: Path) -> None:
    make_model(tmp_path, "longformer", attention_window=8)
    before = load(tmp_path)([sequence(20)])[0]
    path = tmp_path / "model.safetensors"
    save_file({f"longformer.{name}": weight for name, weight in load_file(path).items()}, path)
    assert torch.equal(load(tmp_path)([sequence(20)])[0], before)


def test_every_step_runs_on_the_device_of_the_weights(tmp_path: Path) -> None:
    """This needs no GPU: the device `meta` has shapes without numbers, and cannot be mixed with another device."""
    make_model(tmp_path, "longformer", attention_window=8)
    config = read_config(tmp_path)
    weights = read_weights(tmp_path / "model.safetensors", config)
    transformer = Transformer(config, {name: weight.to("meta") for name, weight in weights.items()})
    outputs = transformer([sequence(20), sequence(3)])
    assert [(output.device.type, tuple(output.shape)) for output in outputs] == [("meta", (1, 32))] * 2
