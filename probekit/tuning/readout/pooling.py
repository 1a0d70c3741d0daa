"""From the tokens of spans to one vector a target, with gradients.

Enters: a :class:`~probekit.tuning.readout.batch.TokenBatch`. Leaves: [n, d * parts * s], the spans of a target one
behind the other. Mean, first, last and endpoints are what :class:`~probekit.features.Pooler` makes of the same rows:
the mean is over all tokens of the range, the first is the first one with text. Concat is the last token, the maximum
and the mean [1]_. Surprise: sums go over windows of spans of one length, not over scattered rows, since scattered sums
differ from run to run on a GPU; nor over windows padded to the longest, since one address of many tokens makes those of
all words long.

References
----------
.. [1] Howard & Ruder 2018, Universal language model fine-tuning for text classification.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from probekit.tuning.readout.batch import TokenBatch


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
    return _of_windows(batch, lambda states: states.mean(1))


def maximum_of(batch: TokenBatch) -> Tensor:
    """Return the largest number of every span in each direction [n, s, d]."""
    return _of_windows(batch, lambda states: states.amax(1))


def _of_windows(batch: TokenBatch, reduce: Callable[[Tensor], Tensor]) -> Tensor:
    """Reduce the states of every span [m, w, d] -> [m, d], spans of one length at a time, so that none has a pad."""
    first, stop = (ends.flatten() for ends in batch.spans.unbind(2))
    if not len(first):
        return batch.states.new_zeros(*batch.spans.shape[:2], batch.states.shape[2])
    row = batch.row.repeat_interleave(batch.spans.shape[1])
    lengths = stop - first
    order, parts = [], []
    for length in lengths.unique().tolist():
        own = (lengths == length).nonzero()[:, 0]
        places = first[own, None] + torch.arange(length, device=first.device)
        parts.append(reduce(batch.states[row[own, None], places]))
        order.append(own)
    return torch.cat(parts)[torch.cat(order).argsort()].unflatten(0, batch.spans.shape[:2])


_PARTS: dict[str, tuple[Callable[[TokenBatch], Tensor], ...]] = {
    "mean": (mean_of,),
    "first": (first_of,),
    "last": (last_of,),
    "max": (maximum_of,),
    "concat": (last_of, maximum_of, mean_of),
    "endpoints": (first_of, last_of),
}
