"""A batch of examples: what the model reads, and where the targets lie in it.

Enters: a :class:`~probekit.tuning.data.data.TuningData` and some examples. Leaves: an :class:`ExampleBatch`. Surprise:
the targets of a batch are in the order of their words, whatever the order in which the task gave them, since a head
over sequences reads them so; ``targets`` says which row of the table each is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.models.runtime.forward import PaddedBatch
from probekit.tuning.data.data import TuningData

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ExampleBatch:
    """Examples side by side, pads on the right.

    Attributes
    ----------
    padded : PaddedBatch
        What the model reads, B rows of T tokens.
    places : int64 array [B, T]
        Row of each token in the cache; of pads that of the first token of their example.
    inside : bool array [B, T]
        Tokens of words: no special ones, no pads.
    text : bool array [B, T]
        Tokens that spell more than a space.
    row : int64 array [n]
        Batch row of each target.
    spans : int64 array [n, s, 2]
        Half-open token ranges of each target in its row.
    targets : int64 array [n]
        Row of each target in the table.
    beside : Tensor of int64 [B, T], optional
        Row of each token's word in a table of word vectors, where there is one.
    """

    padded: PaddedBatch
    places: IntArray
    inside: NDArray[np.bool_]
    text: NDArray[np.bool_]
    row: IntArray
    spans: IntArray
    targets: IntArray
    beside: torch.Tensor | None = None

    @property
    def tokens(self) -> int:
        """Tokens, pads left out."""
        return int(self.padded.lengths.sum())


@dataclass(frozen=True, slots=True)
class Ran:
    """A batch that was run.

    Attributes
    ----------
    batch : ExampleBatch
    scores : torch.Tensor, shape (n, outputs)
    states : dict of int to torch.Tensor [B, T, d]
        By layer, of those that were read; empty where the head scored vectors.
    given : dict of int to torch.Tensor [B, T, d]
        Those that the run began with.
    start : int
        The layer that it began at; -1: at the ids.
    """

    batch: ExampleBatch
    scores: torch.Tensor
    states: Mapping[int, torch.Tensor] = field(default_factory=dict)
    given: Mapping[int, torch.Tensor] = field(default_factory=dict)
    start: int = -1


def cut_rows(batch: ExampleBatch, parts: int) -> list[ExampleBatch]:
    """Cut a batch into so many batches at most, of whole examples, each without pads that none of its own needs."""
    found = []
    for rows in np.array_split(np.arange(len(batch.padded.lengths)), min(parts, len(batch.padded.lengths))):
        lengths, own = batch.padded.lengths[rows], np.isin(batch.row, rows)
        longest = int(lengths.max())
        found.append(
            ExampleBatch(
                PaddedBatch(batch.padded.ids[rows, :longest], lengths),
                batch.places[rows, :longest],
                batch.inside[rows, :longest],
                batch.text[rows, :longest],
                batch.row[own] - rows[0],
                batch.spans[own],
                batch.targets[own],
                None if batch.beside is None else batch.beside[torch.from_numpy(rows), :longest],
            )
        )
    return found


def lay_out(data: TuningData, examples: IntArray, *, pad_id: int = 0) -> ExampleBatch:
    """Lay some examples side by side, with all of their targets."""
    sizes = data.sizes[examples]
    columns = np.arange(int(sizes.max()))
    real = columns < sizes[:, None]
    places = data.first[examples][:, None] + np.where(real, columns, 0)
    ids = np.where(real, data.index.token[places], pad_id).astype(np.int64)
    inside = real & (data.index.word[places] >= 0)
    text = inside & ~np.isin(ids, data.textless) if data.textless else inside
    counts = data.held[examples, 1] - data.held[examples, 0]
    row = np.repeat(np.arange(len(examples)), counts)
    targets = np.arange(counts.sum()) + np.repeat(data.held[examples, 0] - np.cumsum(counts) + counts, counts)
    order = np.lexsort((data.spans[targets, 0, 0], row))
    targets = targets[order]
    return ExampleBatch(
        PaddedBatch(ids, sizes), places, inside, text, row[order].astype(np.int64), data.spans[targets], targets
    )


def gold_of(data: TuningData, batch: ExampleBatch, device: Any) -> torch.Tensor:
    """Return what is true of the targets: codes or ids (int64), or numbers (float32)."""
    gold = data.gold[batch.targets]
    return torch.from_numpy(gold.astype(np.float32 if data.targets == "numbers" else np.int64)).to(device)
