r"""Fit a linear map whose squared lengths are distances, or depths, in the tree.

Enters: a layer's vectors, the trees of training and dev, the ranks. Leaves: one projection a rank. With
:math:`B` [k, d], the distance of two words is :math:`\lVert B(h_i - h_j) \rVert^2`, the depth of one is
:math:`\lVert B h_i \rVert^2`, and the loss is the mean over sentences of the absolute error, divided by
:math:`n^2` (distances) or :math:`n` (depths) of a sentence of n words [1]_. It is minimised over random batches by
Adam, with a smaller step whenever dev stalls, as there. The sum is not convex in :math:`B`: few sentences are fitted
from a large start and from a small one, and dev says which is kept. Surprise: all ranks and starts of a layer share
each product with the vectors, and every one keeps its own rate and halts by itself.

References
----------
.. [1] Hewitt & Manning 2019, A structural probe for finding syntax in word representations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.probing.studies.trees.batches import Group, Sentences, batch_size, loss_of, slope_of

EPOCHS, STEPS = 40, 100
"""Rounds at most; a round is an epoch or, where that is shorter, as many as have so many steps."""
SMALL = 0.1
"""Size of the small start, relative to the large one, under which the average distance (or depth) is already right.
What is random in a large start stays where few sentences do not speak against it, and fits those alone; from far below,
directions that help grow first. A signal that is weaker than the noise about it is found by either, not always by both.
Where an epoch is a whole round both end alike, and the large one is enough."""
RATE, DECAY = 0.02, 0.25
"""Step of Adam, relative to the size of the large start, and its factor when dev stalls."""
LESS = 3e-4
"""A loss on dev that falls by less than this share in a round has stalled."""
PATIENCE = 3
"""Rounds in a row that stall before a projection is done."""
BEHIND = 0.05
"""A start that stalls by more than this share above another of its rank is given up: smaller steps bring less."""


@dataclass(slots=True)
class _Learner:
    """One rank on its way from one start.

    A `round` of so many epochs has `looks` at dev: one, or one after each epoch. A small start is best early, within a
    round; but the least of many looks is a bar that a slow fall does not clear, so a large start has one a round.
    """

    B: Tensor
    optimiser: torch.optim.Optimizer
    best: Tensor
    rate: float
    round: int
    looks: int
    loss: float = float("inf")
    epochs: int = 0
    waited: int = 0
    stalled: int = 0

    @property
    def looking(self) -> bool:
        return self.epochs % (self.round // self.looks) == 0

    @property
    def converged(self) -> bool:
        return self.stalled >= PATIENCE

    @property
    def done(self) -> bool:
        return self.epochs >= EPOCHS * self.round or self.converged

    def judge(self, loss: float) -> None:
        """Keep the best projection; where dev stalls, go on with a smaller step."""
        fell = loss < self.loss * (1 - LESS)
        if loss < self.loss:
            self.loss = loss
            self.best.copy_(self.B.detach())
        self.waited = 0 if fell else self.waited + 1
        if fell:
            self.stalled = 0
        elif self.waited == self.looks:
            self.waited, self.stalled = 0, self.stalled + 1
            self.rate *= DECAY
            with torch.no_grad():
                self.B.copy_(self.best)
            self.optimiser = torch.optim.Adam([self.B], lr=self.rate)


@dataclass(frozen=True, slots=True)
class Projection:
    """A fitted probe.

    Attributes
    ----------
    rank : int
    B : float32 array [rank, d]
        Acts on vectors as they were given.
    dev_loss : float
        Mean over the sentences of dev.
    epochs : int
        Of the start that was kept.
    converged : bool
        Whether dev stalled, whatever the step, before the epochs were over.
    """

    rank: int
    B: NDArray[np.float32]
    dev_loss: float
    epochs: int
    converged: bool


def fit_projections(
    train: NDArray[np.float32],
    dev: NDArray[np.float32],
    sentences: tuple[Sentences, Sentences],
    *,
    ranks: Sequence[int],
    seed: int = 0,
    device: str = "cpu",
) -> list[Projection]:
    """Fit one projection a rank.

    Parameters
    ----------
    train, dev : float32 array [words, d]
    sentences : (Sentences, Sentences)
        Of the training and the dev part, made once for all layers; they say whether distances or depths are fitted.
    ranks : sequence of int
        At most d each.
    seed : int
        Of the start and of the batches.
    device : str

    Returns
    -------
    list of Projection
        In the order of the ranks.
    """
    scale = 1 / (float(np.sqrt(np.einsum("ij,ij->", train, train, dtype=np.float64) / train.size)) or 1.0)
    begun = [_begin(rank, train.shape[1], sentences[0], seed, device) for rank in ranks]
    learners = [learner for starts in begun for learner in starts]
    rng = np.random.default_rng(seed)
    X, X_dev = (torch.from_numpy(part).to(device) for part in (train, dev))
    while active := [learner for learner in learners if not learner.done]:
        for step in sentences[0].drawn(rng, batch_size(len(sentences[0]))):
            _step(X, step, active, scale, sentences[0].depth)
        for learner in active:
            learner.epochs += 1
        looking = [learner for learner in active if learner.looking]
        if looking:
            for learner, loss in zip(looking, _losses(X_dev, sentences[1], looking, scale), strict=True):
                learner.judge(loss)
        for starts in begun:
            _give_up(starts)
    kept = [min(starts, key=lambda learner: learner.loss) for starts in begun]
    return [
        Projection(rank, (learner.best * scale).cpu().numpy(), learner.loss, learner.epochs, learner.converged)
        for rank, learner in zip(ranks, kept, strict=True)
    ]


def _give_up(starts: Sequence[_Learner]) -> None:
    """End the starts of a rank that stall far above the best of them."""
    best = min(learner.loss for learner in starts)
    for learner in starts:
        if learner.stalled and learner.loss * (1 - BEHIND) > best:
            learner.stalled = PATIENCE


@torch.no_grad()
def _step(X: Tensor, groups: Sequence[Group], learners: Sequence[_Learner], scale: float, depth: bool) -> None:
    """Move every learner once, along the gradient of the mean loss of the sentences of all groups."""
    widths = [len(learner.B) for learner in learners]
    x = X[torch.cat([group.rows.flatten() for group in groups])]  # [words, d]
    B = torch.cat([learner.B for learner in learners]) * scale
    parts = (x @ B.T).split([group.rows.numel() for group in groups])
    slopes = []
    for part, group in zip(parts, groups, strict=True):
        projected = part.view(*group.rows.shape, -1).split(widths, dim=-1)  # a rank: [s, n, k]
        slopes.append(torch.cat([slope_of(P, group, depth=depth) for P in projected], -1).flatten(0, 1))
    slope = (torch.cat(slopes) * (scale / sum(map(len, groups)))).T @ x  # [k of all ranks, d]
    for learner, own in zip(learners, slope.split(widths), strict=True):
        learner.B.grad = own
        learner.optimiser.step()


def _begin(rank: int, d: int, sentences: Sentences, seed: int, device: str) -> list[_Learner]:
    """Draw the starts of a rank: one under which the average distance (or depth) is right, of few sentences a small."""
    depth = sentences.depth
    total = sum(
        loss_of(torch.zeros(*group.rows.shape, 1, device=device), group, depth=depth) for group in sentences.groups
    )
    target = float(total) / len(sentences)
    size = (max(target, 1e-3) / ((1 if depth else 2) * rank * d)) ** 0.5
    generator = torch.Generator().manual_seed(seed)
    B = (size * torch.randn(rank, d, generator=generator)).to(device)
    rate = RATE * size * rank**0.5
    epochs = -(-STEPS * batch_size(len(sentences)) // len(sentences))
    learners = [_learner(B, rate, epochs, looks=1)]
    if epochs > 1:
        learners.append(_learner(SMALL * B, rate, epochs, looks=epochs))
    return learners


def _learner(B: Tensor, rate: float, epochs: int, *, looks: int) -> _Learner:
    own = B.clone().requires_grad_()
    return _Learner(own, torch.optim.Adam([own], lr=rate), B.clone(), rate, epochs, looks)


@torch.no_grad()
def _losses(X: Tensor, sentences: Sentences, learners: Sequence[_Learner], scale: float) -> list[float]:
    total = torch.zeros(len(learners), dtype=torch.float64)
    for group in sentences.groups:
        x = X[group.rows]
        found = [loss_of(x @ (learner.B * scale).T, group, depth=sentences.depth) for learner in learners]
        total += torch.stack(found).double().cpu()
    return (total / len(sentences)).tolist()
