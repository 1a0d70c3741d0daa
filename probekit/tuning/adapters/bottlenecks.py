"""Bottlenecks: down to few numbers, something there, up again. Up begins as zeros, so nothing changes before training.

Enters: states [B, T, d] and where no pads are. Leaves: what is added to the stream, of the same shape.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from probekit.errors import UsageError
from probekit.tuning.adapters.added import BLOCK, SUBLAYER, Addition


def zeroed(linear: nn.Linear) -> nn.Linear:
    """Return a linear map that gives exactly nothing."""
    with torch.no_grad():
        for parameter in linear.parameters():
            parameter.zero_()
    return linear


class Inner(nn.Module, ABC):
    """What stands between down and up and mixes tokens."""

    @abstractmethod
    def forward(self, states: Tensor, real: Tensor) -> Tensor:
        """Return [B, T, w] of [B, T, w]; what stands in pads is of no account, and reaches no token."""


class Bottleneck(Addition):
    """``up(act(inner(down(x))))``.

    Parameters
    ----------
    wide, width : int
        Of the stream, and of the bottleneck.
    inner : Inner, optional
        Mixes tokens in front of the nonlinearity.
    dropout : float
        Behind it.
    """

    def __init__(self, wide: int, width: int, *, inner: Inner | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        self.down, self.inner, self.up = nn.Linear(wide, width), inner, zeroed(nn.Linear(width, wide))
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, real: Tensor) -> Tensor:
        """Return what is added."""
        small = self.down(states)  # [B, T, wide] -> [B, T, width]
        if self.inner is not None:
            small = self.inner(small, real)
        added: Tensor = self.up(self.dropout(F.gelu(small)))
        return added


class ParallelBottleneck(Bottleneck):
    """A bottleneck that reads what its sublayer reads, and is scaled.

    Parameters
    ----------
    wide, width : int
    scale : float
    dropout : float
    """

    reads = SUBLAYER

    def __init__(self, wide: int, width: int, *, scale: float, dropout: float = 0.0) -> None:
        super().__init__(wide, width, dropout=dropout)
        self.scale = scale

    def forward(self, states: Tensor, real: Tensor) -> Tensor:
        """Return what is added."""
        return self.scale * super().forward(states, real)


class ProjectedAttention(Addition):
    """Attention between two projections without biases, which others share.

    Parameters
    ----------
    down, up : Linear
    inner : Inner
    dropout : float
    """

    reads = BLOCK

    def __init__(self, down: nn.Linear, inner: Inner, up: nn.Linear, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.down, self.inner, self.up = down, inner, up
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, real: Tensor) -> Tensor:
        """Return what is added."""
        added: Tensor = self.up(self.dropout(self.inner(self.down(states), real)))
        return added


class Convolution(Inner):
    """A convolution over neighbouring tokens; pads count as nothing.

    Parameters
    ----------
    width : int
    kernel : int
        Tokens that one sees, itself among them.
    causal : bool
        None of them behind it.
    """

    def __init__(self, width: int, kernel: int, *, causal: bool) -> None:
        super().__init__()
        before = kernel - 1 if causal else kernel // 2
        self.sides = (before, kernel - 1 - before)
        self.conv = nn.Conv1d(width, width, kernel)

    def forward(self, states: Tensor, real: Tensor) -> Tensor:
        """Mix neighbours."""
        there = (states * real[..., None]).transpose(1, 2)  # [B, T, w] -> [B, w, T]
        mixed: Tensor = self.conv(F.pad(there, self.sides))
        return mixed.transpose(1, 2)


class Attention(Inner):
    """Attention over all tokens that are no pads.

    Parameters
    ----------
    width : int
    heads : int
        A divisor of the width.
    causal : bool
        No token looks at those behind it.

    Raises
    ------
    UsageError
        The width is no multiple of the heads.
    """

    def __init__(self, width: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        if width % heads:
            raise UsageError(
                f"The attention of a module is {width} wide, which {heads} heads do not share evenly. Set its width to "
                f"a multiple (width={heads * max(1, width // heads)}), or other heads."
            )
        self.heads, self.causal = heads, causal
        self.mixed, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, states: Tensor, real: Tensor) -> Tensor:
        """Mix tokens."""
        query, key, value = self.mixed(states).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = real[:, None, None, :]  # [B, 1, 1, T]: what may be looked at
        if self.causal:
            count = states.shape[1]
            seen = seen & torch.ones(count, count, dtype=torch.bool, device=states.device).tril()
        # A pad in front would see nothing at all, and what is made of that is no number.
        seen = seen | torch.eye(states.shape[1], dtype=torch.bool, device=states.device)
        together: Tensor = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)  # [B, heads, T, w / heads]
        gave: Tensor = self.out(together.transpose(1, 2).flatten(2))
        return gave
