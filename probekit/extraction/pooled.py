"""Rows that pool tokens, summed where the model ran, batch by batch.

Enters: the rows that a shard keeps, and the states of one batch after the other. Leaves: the rows that are whole, in
their order, in float32 whatever the model computes in. Surprise: a row may be begun in one batch and ended in a later
one, since an example longer than the model reads is several segments; its sum is held until then, and each token comes
from the segment that a cache of all tokens takes it from. Sums are made in the order of the tokens, by no atomics, so
that the same batches give the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from probekit.cache.ranges import Longs
from probekit.extraction.keeping import KeptRows


@dataclass(frozen=True, slots=True)
class BatchPart:
    """What one batch gives to the rows of a stack.

    Attributes
    ----------
    tokens : int64 array
        The tokens that are pooled, counted over the kept tokens of the batch, row by row.
    lengths : int64 array [rows]
        How many of them each row takes from this batch; the first rows may be those that the last batch left open.
    whole : int
        Rows that are whole now; the others go on in the next batch.
    counts : int64 array [whole]
        Tokens that each of these pools in all.
    """

    tokens: Longs
    lengths: Longs
    whole: int
    counts: Longs


class RowSums:
    """Pools the rows of one shard.

    Parameters
    ----------
    kept : mapping of str to KeptRows
        Of every stack.
    """

    def __init__(self, kept: Mapping[str, KeptRows]) -> None:
        self._kept = kept
        # A row is given out once it and all before it are whole; it is begun once it or one behind it has a token.
        self._due = {stack: np.maximum.accumulate(rows.behind) for stack, rows in kept.items()}
        self._begun = {stack: np.minimum.accumulate(rows.first[::-1])[::-1] for stack, rows in kept.items()}
        self._tokens = dict.fromkeys(kept, 0)
        self._rows = dict.fromkeys(kept, 0)
        self._open: dict[str, torch.Tensor] = {}

    def next(self, stack: str, tokens: int) -> BatchPart:
        """Return what the next batch, of so many kept tokens, gives to the rows of a stack."""
        rows, low = self._kept[stack], self._tokens[stack]
        high = low + tokens
        begin = self._rows[stack]
        whole = int(np.searchsorted(self._due[stack], high, "right"))
        end = max(whole, int(np.searchsorted(self._begun[stack], high, "left")))
        first = np.maximum(rows.first[begin:end], low)
        lengths = np.maximum(np.minimum(rows.behind[begin:end], high) - first, 0)
        places = np.repeat(first - low - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
        self._tokens[stack], self._rows[stack] = high, whole
        counts = rows.behind[begin:whole] - rows.first[begin:whole]
        return BatchPart(places, lengths, whole - begin, counts)

    def means(self, name: str, part: BatchPart, states: torch.Tensor) -> torch.Tensor:
        """Return the rows of a tensor that are whole now, [rows, width], float32 unless each is one token.

        Parameters
        ----------
        name : str
            Of the tensor.
        part : BatchPart
        states : Tensor [tokens, width]
            Those of ``part.tokens``, in their order.
        """
        open_ = self._open.pop(name, None)
        if open_ is None and part.whole == len(part.lengths) and (part.lengths == 1).all():
            return states
        device = states.device
        # Apple's device has no sums of segments.
        states = states.to("cpu" if device.type == "mps" else device, torch.float32)
        lengths = torch.from_numpy(part.lengths).to(states.device)
        if len(states):
            sums = torch.segment_reduce(states, "sum", lengths=lengths, axis=0, unsafe=True)
        else:
            sums = states.new_zeros(len(part.lengths), states.shape[1])
        sums = sums.to(device)
        if open_ is not None:
            sums[: len(open_)] += open_
        if part.whole < len(part.lengths):
            self._open[name] = sums[part.whole :].clone()
        counts = torch.from_numpy(np.maximum(part.counts, 1)).to(device, torch.float32)
        return sums[: part.whole] / counts[:, None]
