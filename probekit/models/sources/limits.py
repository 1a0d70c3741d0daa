"""What a model can be given: how many tokens, from which position on, which ids, and what its decoder reads first.

Enters: a transformers model in evaluation mode, its tokenizer, its config. Leaves: numbers, and None for no limit. They
are read from the tables of positions and of tokens where there are any, since these are what an id or a place too many
would run over.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from probekit.errors import UsageError
from probekit.models.sources.weights import token_table

POSITION_TABLES = ("position_embeddings", "wpe", "embed_positions")


def _position_tables(model: nn.Module) -> list[Any]:
    """Return the tables of learned or fixed positions: embeddings, or a module of its own kind that holds one."""
    return [
        part
        for name, part in model.named_modules()
        if name.rpartition(".")[2] in POSITION_TABLES
        and hasattr(part, "padding_idx")
        and isinstance(getattr(part, "weight", None), torch.Tensor)
    ]


def _position_numbers(model: nn.Module) -> list[torch.Tensor]:
    """Return the buffers that some models take their position numbers from, [1, most tokens] each."""
    return [
        part for name, part in model.named_buffers() if name.rpartition(".")[2] == "position_ids" and part.ndim == 2
    ]


def _reserved(table: Any) -> int:
    """RoBERTa and its relatives keep row ``padding_idx`` for pads and count from the next one."""
    return 0 if table.padding_idx is None else int(table.padding_idx) + 1


def position_offset(model: nn.Module) -> int:
    """Return the number of the first position.

    A second table, of entities, need not keep rows for pads as that of tokens does, so the largest counts.
    """
    firsts = [int(numbers.min()) for numbers in _position_numbers(model)]
    return max([_reserved(table) for table in _position_tables(model)] + firsts, default=0)


def max_length(model: nn.Module, config: Any) -> int | None:
    """Return how many tokens a model reads at once, special ones included; None: there is no limit."""
    tables = _position_tables(model)
    if tables:
        rows = [len(table.weight) - int(getattr(table, "offset", _reserved(table))) for table in tables]
        return min([*rows, *(numbers.shape[1] for numbers in _position_numbers(model))])
    limit = getattr(config, "max_position_embeddings", None)
    return int(limit) if isinstance(limit, int) and limit > 0 else None


def pad_id(model: Any, tokenizer: Any, config: Any) -> int:
    """Return what a row is filled with.

    Pads are masked everywhere, so any id of the vocabulary serves a model that has none.
    """
    rows = vocabulary(model)
    for candidate in (tokenizer.pad_token_id, getattr(config, "pad_token_id", None), tokenizer.eos_token_id):
        if isinstance(candidate, int) and 0 <= candidate < rows:
            return candidate
    return 0


def vocabulary(model: Any) -> int:
    """Return the rows of the embedding table: ids the model knows.

    Raises
    ------
    UsageError
        The code of the model does not say which table that is.
    """
    table = token_table(model)
    if table is None:
        raise UsageError(
            f"Models of type '{model.config.model_type}' do not say which of their tables holds the embeddings of "
            "tokens, so that no id can be checked. Choose another model."
        )
    return len(table)


def decoder_start(config: Any) -> int | None:
    """Return what the decoder of an encoder-decoder reads first; None of other models.

    Raises
    ------
    UsageError
        The config does not say.
    """
    if not getattr(config, "is_encoder_decoder", False):
        return None
    for key in ("decoder_start_token_id", "bos_token_id", "pad_token_id"):
        value = getattr(config, key, None)
        if isinstance(value, int):
            return value
    raise UsageError("The config of this encoder-decoder names no start token for its decoder.")
