"""What a head reads, brought to one place and size: a fixed centre and one scale, as the probe has them.

Enters: vectors of training targets before anything trains. Leaves: states less their centre, over their root mean
square, so that one rate fits every layer of every model. Neither trains; both are stored with the head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Sized(nn.Module):
    """A centre and a scale, which change nothing until they are learned.

    Parameters
    ----------
    width : int
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("scale", torch.ones(()))

    def learn(self, vectors: Tensor) -> None:
        """Take centre and scale of vectors [n, width]; equal vectors keep their size."""
        wide = vectors.double()
        centre = wide.mean(0)
        self.centre.copy_(centre)
        self.scale.fill_(float((wide - centre).square().mean().sqrt()) or 1.0)

    def forward(self, states: Tensor) -> Tensor:
        """Return states [..., width] in place and size."""
        return (states - self.centre) / self.scale
