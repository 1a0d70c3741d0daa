"""A table of vectors that is run like a model: ids in, their rows out, as layer 0 and the only one.

Enters: word vectors, or a loaded model whose input embeddings are wanted. Leaves: a
:class:`~probekit.models.sources.load.LoadedModel`. Nothing that reads models knows of this; hooks, batches, the
self-check and the forward pass find one stack of no blocks and treat it as any other.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import torch
from torch import nn

from probekit.devices import DeviceMap, choose_device
from probekit.errors import UsageError
from probekit.models.architecture.families import ORDINARY, Blocks
from probekit.models.architecture.stacks import Stack
from probekit.models.sources.load import DTYPES, LoadedModel
from probekit.models.sources.weights import prepare_for_inference, token_table
from probekit.models.tokens.words import WordEncoder
from probekit.sites import tensor_name

if TYPE_CHECKING:
    from probekit.models.sources.find import ModelSource
    from probekit.models.sources.vectors import WordVectors

LAYER = tensor_name(0)


class EmbeddingTable(nn.Module):
    """The table as a module.

    Parameters
    ----------
    table : Tensor [ids, width]
    """

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.table = nn.Embedding.from_pretrained(table)
        self.reader = nn.Identity()
        self.config = SimpleNamespace(model_type="static")

    def get_input_embeddings(self) -> nn.Embedding:
        """Return the table."""
        return self.table

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Return the rows [batch, token, width]; what is masked is looked up too and read by nobody."""
        rows: torch.Tensor = self.reader(self.table(input_ids))
        return rows


def word_vector_model(source: ModelSource, vectors: WordVectors, *, dtype: str, device: str | DeviceMap) -> LoadedModel:
    """Make a model of word vectors: one token a word, no special ones, no limit of length.

    Parameters
    ----------
    source : ModelSource
    vectors : WordVectors
    dtype : {"float32", "float16", "bfloat16"}
    device : {"auto", "cpu", "cuda", "mps"}

    Returns
    -------
    LoadedModel
    """
    place = torch.device(choose_device(device))
    model = prepare_for_inference(EmbeddingTable(torch.from_numpy(vectors.table).to(DTYPES[dtype])), place)
    return LoadedModel(
        source=source,
        model=model,
        tokenizer=None,
        device=place,
        dtype=DTYPES[dtype],
        family=ORDINARY,
        stacks=_stacks(model),
        max_length=None,
        pad_id=0,
        decoder_start_id=None,
        takes_mask=False,
        takes_positions=False,
        position_offset=0,
        attention="none",
        encoder=WordEncoder(vectors.rows, vectors.mean_row),
    )


def input_embedding_model(source: ModelSource, whole: LoadedModel, *, device: str | DeviceMap) -> LoadedModel:
    """Keep a model's input embeddings, its tokenizer and its limit of length; let go of the rest.

    Parameters
    ----------
    source : ModelSource
    whole : LoadedModel
    device : {"auto", "cpu", "cuda", "mps"}

    Returns
    -------
    LoadedModel

    Raises
    ------
    UsageError
        The model has no table of input embeddings.
    """
    table = token_table(whole.model)
    if table is None:
        raise UsageError(
            f"Models of type '{whole.config.model_type}' have no table of input embeddings, so there is no static "
            f"model of '{whole.source.name}'."
        )
    place = torch.device(choose_device(device))
    model = prepare_for_inference(EmbeddingTable(table.detach().clone()), place)
    return replace(
        whole,
        source=source,
        model=model,
        device=place,
        family=ORDINARY,
        stacks=_stacks(model),
        decoder_start_id=None,
        takes_mask=False,
        takes_positions=False,
        position_offset=0,
        attention="none",
    )


def _stacks(model: EmbeddingTable) -> tuple[Stack, ...]:
    blocks = Blocks(first=model.reader, outputs=())
    return (Stack("", model, blocks, (LAYER,), {LAYER: model.table.embedding_dim}),)
