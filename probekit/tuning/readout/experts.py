r"""Experts of slices around a head, with attention over them [1]_.

Enters: a head that scores vectors, how many slices there are. Leaves: :class:`Experts`, a head like any other: it reads
the vector alone, so that a new text needs neither a label nor a slicing function.

Each slice has an indicator :math:`q_i`, the log odds that a target is in it, and an expert, who corrects the scores of
the head: :math:`L_i = L_0 + E_i`. What is said is

.. math:: \sum_{i \ge 0} a_i L_i = L_0 + \sum_{i \ge 1} a_i E_i, \quad a = \mathrm{softmax}_i(q_i + c_i),

with :math:`E_0 = q_0 = 0` of the head itself, and :math:`c_i` the margin between the two likeliest classes of
:math:`L_i`. Of two classes that is the :math:`|p_i|` of the paper; of more it does not depend on their order either.
Surprise: indicators and experts start at 0, so the head says at the start exactly what it said.

References
----------
.. [1] Chen et al. 2019, Slice-based learning: a programming model for residual learning in critical data slices.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from probekit.tuning.readout.head_module import VectorHead


@dataclass(frozen=True, slots=True)
class Voices:
    """What the parts say of n targets.

    Attributes
    ----------
    base : Tensor [n, classes]
    indicators : Tensor [n, s]
        Log odds of being in each slice.
    experts : Tensor [n, s, classes]
        What each expert adds to the base.
    attention : Tensor [n, s + 1]
        The base first; positive, sum 1.
    """

    base: Tensor
    indicators: Tensor
    experts: Tensor
    attention: Tensor

    @property
    def scores(self) -> Tensor:
        """What they come to [n, classes]."""
        return self.base + (self.attention[:, 1:, None] * self.experts).sum(1)


class Experts(VectorHead):
    """A head with experts around it.

    Parameters
    ----------
    base : VectorHead
        Of labels.
    slices : int

    Attributes
    ----------
    live : Tensor of float [s]
        1 of slices with an expert; one without has no part in anything.
    """

    live: Tensor

    def __init__(self, base: VectorHead, slices: int) -> None:
        super().__init__(base.spec)
        self.base = base
        width, classes = base.spec.vector, base.spec.outputs
        self.indicators = nn.Parameter(torch.zeros(slices, width))
        self.indicator_bias = nn.Parameter(torch.zeros(slices))
        self.experts = nn.Parameter(torch.zeros(slices * classes, width))
        self.expert_bias = nn.Parameter(torch.zeros(slices * classes))
        self.register_buffer("live", torch.ones(slices))

    def score(self, X: Tensor) -> Tensor:
        """Return what base and experts come to."""
        return self.voices(X).scores

    def voices(self, X: Tensor) -> Voices:
        """Return what each part says of pooled vectors [n, vector]."""
        base = self.base.score(X)
        indicators = X @ self.indicators.T + self.indicator_bias
        flat = X @ self.experts.T + self.expert_bias
        experts = flat.unflatten(1, (len(self.live), -1)) * self.live[:, None]
        with torch.no_grad():  # confidence weighs, and is not taught to be high
            each = torch.cat([base[:, None], base[:, None] + experts], 1).float()  # [n, s + 1, classes]
            likeliest = each.topk(2, dim=2).values
            margin = likeliest[..., 0] - likeliest[..., 1]
        said = nn.functional.pad(indicators, (1, 0)) + margin
        dead = nn.functional.pad(self.live == 0, (1, 0))
        return Voices(base, indicators, experts, said.masked_fill(dead, -torch.inf).softmax(1))

    def loss(self, scores: Tensor, row: Tensor, gold: Tensor) -> Tensor:
        """Return the loss of the base."""
        return self.base.loss(scores, row, gold)

    def predict(self, scores: Tensor, row: Tensor) -> Tensor:
        """Return what the base makes of scores."""
        return self.base.predict(scores, row)

    def log_probabilities(self, scores: Tensor, row: Tensor) -> Tensor:
        """Return the log-probabilities of the base."""
        return self.base.log_probabilities(scores, row)

    def answer(self, scores: Tensor, row: Tensor, gold: Tensor) -> Tensor:
        """Return what the base answers."""
        return self.base.answer(scores, row, gold)
