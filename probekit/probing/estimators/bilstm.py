"""A BiLSTM over the sentence's frozen vectors: what a probe finds that may read the whole sentence.

The outputs of the two directions are averaged over the tokens of a span, and one linear layer answers [1]_. Surprise:
this is no probe of a layer alone. A task that the linear probe fails and this one solves is in the sentence's vectors
together, or in the LSTM: its control says which.

References
----------
.. [1] Liu et al. 2019, Linguistic knowledge and transferability of contextual representations.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from probekit.probing.solvers.training import Batch
from probekit.probing.trained import TokenProbe, network_estimator

HIDDEN = 128
"""Units of each direction."""


class Recurrent(nn.Module):
    """The network: BiLSTM over each example, means over spans, one linear layer.

    Parameters
    ----------
    d, n_spans, n_classes : int
    """

    def __init__(self, d: int, n_spans: int, n_classes: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(d, HIDDEN, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(n_spans * 2 * HIDDEN, n_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Return logits [targets, n_classes]."""
        assert batch.spans is not None
        examples = nn.utils.rnn.pack_sequence(batch.vectors.split(batch.lengths), enforce_sorted=False)
        padded, lengths = nn.utils.rnn.pad_packed_sequence(self.lstm(examples)[0], batch_first=True)
        inside = torch.arange(padded.shape[1]) < lengths[:, None]
        states = padded[inside.to(padded.device)]
        return self.linear(torch.cat([mean_of(states, spans) for spans in batch.spans.unbind(1)], 1))


def mean_of(states: Tensor, spans: Tensor) -> Tensor:
    """Return the mean of the rows of each half-open range: (rows, h), (n, 2) -> (n, h)."""
    first, stop = spans.T
    places = first[:, None] + torch.arange(int((stop - first).max()), device=first.device)
    weights = (places < stop[:, None]).to(states.dtype) / (stop - first)[:, None]
    return torch.einsum("nt,nth->nh", weights, states[places.clamp_max(len(states) - 1)])


class RecurrentProbe(TokenProbe):
    """A BiLSTM and a linear layer; parameters as :class:`TokenProbe`."""

    def build(self, d: int, n_spans: int, n_classes: int) -> nn.Module:
        """Return the network, with first weights."""
        return Recurrent(d, n_spans, n_classes)


ESTIMATOR = network_estimator("bilstm", RecurrentProbe())
