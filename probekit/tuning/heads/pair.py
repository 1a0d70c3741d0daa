r"""The two spans of a pair: :math:`[u; v; |u - v|; u \circ v]` under one hidden layer [1]_, or under none.

With ``rank`` above 0 a bilinear form :math:`(U_k u)^\top (V_k v)` of that rank is added to the score of each class, as
in biaffine parsers [2]_.

References
----------
.. [1] Conneau et al. 2017, Supervised learning of universal sentence representations from natural language inference.
.. [2] Dozat & Manning 2017, Deep biaffine attention for neural dependency parsing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from probekit.tuning.heads import Head, HeadSpec
from probekit.tuning.options import Count, Dropout
from probekit.tuning.readout.head_module import VectorHead


class Pair(VectorHead):
    """The network.

    Parameters
    ----------
    spec : HeadSpec
    hidden : int
        0: no hidden layer.
    rank : int
        Of the bilinear form of each class; 0: none.
    dropout : float
    """

    def __init__(self, spec: HeadSpec, *, hidden: int, rank: int, dropout: float) -> None:
        super().__init__(spec)
        half, features = spec.vector // 2, 2 * spec.vector
        self.dropout = nn.Dropout(dropout)
        deep = [nn.Linear(features, hidden), nn.ReLU(), nn.Dropout(dropout)] if hidden else []
        self.layers = nn.Sequential(*deep, nn.Linear(hidden or features, spec.outputs))
        self.rank = rank
        if rank:
            self.left = nn.Linear(half, spec.outputs * rank, bias=False)
            self.right = nn.Linear(half, spec.outputs * rank, bias=False)

    def score(self, X: Tensor) -> Tensor:
        """Return the scores of ``[u; v]`` [n, outputs]."""
        u, v = self.dropout(X).chunk(2, 1)
        scores: Tensor = self.layers(torch.cat([u, v, (u - v).abs(), u * v], 1))
        if self.rank:
            scores = scores + (self.left(u) * self.right(v)).unflatten(1, (-1, self.rank)).sum(2)
        return scores


def build(spec: HeadSpec, *, hidden: Count = 128, rank: Count = 0, dropout: Dropout = 0.1) -> Pair:
    """Return the network."""
    return Pair(spec, hidden=hidden, rank=rank, dropout=dropout)


HEAD = Head("pair", build, "both spans, their difference and product (Conneau et al. 2017)", kinds=("pair",))
