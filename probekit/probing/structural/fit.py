r"""Fit a linear map whose squared lengths are distances, or depths, in the tree.

Enters: a layer's vectors, the trees of training and dev, the ranks. Leaves: one projection a rank. With
:math:`B` [k, d], the distance of two words is :math:`\lVert B(h_i - h_j) \rVert^2`, the depth of one is
:math:`\lVert B h_i \rVert^2`, and the loss is the mean over sentences of the absolute error, divided by
:math:`n^2` (distances) or :math:`n` (depths) of a sentence of n words [1]_. Surprise: all ranks of a layer
share each product with the vectors; every rank keeps its own rate and halts by itself, as it would alone.

References
----------
.. [1] Hewitt & Manning 2019, A structural probe for finding syntax in word representations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.probing.structural.trees import Tree

BATCH_WORDS = 1024
"""Words of a batch; sentences of similar length share one, so that little is padding."""
EPOCHS, STEPS = 40, 100
"""Rounds at most; between two looks at dev lies an epoch, or this many steps where an epoch is shorter."""
RATE, DECAY, LEAST = 0.03, 0.5, 0.001
"""Step of Adam, relative to the size of the projection at the start; its factor when dev stalls; where it ends."""
STALLED = 3e-4
"""A dev loss that falls by less than this share has stalled."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Sentences of similar length.

    Attributes
    ----------
    rows : Tensor of int64 [words]
        Their rows among the vectors.
    place : Tensor of int64 [s, n]
        Of each word among `rows`; 0 where there is none.
    gold : Tensor of float32 [s, n, n] or [s, n]
    weight : Tensor of float32, like `gold`
        1 / n^2 (or 1 / n) of the sentence; 0 where a word is missing.
    """

    rows: Tensor
    place: Tensor
    gold: Tensor
    weight: Tensor

    @property
    def sentences(self) -> int:
        """How many sentences."""
        return len(self.place)


def batches_of(trees: Sequence[Tree], *, depth: bool, device: str = "cpu") -> list[Batch]:
    """Cut sentences, sorted by length, into batches of at most :data:`BATCH_WORDS` words."""
    order = sorted(range(len(trees)), key=lambda i: len(trees[i]))
    out: list[Batch] = []
    group: list[Tree] = []
    for i in order:
        if group and (len(group) + 1) * len(trees[i]) > BATCH_WORDS:
            out.append(_batch(group, depth, device))
            group = []
        group.append(trees[i])
    return [*out, _batch(group, depth, device)]


def _batch(trees: Sequence[Tree], depth: bool, device: str) -> Batch:
    s, n = len(trees), max(map(len, trees))
    shape = (s, n) if depth else (s, n, n)
    place, gold, weight = np.zeros((s, n), np.int64), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    rows: list[NDArray[np.int64]] = []
    start = 0
    for i, tree in enumerate(trees):
        m = len(tree)
        rows.append(np.arange(tree.rows.start, tree.rows.stop))
        place[i, :m] = np.arange(start, start + m)
        if depth:
            gold[i, :m], weight[i, :m] = tree.depths, 1 / m
        else:
            gold[i, :m, :m], weight[i, :m, :m] = tree.distances, 1 / m**2
        start += m
    arrays = (np.concatenate(rows), place, gold, weight)
    return Batch(*(torch.from_numpy(array).to(device) for array in arrays))


def predict(P: Tensor, *, depth: bool) -> Tensor:
    """Return depths [..., n] or distances [..., n, n] of projected words [..., n, k]."""
    square = (P * P).sum(-1)
    if depth:
        return square
    return (square[..., :, None] + square[..., None, :] - 2 * P @ P.transpose(-1, -2)).clamp_min(0)


def batch_loss(P: Tensor, batch: Batch, *, depth: bool) -> Tensor:
    """Return the loss of projected words [words, k], summed over the sentences of a batch."""
    error = (predict(P[batch.place], depth=depth) - batch.gold).abs()
    return (error * batch.weight).sum()


@dataclass(slots=True)
class _Learner:
    """One rank on its way."""

    B: Tensor
    optimiser: torch.optim.Optimizer
    best: Tensor
    rate: float
    least: float
    loss: float = float("inf")
    epochs: int = 0
    history: list[float] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return self.epochs >= EPOCHS or self.rate < self.least

    def judge(self, loss: float) -> None:
        """Keep the best projection; where dev stalls, go back to it with a smaller step."""
        self.epochs += 1
        self.history.append(loss)
        stalled = loss > self.loss * (1 - STALLED)
        if loss < self.loss:
            self.loss = loss
            self.best.copy_(self.B.detach())
        if stalled:
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
    epochs : int
    converged : bool
        Whether the steps became small before the epochs were over.
    """

    rank: int
    B: NDArray[np.float32]
    dev_loss: float
    epochs: int
    converged: bool


