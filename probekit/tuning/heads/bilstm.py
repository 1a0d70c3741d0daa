"""A BiLSTM over the words of the example, its outputs pooled over the spans, and one linear layer.

Surprise: it runs from the first to the last token of a word, so special tokens at the ends are left out, as they are
where tokens are read from a cache.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from probekit.tuning.heads import Head, HeadSpec
from probekit.tuning.options import Dropout, Size
from probekit.tuning.readout.batch import TokenBatch
from probekit.tuning.readout.head_module import HeadModule
from probekit.tuning.readout.pooling import pool


class Recurrent(HeadModule):
    """The network.

    Parameters
    ----------
    spec : HeadSpec
    hidden : int
        Units of each direction.
    dropout : float
        Of what the LSTM reads and of the pooled vector.
    """

    def __init__(self, spec: HeadSpec, *, hidden: int, dropout: float) -> None:
        super().__init__(spec)
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(spec.width, hidden, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(replace(spec, width=2 * hidden).vector, spec.outputs)

    def forward(self, batch: TokenBatch) -> Tensor:
        """Return the scores of every target [n, outputs]."""
        words, lengths = words_in_front(batch)
        packed = pack_padded_sequence(
            self.dropout(words.states), lengths.clamp_min(1).cpu(), batch_first=True, enforce_sorted=False
        )
        outputs, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)  # [B, longest, 2 * hidden]
        scores: Tensor = self.linear(self.dropout(pool(words.with_states(outputs), self.spec.pool)))
        return scores


def words_in_front(batch: TokenBatch) -> tuple[TokenBatch, Tensor]:
    """Return the batch with each row moved to begin at the first token of a word, and how far its words go [B]."""
    begun = batch.inside.cumsum(1) > 0
    unended = batch.inside.flip(1).cumsum(1).flip(1) > 0
    start, lengths = begun.int().argmax(1), (begun & unended).sum(1)
    offsets = torch.arange(batch.inside.shape[1], device=start.device)
    places = (start[:, None] + offsets).clamp_max(len(offsets) - 1)  # [B, T]
    rows = torch.arange(len(places), device=start.device)[:, None]
    text = None if batch.text is None else batch.text[rows, places]
    within = offsets < lengths[:, None]
    spans = batch.spans - start[batch.row][:, None, None]
    return TokenBatch(batch.states[rows, places], within, within, batch.row, spans, text), lengths


def build(spec: HeadSpec, *, hidden: Size = 128, dropout: Dropout = 0.1) -> Recurrent:
    """Return the network."""
    return Recurrent(spec, hidden=hidden, dropout=dropout)


HEAD = Head("bilstm", build, "a BiLSTM over the words of the example, pooled over the spans", reads="tokens")
