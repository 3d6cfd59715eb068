"""The stack of layers that BERT, RoBERTa and Longformer share, computed only where its result is needed."""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from incidents.model_folder import ModelConfig

ATTENTION_BLOCK_TOKENS = 128
"""Queries that share one slice of keys in windowed attention: few enough to waste little of the slice."""


class _Linear(NamedTuple):
    weight: Tensor
    bias: Tensor


class _LayerNorm(NamedTuple):
    weight: Tensor
    bias: Tensor


class _Layer(NamedTuple):
    query: _Linear
    key: _Linear
    value: _Linear
    attention_output: _Linear
    attention_norm: _LayerNorm
    intermediate: _Linear
    output: _Linear
    output_norm: _LayerNorm


class Transformer:
    """A post-layer-norm transformer encoder (Vaswani et al. 2017) in float32, without dropout.

    The sequences of a call are laid one after the other in one matrix, without padding: every position-wise step is
    one matrix product, and only attention looks at a sequence at a time.

    Of each sequence only the rows are computed that can still reach a pooled position. With CLS pooling the last
    layer gives row 0 alone, the layer below the rows within the last layer's reach of it, and so on down: a cone.
    With mean pooling, or layers of unlimited reach, the same rule keeps every row.
    """

    def __init__(self, config: ModelConfig, weights: dict[str, Tensor]) -> None:
        self._config = config
        self._words = weights["embeddings.word_embeddings.weight"]
        self._positions = weights["embeddings.position_embeddings.weight"]
        self._token_type = weights["embeddings.token_type_embeddings.weight"][0]
        self._embedding_norm = _LayerNorm(weights["embeddings.LayerNorm.weight"], weights["embeddings.LayerNorm.bias"])
        self._layers = [_layer(weights, f"encoder.layer.{index}.") for index in range(config.n_layers)]
        self._bands = {reach: _band(reach) for reach in set(config.reach) if reach is not None}

        everything = config.token_limit
        rows = [1 if config.pooling == "cls" else everything]
        for reach in reversed(config.reach):
            rows.append(everything if reach is None else min(rows[-1] + reach, everything))
        self._rows_needed = rows[::-1]  # of the embeddings, then of each layer's output

    @torch.inference_mode()
    def __call__(self, sequences: list[list[int]]) -> tuple[Tensor, ...]:
        """Compute the pooled positions' vectors of token sequences.

        Shape: for each sequence (1, width) with CLS pooling, (seq_len, width) with mean pooling.
        """
        lengths = [min(len(sequence), self._rows_needed[0]) for sequence in sequences]
        hidden = self._embed([sequence[:length] for sequence, length in zip(sequences, lengths, strict=True)])
        for layer, reach, needed in zip(self._layers, self._config.reach, self._rows_needed[1:], strict=True):
            kept = [min(length, needed) for length in lengths]
            hidden = self._apply(layer, reach, hidden, lengths, kept)
            lengths = kept
        return torch.split(hidden, lengths)

    def _embed(self, sequences: list[list[int]]) -> Tensor:
        """Shape: (n_tokens, width)."""
        tokens = torch.tensor([token for sequence in sequences for token in sequence])
        positions = torch.cat([self._position_ids(torch.tensor(sequence)) for sequence in sequences])
        hidden = F.embedding(tokens, self._words) + self._token_type + F.embedding(positions, self._positions)
        return self._normalize(hidden, self._embedding_norm)

    def _position_ids(self, tokens: Tensor) -> Tensor:
        """Shape: (seq_len,) -> (seq_len,). RoBERTa counts from padding_token + 1 and does not count padding tokens."""
        if not self._config.counts_padding:
            return torch.arange(len(tokens))
        is_token = (tokens != self._config.padding_token).long()
        return is_token.cumsum(0) * is_token + self._config.padding_token

    def _apply(self, layer: _Layer, reach: int | None, hidden: Tensor, lengths: list[int], kept: list[int]) -> Tensor:
        """Shape: (sum of lengths, width) -> (sum of kept, width)."""
        rows = _leading(hidden, lengths, kept)
        queries = torch.split(self._heads(rows, layer.query), kept)
        keys = torch.split(self._heads(hidden, layer.key), lengths)
        values = torch.split(self._heads(hidden, layer.value), lengths)
        attended = torch.cat([self._attend(reach, *qkv) for qkv in zip(queries, keys, values, strict=True)])
        rows = self._normalize(rows + F.linear(attended, *layer.attention_output), layer.attention_norm)
        expanded = F.gelu(F.linear(rows, *layer.intermediate))
        return self._normalize(rows + F.linear(expanded, *layer.output), layer.output_norm)

    def _heads(self, hidden: Tensor, projection: _Linear) -> Tensor:
        """Shape: (n_tokens, width) -> (n_tokens, n_heads, width / n_heads)."""
        return F.linear(hidden, *projection).view(len(hidden), self._config.n_heads, -1)

    def _attend(self, reach: int | None, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Attention of a sequence's leading rows; within `reach` to each side, in blocks, where that is limited.

        Shape: queries (n_queries, n_heads, head_width), keys and values (n_keys, n_heads, head_width)
            -> (n_queries, width).
        """
        n_queries, n_keys = len(queries), len(keys)
        queries, keys, values = (tensor.transpose(0, 1).unsqueeze(0) for tensor in (queries, keys, values))
        if reach is None or n_keys <= reach + 1:
            blocks = [F.scaled_dot_product_attention(queries, keys, values)]
        else:
            blocks = []
            for start, stop in pairwise([*range(0, n_queries, ATTENTION_BLOCK_TOKENS), n_queries]):
                first, last = max(0, start - reach), min(n_keys, stop + reach)
                offset = start - reach  # the key that the band's column 0 stands for
                mask = self._bands[reach][: stop - start, first - offset : last - offset]
                blocks.append(
                    F.scaled_dot_product_attention(
                        queries[:, :, start:stop], keys[:, :, first:last], values[:, :, first:last], attn_mask=mask
                    )
                )
        return torch.cat([block.squeeze(0).transpose(0, 1).flatten(1) for block in blocks])

    def _normalize(self, hidden: Tensor, norm: _LayerNorm) -> Tensor:
        return F.layer_norm(hidden, norm.weight.shape, *norm, eps=self._config.layer_norm_eps)


def _layer(weights: dict[str, Tensor], prefix: str) -> _Layer:
    def linear(name: str) -> _Linear:
        return _Linear(weights[f"{prefix}{name}.weight"], weights[f"{prefix}{name}.bias"])

    def norm(name: str) -> _LayerNorm:
        return _LayerNorm(weights[f"{prefix}{name}.weight"], weights[f"{prefix}{name}.bias"])

    return _Layer(
        query=linear("attention.self.query"),
        key=linear("attention.self.key"),
        value=linear("attention.self.value"),
        attention_output=linear("attention.output.dense"),
        attention_norm=norm("attention.output.LayerNorm"),
        intermediate=linear("intermediate.dense"),
        output=linear("output.dense"),
        output_norm=norm("output.LayerNorm"),
    )


def _band(reach: int) -> Tensor:
    """The additive attention mask of one block: column c is the key at the block's first query - reach + c.

    Shape: (ATTENTION_BLOCK_TOKENS, ATTENTION_BLOCK_TOKENS + 2 * reach); 0 where query and key are within `reach`
    of each other, -inf elsewhere.
    """
    query = torch.arange(ATTENTION_BLOCK_TOKENS).unsqueeze(1)
    key = torch.arange(ATTENTION_BLOCK_TOKENS + 2 * reach).unsqueeze(0)
    within = (key >= query) & (key <= query + 2 * reach)
    return torch.where(within, 0.0, float("-inf"))


def _leading(hidden: Tensor, lengths: list[int], kept: list[int]) -> Tensor:
    """The first `kept` rows of every sequence. Shape: (sum of lengths, width) -> (sum of kept, width)."""
    if kept == lengths:
        return hidden
    return torch.cat([part[:count] for part, count in zip(torch.split(hidden, lengths), kept, strict=True)])
