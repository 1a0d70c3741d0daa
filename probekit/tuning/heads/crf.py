r"""A conditional random field over the words of a sentence [1]_, one label a word.

The score of labels :math:`y` is :math:`a_{y_1} + \sum_t e_t(y_t) + \sum_t A_{y_{t-1} y_t} + b_{y_n}`, where the
:math:`e` are linear in the pooled vector of each word; the loss is minus its log-probability among all sequences of
labels, by the exact forward recursion, and the prediction is the best of them (Viterbi). Surprise: no transition is
forbidden, whatever the labels are called: which follow each other is learned. At the start the transitions are zero,
and the loss is that of the linear head.

References
----------
.. [1] Lafferty, McCallum & Pereira 2001, Conditional random fields; Lample et al. 2016, Neural architectures for named
   entity recognition.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from probekit.features.labels import UNSEEN
from probekit.tuning.heads import Head, HeadSpec
from probekit.tuning.options import Dropout
from probekit.tuning.readout.head_module import Scorer


class Chain(Scorer):
    """Linear scores of words, and the chain over them.

    The words of a sentence are its targets in the order in which they are given; a word without a target is passed
    over. A word whose label is unknown is summed over in the loss.

    Parameters
    ----------
    spec : HeadSpec
    *layers : Module
        From the pooled vector of a word to its scores.
    """

    def __init__(self, spec: HeadSpec, *layers: nn.Module) -> None:
        super().__init__(spec, *layers)
        self.start = nn.Parameter(torch.zeros(spec.outputs))
        self.transitions = nn.Parameter(torch.zeros(spec.outputs, spec.outputs))  # from, to
        self.end = nn.Parameter(torch.zeros(spec.outputs))

    def loss(self, scores: Tensor, row: Tensor, gold: Tensor) -> Tensor:
        """Return minus the log-probability of the known labels, summed over sentences; see :meth:`HeadModule.loss`."""
        scores = scores.float()
        emissions, lengths, _ = by_sentence(scores, row)
        every = self.log_partition(emissions, lengths).sum()
        unseen = gold == UNSEEN
        if not unseen.any():  # as in training: one path, which costs no second recursion
            return every - self.path(scores, gold, row)
        right = (gold[:, None] == torch.arange(scores.shape[1], device=scores.device)) | unseen[:, None]
        allowed = by_sentence(scores.masked_fill(~right, -torch.inf), row)[0]
        return every - self.log_partition(allowed, lengths).sum()

    def path(self, scores: Tensor, labels: Tensor, row: Tensor) -> Tensor:
        """Return the score of given labels, summed over sentences."""
        laid, lengths, (sentence, number) = by_sentence(labels, row)
        first, last = number == 0, number == lengths[sentence] - 1
        before = laid[sentence, (number - 1).clamp_min(0)]  # of the first word of a sentence: not looked at
        steps = self.transitions[before, labels].where(~first, 0)
        ends = self.start[labels].where(first, 0) + self.end[labels].where(last, 0)
        return (scores.gather(1, labels[:, None])[:, 0] + steps + ends).sum()

    def log_partition(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """Return the log of the summed exponentials of the scores of all sequences of labels.

        Parameters
        ----------
        emissions : Tensor, shape (S, L, C)
        lengths : Tensor of int64, shape (S,)

        Returns
        -------
        Tensor, shape (S,)
        """
        forward = self.start + emissions[:, 0]
        for place in range(1, emissions.shape[1]):
            following = (forward[:, :, None] + self.transitions).logsumexp(1) + emissions[:, place]
            forward = torch.where((place < lengths)[:, None], following, forward)
        return (forward + self.end).logsumexp(1)

    def log_probabilities(self, scores: Tensor, row: Tensor) -> Tensor:
        """Return for every label of each word the log-probability of the best sequence that has it there [n, C]."""
        emissions, lengths, place = by_sentence(scores.float(), row)  # [S, L, C]
        steps = emissions.shape[1]
        before = [self.start + emissions[:, 0]]  # best score up to a word, that word's label given
        for step in range(1, steps):
            before.append((before[-1][:, :, None] + self.transitions).amax(1) + emissions[:, step])
        after = [self.end.expand_as(before[0])]  # best score behind a word, its label given
        for step in range(steps - 1, 0, -1):
            following = (self.transitions + (emissions[:, step] + after[0])[:, None]).amax(2)
            after.insert(0, torch.where((step < lengths)[:, None], following, self.end))
        best = torch.stack(before, 1) + torch.stack(after, 1)
        return (best - self.log_partition(emissions, lengths)[:, None, None])[place]

    @torch.no_grad()
    def predict(self, scores: Tensor, row: Tensor) -> Tensor:
        """Return the codes of the best sequence of each sentence [n]."""
        emissions, lengths, place = by_sentence(scores.float(), row)
        codes = torch.arange(scores.shape[1], device=scores.device)
        best, came = self.start + emissions[:, 0], []
        for step in range(1, emissions.shape[1]):
            value, pointer = (best[:, :, None] + self.transitions).max(1)
            live = (step < lengths)[:, None]
            best = torch.where(live, value + emissions[:, step], best)
            came.append(torch.where(live, pointer, codes))  # behind its end a sentence stays at its last label
        path = [(best + self.end).argmax(1)]
        for pointer in reversed(came):
            path.append(pointer.gather(1, path[-1][:, None])[:, 0])
        return torch.stack(path[::-1], 1)[place]


def by_sentence(scores: Tensor, row: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Lay the targets of every sentence in a row of its own.

    Parameters
    ----------
    scores : Tensor, shape (n, ...)
    row : Tensor of int64, shape (n,)

    Returns
    -------
    laid : Tensor, shape (S, L, ...)
        Zero behind the end of a sentence.
    lengths : Tensor of int64, shape (S,)
    place : tuple of Tensor of int64, each of shape (n,)
        Where in ``laid`` each target is.
    """
    _, sentence, lengths = row.unique(return_inverse=True, return_counts=True)
    order = sentence.argsort(stable=True)
    begins = lengths.cumsum(0) - lengths
    number = torch.empty_like(order)
    number[order] = torch.arange(len(order), device=row.device) - begins[sentence[order]]
    laid = scores.new_zeros(len(lengths), int(lengths.max()) if len(lengths) else 1, *scores.shape[1:])
    return laid.index_put((sentence, number), scores), lengths, (sentence, number)


def build(spec: HeadSpec, *, dropout: Dropout = 0.1) -> Chain:
    """Return dropout, one linear layer and the chain."""
    return Chain(spec, nn.Dropout(dropout), nn.Linear(spec.vector, spec.outputs))


HEAD = Head(
    "crf",
    build,
    "a linear chain over the words of a sentence (Lafferty et al. 2001)",
    kinds=("word",),
    targets=("labels",),
    sentences=True,
)
