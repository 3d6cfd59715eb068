"""The transformer layers that BERT, RoBERTa and Longformer share, computed only for the rows that are needed."""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from incidents.model.config import ModelConfig
from incidents.onednn import linear, linear_gelu, linear_plus, round_up

ATTENTION_BLOCK_TOKENS = 64
"""Queries that share one slice of keys in windowed attention. A larger block computes more masked scores; a smaller one
makes products too small to be fast. Measured at 4,096 tokens on two threads, 32 and 128 are 2 to 3 % slower."""

FEED_FORWARD_BLOCK_ROWS = 512
"""Rows that go through a feed-forward network at a time. Its intermediate rows are four times as wide, so blocks save
memory. Measured at 1,000 to 4,096 tokens, 512 is as fast as all rows at once; 128 is 5 % slower."""


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

    The sequences of a call are concatenated into one matrix, padded only at its end. So every position-wise step is one
    matrix product, and only attention handles one sequence at a time.

    Only the rows that can still affect a pooled position are computed. With CLS pooling, the last layer computes row 0,
    the layer below it the rows within the last layer's reach of row 0, and so on: a cone. With mean pooling or
    unlimited reach, the same rule keeps every row.

    The computation runs on the device of the weights.
    """

    def __init__(self, config: ModelConfig, weights: dict[str, Tensor]) -> None:
        self._config = config
        self._words = weights["embeddings.word_embeddings.weight"]
        self._positions = weights["embeddings.position_embeddings.weight"]
        self._token_type = weights["embeddings.token_type_embeddings.weight"][0]
        self._embedding_norm = _LayerNorm(weights["embeddings.LayerNorm.weight"], weights["embeddings.LayerNorm.bias"])
        self._device = self._words.device
        self._layers = [_layer(weights, f"encoder.layer.{index}.") for index in range(config.n_layers)]
        self._bands = {reach: _band(reach, self._device) for reach in set(config.reach) if reach is not None}

        everything = config.token_limit
        rows = [1 if config.pooling == "cls" else everything]
        for reach in reversed(config.reach):
            rows.append(everything if reach is None else min(rows[-1] + reach, everything))
        self._rows_needed = rows[::-1]  # for the embeddings, then for each layer's output

    @torch.inference_mode()
    def __call__(self, sequences: list[list[int]]) -> tuple[Tensor, ...]:
        """Compute the vectors of the positions that are pooled.

        Shape: for each sequence (1, width) with CLS pooling, (seq_len, width) with mean pooling.
        """
        lengths = [min(len(sequence), self._rows_needed[0]) for sequence in sequences]
        hidden = self._embed([sequence[:length] for sequence, length in zip(sequences, lengths, strict=True)])
        for layer, reach, needed in zip(self._layers, self._config.reach, self._rows_needed[1:], strict=True):
            kept = [min(length, needed) for length in lengths]
            hidden = self._attention(layer, reach, hidden, lengths, kept)
            hidden = self._feed_forward(layer, hidden)
            lengths = kept
        return _sequences(hidden, lengths)

    def _embed(self, sequences: list[list[int]]) -> Tensor:
        """Embed tokens and positions. Shape: (n_tokens, rounded up; width)."""
        tokens = torch.tensor([token for sequence in sequences for token in sequence])
        positions = torch.cat([self._position_ids(part) for part in torch.split(tokens, [*map(len, sequences)])])
        tokens, positions = tokens.to(self._device), positions.to(self._device)
        hidden = F.embedding(tokens, self._words) + self._token_type + F.embedding(positions, self._positions)
        return _rounded_up(self._normalize(hidden, self._embedding_norm))

    def _position_ids(self, tokens: Tensor) -> Tensor:
        """Positions in a sequence; RoBERTa starts at padding_token + 1 and skips padding tokens. Shape: (seq_len,)."""
        if not self._config.counts_padding:
            return torch.arange(len(tokens))
        is_token = (tokens != self._config.padding_token).long()
        return is_token.cumsum(0) * is_token + self._config.padding_token

    def _attention(
        self, layer: _Layer, reach: int | None, hidden: Tensor, lengths: list[int], kept: list[int]
    ) -> Tensor:
        """Attention sublayer with its residual and norm.

        Shape: (sum of lengths, rounded up; width) -> (sum of kept, rounded up; width).
        """
        rows = _leading(hidden, lengths, kept)
        queries = linear(rows, *layer.query)
        keys = _sequences(linear(hidden, *layer.key), lengths)
        values = _sequences(linear(hidden, *layer.value), lengths)
        for sequence in zip(_sequences(queries, kept), keys, values, strict=True):
            self._attend(reach, *sequence)
        return self._normalize(linear_plus(queries, *layer.attention_output, rows), layer.attention_norm)

    def _feed_forward(self, layer: _Layer, rows: Tensor) -> Tensor:
        """Feed-forward sublayer with its residual and norm, overwriting `rows`. Shape: (n_rows, width)."""
        for block in torch.split(rows, FEED_FORWARD_BLOCK_ROWS):
            expanded = linear_gelu(block, *layer.intermediate)
            block.copy_(self._normalize(linear_plus(expanded, *layer.output, block), layer.output_norm))
        return rows

    def _attend(self, reach: int | None, queries: Tensor, keys: Tensor, values: Tensor) -> None:
        """Compute attention for a sequence's leading rows, block by block, overwriting their queries.

        Shape: queries (n_queries, width), keys and values (n_keys, width).
        """
        n_queries, n_keys = len(queries), len(keys)
        queries, keys, values = (self._heads(tensor) for tensor in (queries, keys, values))
        for start, stop in pairwise([*range(0, n_queries, ATTENTION_BLOCK_TOKENS), n_queries]):
            if reach is None or n_keys <= reach + 1:
                first, last, mask = 0, n_keys, None
            else:
                first, last = max(0, start - reach), min(n_keys, stop + reach)
                offset = start - reach  # the key that the band's column 0 stands for
                mask = self._bands[reach][: stop - start, first - offset : last - offset]
            scores = torch.baddbmm(
                queries.new_zeros(()) if mask is None else mask,
                queries[:, start:stop],
                keys[:, first:last].transpose(1, 2),
                beta=0 if mask is None else 1,
                alpha=queries.shape[2] ** -0.5,
            )
            torch.softmax(scores, dim=2, out=scores)
            # Not `out=`: a head's rows are not contiguous in `queries`, which slows the product more than a copy costs.
            queries[:, start:stop] = torch.bmm(scores, values[:, first:last])

    def _heads(self, rows: Tensor) -> Tensor:
        """Split rows into heads, as a view. Shape: (n_rows, width) -> (n_heads, n_rows, width / n_heads)."""
        return rows.view(len(rows), self._config.n_heads, -1).transpose(0, 1)

    def _normalize(self, hidden: Tensor, norm: _LayerNorm) -> Tensor:
        return F.layer_norm(hidden, norm.weight.shape, *norm, eps=self._config.layer_norm_eps)


def _layer(weights: dict[str, Tensor], prefix: str) -> _Layer:
    def projection(name: str) -> _Linear:
        return _Linear(weights[f"{prefix}{name}.weight"], weights[f"{prefix}{name}.bias"])

    def norm(name: str) -> _LayerNorm:
        return _LayerNorm(weights[f"{prefix}{name}.weight"], weights[f"{prefix}{name}.bias"])

    return _Layer(
        query=projection("attention.self.query"),
        key=projection("attention.self.key"),
        value=projection("attention.self.value"),
        attention_output=projection("attention.output.dense"),
        attention_norm=norm("attention.output.LayerNorm"),
        intermediate=projection("intermediate.dense"),
        output=projection("output.dense"),
        output_norm=norm("output.LayerNorm"),
    )


def _band(reach: int, device: torch.device) -> Tensor:
    """The additive attention mask of one block; column c is the key at (first query of the block) - reach + c.

    Shape: (ATTENTION_BLOCK_TOKENS, ATTENTION_BLOCK_TOKENS + 2 * reach); 0 where query and key are within `reach`
    of each other, -inf elsewhere.
    """
    query = torch.arange(ATTENTION_BLOCK_TOKENS).unsqueeze(1)
    key = torch.arange(ATTENTION_BLOCK_TOKENS + 2 * reach).unsqueeze(0)
    within = (key >= query) & (key <= query + 2 * reach)
    return torch.where(within, 0.0, float("-inf")).to(device)


def _leading(hidden: Tensor, lengths: list[int], kept: list[int]) -> Tensor:
    """The first `kept` rows of each sequence, padded as `hidden` is."""
    if kept == lengths:
        return hidden
    parts = zip(_sequences(hidden, lengths), kept, strict=True)
    return _rounded_up(torch.cat([part[:count] for part, count in parts]))


def _sequences(rows: Tensor, lengths: list[int]) -> tuple[Tensor, ...]:
    """The rows of each sequence, without padding rows."""
    return torch.split(rows[: sum(lengths)], lengths)


def _rounded_up(rows: Tensor) -> Tensor:
    """Pad with zero rows to the next size that `round_up` allows."""
    return F.pad(rows, (0, 0, 0, round_up(len(rows)) - len(rows)))
