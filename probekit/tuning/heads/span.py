r"""Spans as in coreference: both ends, attention over the tokens between them, the width [1]_.

The vector of a span is :math:`[h_{first}; h_{last}; \sum_t \alpha_t h_t; \phi(width)]`, with :math:`\alpha` the softmax
over its tokens of a network of one hidden layer, and :math:`\phi` a learned vector of the width in bins. Surprise: the
attention begins as the mean; and widths are in tokens, which is what the head sees, not in words.

References
----------
.. [1] Lee et al. 2017, End-to-end neural coreference resolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from probekit.tasks import SPANS
from probekit.tuning.heads import Head, HeadSpec
from probekit.tuning.options import Dropout, Size
from probekit.tuning.readout.batch import TokenBatch
from probekit.tuning.readout.head_module import HeadModule
from probekit.tuning.readout.pooling import first_of, last_of, windows

BINS = (1, 2, 3, 4, 7, 15, 31, 63)
"""The largest width of each bin; the last holds what is longer."""
WIDTH_SIZE = 20


class Attentive(HeadModule):
    """The network.

    Parameters
    ----------
    spec : HeadSpec
    hidden : int
        Of the attention, and of the layer that scores.
    dropout : float
    """

    bins: Tensor

    def __init__(self, spec: HeadSpec, *, hidden: int, dropout: float) -> None:
        super().__init__(spec)
        self.attention = nn.Sequential(
            nn.Linear(spec.width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 1, bias=False)
        )
        nn.init.zeros_(self.attention[-1].weight)  # type: ignore[arg-type]
        self.sizes = nn.Embedding(len(BINS) + 1, WIDTH_SIZE)
        self.register_buffer("bins", torch.tensor(BINS), persistent=False)
        self.layers = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(SPANS[spec.kind] * (3 * spec.width + WIDTH_SIZE), hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, spec.outputs),
        )

    def forward(self, batch: TokenBatch) -> Tensor:
        """Return the scores of every target [n, outputs]."""
        states, within = windows(batch)  # [n, s, w, d], [n, s, w]
        speaks, _ = windows(batch.with_states(self.attention(batch.states)))  # [n, s, w, 1]
        weights = speaks.masked_fill(~within[..., None], -torch.inf).softmax(2)
        headed = (weights * states).sum(2)  # [n, s, d]
        sizes = self.sizes(torch.bucketize(within.sum(2), self.bins))  # [n, s, 20]
        scores: Tensor = self.layers(torch.cat([first_of(batch), last_of(batch), headed, sizes], 2).flatten(1))
        return scores


def build(spec: HeadSpec, *, hidden: Size = 128, dropout: Dropout = 0.1) -> Attentive:
    """Return the network."""
    return Attentive(spec, hidden=hidden, dropout=dropout)


HEAD = Head(
    "span",
    build,
    "both ends, attention between them and the width (Lee et al. 2017)",
    reads="tokens",
    pools=("endpoints",),
)
