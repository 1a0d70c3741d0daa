"""What a head reads at once: the states of padded rows, and where the targets are in them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Padded rows and the targets in them, sorted by row and then by first token.

    Attributes
    ----------
    states : Tensor, shape (B, T, d)
        At pads any finite numbers, which change nothing.
    real : Tensor of bool, shape (B, T)
        The tokens that are no pads, on whichever side those are.
    inside : Tensor of bool, shape (B, T)
        The tokens of words: special ones and pads left out.
    row : Tensor of int64, shape (n,)
        Row of each target.
    spans : Tensor of int64, shape (n, s, 2)
        Half-open token ranges in that row, none of them empty; s is 2 for pairs, else 1.
    text : Tensor of bool, shape (B, T), optional
        The tokens that spell more than spaces. None: all of them.
    """

    states: Tensor
    real: Tensor
    inside: Tensor
    row: Tensor
    spans: Tensor
    text: Tensor | None = None

    def with_states(self, states: Tensor) -> TokenBatch:
        """Return the same targets over other states [B, T, any width]."""
        return replace(self, states=states)

    def to(self, device: torch.device | str) -> TokenBatch:
        """Return the batch on a device."""
        parts = {item.name: getattr(self, item.name) for item in fields(self)}
        return replace(self, **{name: part.to(device) for name, part in parts.items() if part is not None})
