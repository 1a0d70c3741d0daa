r"""Self-attentive span pooling under a linear layer: which tokens of a span speak for it is learned.

The vector of a span is :math:`\sum_t \alpha_t h_t` with :math:`\alpha = \mathrm{softmax}(u^\top h_t)` over its tokens,
and a ``u`` of its own for each span of a pair [1]_ [2]_. Surprise: ``u`` begins at zero, so the probe begins as the one
over means.

References
----------
.. [1] Lee et al. 2017, End-to-end neural coreference resolution.
.. [2] Tenney et al. 2019, What do you learn from context? Probing for sentence structure.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from probekit.probing.solvers.training import Batch
from probekit.probing.trained import TokenProbe, network_estimator


class AttentivePooling(nn.Module):
    """The network: attention within spans, then one linear layer.

    Parameters
    ----------
    d, n_spans, n_classes : int
    """

    def __init__(self, d: int, n_spans: int, n_classes: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(n_spans, d))
        self.linear = nn.Linear(n_spans * d, n_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Return logits [targets, n_classes]."""
        assert batch.spans is not None
        pooled = []
        for number, spans in enumerate(batch.spans.unbind(1)):
            pooled.append(attend(batch.vectors, self.query[number], *spans.T))
        return self.linear(torch.cat(pooled, 1))


def attend(vectors: Tensor, query: Tensor, first: Tensor, stop: Tensor) -> Tensor:
    """Return one vector a span, its tokens weighed by attention.

    Parameters
    ----------
    vectors : Tensor, shape (rows, d)
    query : Tensor, shape (d,)
    first, stop : Tensor of int64, shape (n,)
        Half-open row ranges, none of them empty.

    Returns
    -------
    Tensor, shape (n, d)
    """
    sizes = stop - first
    places = first[:, None] + torch.arange(int(sizes.max()), device=first.device)
    inside = places < stop[:, None]
    places = places.clamp_max(len(vectors) - 1)
    weights = (vectors @ query)[places].masked_fill(~inside, -torch.inf).softmax(1)
    return torch.einsum("nt,ntd->nd", weights, vectors[places])


class AttentionProbe(TokenProbe):
    """A linear probe over self-attentively pooled spans; parameters as :class:`TokenProbe`."""

    def build(self, d: int, n_spans: int, n_classes: int) -> nn.Module:
        """Return the network, with first weights."""
        return AttentivePooling(d, n_spans, n_classes)


ESTIMATOR = network_estimator("attention", AttentionProbe())
