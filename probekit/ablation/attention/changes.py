"""Attention weights that stand in the place of a model's own: the same in another order, or all alike.

Enters: what a model attends to. Leaves: weights of the same shape, which add up to 1 over the places that each token
may look at. What is drawn depends on the row and the seed, and never on the rows beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch

from probekit.ablation.attention.seeing import Seen
from probekit.models.runtime.attach import Rows
from probekit.sites import Site

Heads = Mapping[Site, tuple[int, ...] | None]
"""Block -> its heads that change; None: all."""


def permuted(seen: Seen, heads: Heads, seed: str) -> dict[Site, torch.Tensor]:
    """Return the weights of every query in another order, each head and query in one of its own.

    References
    ----------
    Jain & Wallace 2019, https://arxiv.org/abs/1902.10186, section 4.2.1
    """
    found = {}
    for site, some in heads.items():
        weights, allowed = seen.weights[site], seen.allowed[site]
        keys = drawn(seen.rows, weights.shape, f"{seed} {site.label}").to(weights)
        numbers = torch.arange(weights.shape[-1], device=weights.device, dtype=weights.dtype)
        places = numbers.expand_as(weights).masked_fill(~allowed, torch.inf).argsort(dim=-1, stable=True)
        order = keys.masked_fill(~allowed, torch.inf).argsort(dim=-1, stable=True)
        found[site] = _of_heads(weights, weights.scatter(-1, places, weights.gather(-1, order)), some)
    return found


def uniform(seen: Seen, heads: Heads) -> dict[Site, torch.Tensor]:
    """Return weights that are alike over all places that a query may look at.

    References
    ----------
    Wiegreffe & Pinter 2019, https://arxiv.org/abs/1908.04626, section 3.1
    """
    return {site: _of_heads(seen.weights[site], even(seen, site), some) for site, some in heads.items()}


def even(seen: Seen, site: Site) -> torch.Tensor:
    """Return weights that are alike over the places that a query may look at; of a query without any, its own."""
    allowed = seen.allowed[site]
    count = allowed.sum(-1, keepdim=True)
    return torch.where(count > 0, allowed / count.clamp_min(1), seen.weights[site])


def drawn(rows: Rows, shape: torch.Size, name: str) -> torch.Tensor:
    """Return numbers in [0, 1), [rows, heads, queries, places], drawn for each row by its text; 0 in pads."""
    found = torch.zeros(shape)
    for row, (ids, real) in enumerate(zip(rows.ids.cpu(), rows.real.cpu(), strict=True)):
        text, at = ids[real], real.nonzero()[:, 0]
        key = hashlib.sha256(f"{name} {text.tolist()}".encode()).digest()
        draw = torch.Generator().manual_seed(int.from_bytes(key[:8], "little") >> 1)
        found[row][:, at[:, None], at] = torch.rand(shape[1], len(text), len(text), generator=draw)
    return found


def _of_heads(own: torch.Tensor, changed: torch.Tensor, heads: tuple[int, ...] | None) -> torch.Tensor:
    if heads is None:
        return changed
    mask = torch.zeros(own.shape[1], dtype=torch.bool, device=own.device)
    mask[list(heads)] = True
    return torch.where(mask[:, None, None], changed, own)