def fit_projections(
    train: NDArray[np.float32],
    dev: NDArray[np.float32],
    batches: tuple[Sequence[Batch], Sequence[Batch]],
    *,
    ranks: Sequence[int],
    depth: bool,
    seed: int = 0,
    device: str = "cpu",
) -> list[Projection]:
    """Fit one projection a rank.

    Parameters
    ----------
    train, dev : float32 array [words, d]
    batches : (sequence of Batch, sequence of Batch)
        Of the training and the dev part, made once for all layers.
    ranks : sequence of int
        At most d each.
    depth : bool
        Depths in place of distances.
    seed : int
        Of the start and of the order of the batches.
    device : str

    Returns
    -------
    list of Projection
        In the order of the ranks.
    """
    scale = 1 / (float(np.sqrt(np.einsum("ij,ij->", train, train, dtype=np.float64) / train.size)) or 1.0)
    learners = [_begin(rank, train.shape[1], batches[0], depth, seed, device) for rank in ranks]
    order = np.random.default_rng(seed)
    X, X_dev = (torch.from_numpy(part).to(device) for part in (train, dev))
    while active := [learner for learner in learners if not learner.done]:
        epochs = -(-STEPS // len(batches[0]))
        for number in np.concatenate([order.permutation(len(batches[0])) for _ in range(epochs)]):
            batch = batches[0][number]
            widths = [len(learner.B) for learner in active]
            x = X[batch.rows] * scale
            parts = (x @ torch.cat([learner.B for learner in active]).T).split(widths, dim=1)
            losses = [batch_loss(P, batch, depth=depth) / batch.sentences for P in parts]
            torch.stack(losses).sum().backward()
            for learner in active:
                learner.optimiser.step()
                learner.optimiser.zero_grad()
        for learner, loss in zip(active, _losses(X_dev, batches[1], active, scale, depth), strict=True):
            learner.judge(loss)
    return [
        Projection(
            rank,
            (learner.best * scale).cpu().numpy(),
            learner.loss,
            learner.epochs,
            learner.rate < learner.least,
        )
        for rank, learner in zip(ranks, learners, strict=True)
    ]


def _begin(rank: int, d: int, batches: Sequence[Batch], depth: bool, seed: int, device: str) -> _Learner:
    """Draw a projection under which the average distance (or depth) is already right."""
    target = float(sum((batch.gold * batch.weight).sum() for batch in batches) / sum(b.sentences for b in batches))
    size = (max(target, 1e-3) / ((1 if depth else 2) * rank * d)) ** 0.5
    generator = torch.Generator().manual_seed(seed)
    B = (size * torch.randn(rank, d, generator=generator)).to(device).requires_grad_()
    rate = RATE * size * rank**0.5
    return _Learner(B, torch.optim.Adam([B], lr=rate), B.detach().clone(), rate, LEAST * rate)


@torch.no_grad()
def _losses(
    X: Tensor, batches: Sequence[Batch], learners: Sequence[_Learner], scale: float, depth: bool
) -> list[float]:
    total = torch.zeros(len(learners), dtype=torch.float64)
    for batch in batches:
        x = X[batch.rows] * scale
        total += torch.stack([batch_loss(x @ learner.B.T, batch, depth=depth) for learner in learners]).double().cpu()
    return (total / sum(batch.sentences for batch in batches)).tolist()
