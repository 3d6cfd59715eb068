"""A model and indexes of random numbers: neither speed nor exactness depends on the values.

The model has the configuration of allenai/longformer-base-4096.
"""

from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import LongformerConfig, LongformerModel

from incidents.index.encoder_info import EncoderInfo
from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from incidents.model.encoder import Encoder
from incidents.names import INDEX_FILENAME

WIDTH: Final = 768
INTERMEDIATE: Final = 3072
LAYERS: Final = 12
REACH: Final = 256
"""Tokens to each side that a token attends to."""


def write_model(folder: Path) -> None:
    """Write a Longformer of the base model's shape, with random weights and a vocabulary of made-up words."""
    config = LongformerConfig(
        vocab_size=50_265, max_position_embeddings=4098, type_vocab_size=1, layer_norm_eps=1e-5, attention_window=512
    )
    LongformerModel(config, add_pooling_layer=False).save_pretrained(folder)
    words = {f"w{token}": token for token in range(4, 50_000)}
    tokenizer = Tokenizer(WordLevel({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3} | words, unk_token="<unk>"))  # noqa: S106
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.save(str(folder / "tokenizer.json"))


def write_index(folder: Path, size: int) -> None:
    """Write an index of random vectors that the model in the folder accepts."""
    save_index(make_index(size, Encoder.load(folder).fingerprint), folder / INDEX_FILENAME)


def make_index(size: int, fingerprint: str = "") -> IncidentIndex:
    """An index of random vectors."""
    return IncidentIndex(
        ids=torch.arange(1, size + 1),
        vectors=torch.randn(size, WIDTH),
        report_counts=torch.ones(size, dtype=torch.int64),
        titles=["a title"] * size,
        encoder=EncoderInfo("random", "", fingerprint, WIDTH, 4096),
        source="bench",
        built_at="2026-01-01T00:00:00+00:00",
    )
