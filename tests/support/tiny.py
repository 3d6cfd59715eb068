"""Models and indexes small enough to make for each test; the models are of the real classes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertModel,
    LongformerConfig,
    LongformerModel,
    PreTrainedModel,
    RobertaConfig,
    RobertaModel,
)

from incidents.index.encoder_info import EncoderInfo
from incidents.index.incident_index import IncidentIndex

N_TOKENS = 60
"""Size of the tiny vocabulary: <s>, <pad>, </s>, <unk>, then the words w4, w5 and so on."""

CLASSES: dict[str, tuple[type[Any], type[Any]]] = {
    "bert": (BertConfig, BertModel),
    "roberta": (RobertaConfig, RobertaModel),
    "longformer": (LongformerConfig, LongformerModel),
}


def make_model(folder: Path, model_type: str, **options: Any) -> PreTrainedModel:
    """Write a model folder with random weights and return the transformers model that has these weights."""
    config_class, model_class = CLASSES[model_type]
    defaults: dict[str, Any] = {
        "vocab_size": N_TOKENS,
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 42,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "type_vocab_size": 2 if model_type == "bert" else 1,
    }
    torch.manual_seed(7)
    model: PreTrainedModel = model_class(config_class(**defaults | options), add_pooling_layer=False).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # initially, biases are 0 and layer norms do nothing
            parameter.normal_(mean=float("LayerNorm.weight" in name), std=0.2)
    model.save_pretrained(folder)
    write_tokenizer(folder)
    return model


def write_tokenizer(folder: Path) -> None:
    special = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    words = {f"w{token}": token for token in range(len(special), N_TOKENS)}
    tokenizer = Tokenizer(WordLevel(special | words, unk_token="<unk>"))
    tokenizer.add_special_tokens(list(special))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.save(str(folder / "tokenizer.json"))


def edit_json(path: Path, **changes: Any) -> None:
    """Change some values of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Change the weights of a model folder."""
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


def make_index(vectors: dict[int, torch.Tensor], encoder: EncoderInfo) -> IncidentIndex:
    return IncidentIndex(
        ids=torch.tensor(list(vectors)),
        vectors=torch.stack(list(vectors.values())).float(),
        report_counts=torch.ones(len(vectors), dtype=torch.int64),
        titles=[f"Incident {incident_id}" for incident_id in vectors],
        encoder=encoder,
        source="a test",
        built_at="2026-01-02T03:04:05+00:00",
    )
