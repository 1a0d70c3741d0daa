"""What holds a model close to the one it came from: penalties on weights, and penalties on what it says.

Enters: the model while it trains. Leaves: a penalty by name for the log, and its gradient beside that of the task. A
penalty on weights is added once a step, whatever the batches; one on what the model says, with every batch. Surprise:
a weight that the task gives no gradient is given none here either, so that the certificate still tells what is stuck.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from probekit.tuning.data.layout import Ran

Parameters = Mapping[str, nn.Parameter]


class Penalty:
    """A penalty; a kind of it overrides what it adds.

    Attributes
    ----------
    remarks : tuple of str
        What a person must know of how it was made.
    layers : tuple of int
        Whose states :meth:`loss` looks at.
    """

    remarks: tuple[str, ...] = ()
    layers: tuple[int, ...] = ()

    def pull(self, parameters: Parameters) -> float:
        """Add the gradient of a penalty on weights to theirs, and return the penalty.

        Parameters
        ----------
        parameters : mapping of str to Parameter
            That train now, by their names in the network; those without a gradient are left aside.
        """
        return 0.0

    def loss(self, ran: Ran) -> Tensor | None:
        """Return a penalty on what the model says of a batch, summed; None where it has none."""
        return None

    def counted(self, examples: NDArray[np.int64]) -> int:
        """Return over how much of some examples :meth:`loss` is a sum."""
        return 0


class WeightPenalty(Penalty):
    """Half the strength times the squared distance from the start, of each weight times its importance.

    Parameters
    ----------
    start : mapping of str to Tensor
        The weights that it pulls towards, by name; others (a head, modules) are left out.
    strength : float
    importance : mapping of str to Tensor, optional
        Of each weight; by default 1. A weight without one is left out.
    """

    def __init__(
        self, start: Mapping[str, Tensor], strength: float, *, importance: Mapping[str, Tensor] | None = None
    ) -> None:
        known = start if importance is None else start.keys() & importance.keys()
        self.start = {name: start[name].detach() for name in start if name in known}
        self.strength, self.importance = strength, importance

    def to(self, device: torch.device) -> None:
        """Move what it pulls towards, and the importances, to where the weights are."""
        self.start = {name: value.to(device) for name, value in self.start.items()}
        if self.importance is not None:
            self.importance = {name: value.to(device) for name, value in self.importance.items()}

    def value(self, parameters: Parameters) -> float:
        """Return the penalty of these weights."""
        return self.strength / 2 * float(sum((gap * push).sum() for _, gap, push in self._gaps(parameters)))

    def pull(self, parameters: Parameters) -> float:
        """Add the gradient, strength times importance times distance."""
        total: Tensor | float = 0.0
        trained = {name: parameter for name, parameter in parameters.items() if parameter.grad is not None}
        for parameter, gap, push in self._gaps(trained):
            assert parameter.grad is not None
            parameter.grad.add_(push, alpha=self.strength)
            total = total + (gap * push).sum()
        return self.strength / 2 * float(total)

    def _gaps(self, parameters: Parameters) -> Any:
        """Yield each weight with its distance from the start, and with that times its importance."""
        for name, parameter in parameters.items():
            if name in self.start:
                gap = parameter.detach() - self.start[name]
                yield parameter, gap, gap if self.importance is None else gap * self.importance[name]


def divergence(source: Tensor, scores: Tensor, temperature: float) -> Tensor:
    """Return the Kullback-Leibler divergence of predictions from those of the source, summed over targets [1]_.

    Parameters
    ----------
    source, scores : Tensor, shape (n, classes)
        Scores before the softmax; what stands in ``source`` is given no gradient.
    temperature : float
        Both are divided by it; the divergence is multiplied by its square, so that the gradient keeps its size.

    Returns
    -------
    Tensor
        Never negative: rounding below 0 is 0.

    References
    ----------
    .. [1] Hinton et al. 2015, Distilling the knowledge in a neural network.
    """
    old = (source.detach().float() / temperature).log_softmax(dim=-1)
    new = (scores.float() / temperature).log_softmax(dim=-1)
    each = F.kl_div(new, old, reduction="none", log_target=True).sum(dim=-1)  # [n]
    return temperature**2 * torch.clamp(each, min=0.0).sum()
