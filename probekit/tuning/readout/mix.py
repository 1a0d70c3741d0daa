r"""A learned mix of layers: :math:`\gamma \sum_l s_l h_l / r_l` with :math:`s` a softmax [1]_.

Enters: the states of several layers, and what each is given at the start (a probe's mix, say). Leaves: states of one
layer's shape. Surprise: layers differ in size, and a probe learns its mix of layers that were brought to one size; with
``sizes`` given, the root mean squares r of the layers, the mix is over the same.

References
----------
.. [1] Peters et al. 2018, Deep contextualized word representations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from probekit.errors import UsageError

LEAST = 1e-4
"""The smallest weight to start at: at zero a softmax has no slope, and the layer would never be used."""


class ScalarMix(nn.Module):
    """Softmax weights of layers times a scale.

    Parameters
    ----------
    n_layers : int
    start : sequence of float, optional
        Weights to start at, not negative, of any sum; equal ones by default. One below :data:`LEAST` of the sum is
        raised to it.
    sizes : sequence of float, optional
        What each layer is divided by; 1 by default.

    Attributes
    ----------
    logits : Parameter, shape (n_layers,)
    scale : Parameter, shape ()
        The gamma of the paper, 1 at the start.

    Raises
    ------
    UsageError
        No layer, or numbers that are not one a layer or out of range.
    """

    sizes: Tensor

    def __init__(
        self, n_layers: int, *, start: Sequence[float] | None = None, sizes: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        weights = _checked("start", start, n_layers)
        if sum(weights) <= 0:
            raise UsageError("The weights that a mix starts at are all 0. Give one layer at least a weight.")
        shares = torch.tensor([max(weight / sum(weights), LEAST) for weight in weights])
        self.logits = nn.Parameter(shares.log())
        self.scale = nn.Parameter(torch.ones(()))
        divisors = _checked("sizes", sizes, n_layers)
        if min(divisors) <= 0:
            raise UsageError(f"The sizes of mixed layers must be above 0. Got {divisors}.")
        self.register_buffer("sizes", torch.tensor(divisors))

    def weights(self) -> Tensor:
        """Return the weights of the layers [n_layers]: positive, sum 1."""
        return self.logits.softmax(0)

    def forward(self, states: Tensor | Sequence[Tensor]) -> Tensor:
        """Mix.

        Parameters
        ----------
        states : Tensor, shape (layers, B, T, d), or a sequence of Tensor, each of shape (B, T, d)

        Returns
        -------
        Tensor, shape (B, T, d)
        """
        factors = self.scale * self.weights() / self.sizes
        # Added one after the other: layers that come apart are not copied into one tensor first.
        terms = (factor * layer for factor, layer in zip(factors, states, strict=True))
        return reduce(torch.add, terms)


def _checked(name: str, numbers: Sequence[float] | None, n_layers: int) -> list[float]:
    if n_layers < 1:
        raise UsageError(f"A mix is of one layer at least. Got {n_layers}.")
    read = [1.0] * n_layers if numbers is None else [float(number) for number in numbers]
    if len(read) != n_layers or not all(math.isfinite(number) and number >= 0 for number in read):
        raise UsageError(
            f"The `{name}` of a mix must be {n_layers} finite numbers of 0 or more, one a layer. Got {read}."
        )
    return read
