"""From the tokens of spans to one vector a target, with gradients.

Enters: a :class:`~probekit.tuning.batch.TokenBatch`. Leaves: [n, d * parts * s], the spans of a target one behind the
other. Mean, first, last and endpoints are what :class:`~probekit.features.Pooler` makes of the same rows: the mean is
over all tokens of the range, the first is the first one with text. Concat is the last token, the maximum and the mean
[1]_. Surprise: sums go over padded windows, not over scattered rows, since scattered sums differ from run to run on
a GPU.

References
----------
.. [1] Howard & Ruder 2018, Universal language model fine-tuning for text classification.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from probekit.tuning.batch import TokenBatch


def pool(batch: TokenBatch, how: str) -> Tensor:
    """Return one vector a target.

    Parameters
    ----------
    batch : TokenBatch
    how : str
        One of :data:`~probekit.tuning.heads.POOLS`.

    Returns
    -------
    Tensor, shape (n, d * parts * s)
    """
    return torch.cat([part(batch) for part in _PARTS[how]], 2).flatten(1)  # [n, s, parts * d]


def windows(batch: TokenBatch) -> tuple[Tensor, Tensor]:
    """Return the states of every span side by side.

    Returns
    -------
    states : Tensor, shape (n, s, w, d)
        w is the tokens of the longest span; behind the end of a shorter one stand any numbers.
    within : Tensor of bool, shape (n, s, w)
        Where the tokens of the span are.
    """
    first, stop = batch.spans.unbind(2)
    longest = int((stop - first).max()) if len(first) else 1
    places = first[..., None] + torch.arange(longest, device=first.device)
    within = places < stop[..., None]
    return batch.states[batch.row[:, None, None], places.clamp_max(batch.states.shape[1] - 1)], within


def first_of(batch: TokenBatch) -> Tensor:
    """Return the first state with text of every span [n, s, d]; the first of all where none has any."""
    first, stop = batch.spans.unbind(2)
    if batch.text is not None:
        length = batch.text.shape[1]
        own = torch.arange(length, device=first.device).where(batch.text, length)
        following = own.flip(1).cummin(1).values.flip(1)[batch.row[:, None], first]  # the next place with text
        first = following.where(following < stop, first)
    return batch.states[batch.row[:, None], first]


def last_of(batch: TokenBatch) -> Tensor:
    """Return the last state of every span [n, s, d]."""
    return batch.states[batch.row[:, None], batch.spans[..., 1] - 1]


def mean_of(batch: TokenBatch) -> Tensor:
    """Return the mean of every span [n, s, d]."""
    states, within = windows(batch)
    return states.masked_fill(~within[..., None], 0).sum(2) / within.sum(2)[..., None]


def maximum_of(batch: TokenBatch) -> Tensor:
    """Return the largest number of every span in each direction [n, s, d]."""
    states, within = windows(batch)
    return states.masked_fill(~within[..., None], -torch.inf).amax(2)


_PARTS: dict[str, tuple[Callable[[TokenBatch], Tensor], ...]] = {
    "mean": (mean_of,),
    "first": (first_of,),
    "last": (last_of,),
    "max": (maximum_of,),
    "concat": (last_of, maximum_of, mean_of),
    "endpoints": (first_of, last_of),
}
