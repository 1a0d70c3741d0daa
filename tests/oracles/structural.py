"""The structural probe of Hewitt & Manning (2019), written from the paper and the training that it describes.

Batches of 20 sentences drawn at random, padded to the longest; the loss of a sentence is the sum of absolute errors
over all pairs of its words divided by the square of its length (depths: over its words, by its length), that of a
batch the mean over its sentences. Adam at 0.001, begun anew at a tenth of the rate whenever an epoch does not lower
the loss of dev; the end when five epochs in a row have not, or after forty. The projection of the best epoch is kept.
The scores, too: seven tags of the Penn Treebank are passed over, and each sentence has one root, that of one word, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

RATE, FACTOR, PATIENCE, EPOCHS, BATCH, SPREAD = 1e-3, 0.1, 5, 40, 20, 0.05
LESS = 1e-4
"""By how much an epoch lowers the loss that counts as lower."""
SKIPPED = ("''", ",", ".", ":", "``", "-LRB-", "-RRB-")
Vectors = Sequence[np.ndarray]


def distances(heads: Sequence[int]) -> np.ndarray:
    """Edges between all pairs of words [n, n]: up both ways to the root, to where the ways meet; heads from 1."""
    ways = []
    for word in range(1, len(heads) + 1):
        way = [word]
        while heads[way[-1] - 1] != 0:
            way.append(heads[way[-1] - 1])
        ways.append({up: step for step, up in enumerate(way)})
    return np.array([[min(a[up] + b[up] for up in a if up in b) for b in ways] for a in ways])


def depths(heads: Sequence[int]) -> np.ndarray:
    """Edges to the root [n]."""
    return distances(heads)[list(heads).index(0)]


@dataclass(frozen=True)
class Fitted:
    """The projection [d, rank] of the best epoch, its loss on dev, and how many epochs there were."""

    B: torch.Tensor
    dev: float
    epochs: int


def guess(H: torch.Tensor, B: torch.Tensor, *, depth: bool) -> torch.Tensor:
    """Squared lengths of projected words [..., n], or of their differences [..., n, n]."""
    P = H @ B
    return P.square().sum(-1) if depth else (P[..., :, None, :] - P[..., None, :, :]).square().sum(-1)


def padded(vectors: Vectors, golds: Vectors) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vectors [s, n, d], gold and weights [s, n, n] (or [s, n]) of a batch; a weight is 1 over the terms of its sum."""
    n = max(map(len, vectors))
    shape = (len(golds), *[n] * golds[0].ndim)
    H, gold, weight = torch.zeros(len(vectors), n, vectors[0].shape[1]), torch.zeros(shape), torch.zeros(shape)
    for i, (own, right) in enumerate(zip(vectors, golds, strict=True)):
        m = len(own)
        place = (i, *[slice(m)] * right.ndim)
        H[i, :m] = torch.from_numpy(own)
        gold[place], weight[place] = torch.from_numpy(right).float(), 1 / right.size
    return H, gold, weight


def loss(vectors: Vectors, golds: Vectors, B: torch.Tensor, *, depth: bool) -> float:
    """The mean over sentences."""
    total = 0.0
    with torch.no_grad():
        for H, gold in zip(vectors, golds, strict=True):
            total += float((guess(torch.from_numpy(H), B, depth=depth) - torch.from_numpy(gold)).abs().mean())
    return total / len(vectors)


def fit(
    train: tuple[Vectors, Vectors], dev: tuple[Vectors, Vectors], *, rank: int, depth: bool, seed: int = 0
) -> Fitted:
    """Train one probe on float32 vectors [n, d] and golds of sentences."""
    torch.manual_seed(seed)
    B = torch.empty(train[0][0].shape[1], rank).uniform_(-SPREAD, SPREAD).requires_grad_()
    rate, best, epochs = RATE, Fitted(B.detach().clone(), float("inf"), 0), 0
    optimiser = torch.optim.Adam([B], lr=rate)
    while epochs < EPOCHS and epochs - best.epochs < PATIENCE:
        order = torch.randperm(len(train[0])).tolist()
        for start in range(0, len(order), BATCH):
            drawn = order[start : start + BATCH]
            H, gold, weight = padded([train[0][i] for i in drawn], [train[1][i] for i in drawn])
            mean = ((guess(H, B, depth=depth) - gold).abs() * weight).sum() / len(drawn)
            optimiser.zero_grad()
            mean.backward()
            optimiser.step()
        epochs += 1
        now = loss(*dev, B, depth=depth)
        if now < best.dev - LESS:
            best = Fitted(B.detach().clone(), now, epochs)
        else:
            rate *= FACTOR
            optimiser = torch.optim.Adam([B], lr=rate)
    return Fitted(best.B, best.dev, epochs)


def tree(D: np.ndarray, tags: Sequence[str]) -> set[tuple[int, int]]:
    """The lightest tree over the words that are not passed over: the shortest edges first that join two parts."""
    words = [word for word, tag in enumerate(tags) if tag not in SKIPPED]
    pairs = sorted(((a, b) for a in words for b in words if a < b), key=lambda pair: D[pair])
    part = {word: word for word in words}
    edges = set()
    for a, b in pairs:
        if part[a] != part[b]:
            edges.add((a, b))
            joined, gone = part[a], part[b]
            part = {word: joined if name == gone else name for word, name in part.items()}
    return edges


def edges_right(guesses: Vectors, golds: Vectors, tags: Sequence[Sequence[str]]) -> tuple[int, int]:
    """How many edges are right, and how many there are: UUAS."""
    right = total = 0
    for D, gold, own in zip(guesses, golds, tags, strict=True):
        edges = tree(gold, own)
        right, total = right + len(edges & tree(D, own)), total + len(edges)
    return right, total


def roots_right(guesses: Vectors, golds: Vectors, tags: Sequence[Sequence[str]]) -> tuple[int, int]:
    """How many roots are right, and how many there are: the shallowest word with a tag that is not passed over."""
    right = 0
    for d, gold, own in zip(guesses, golds, tags, strict=True):
        words = [word for word, tag in enumerate(own) if tag not in SKIPPED] or list(range(len(own)))
        right += min(words, key=lambda word: d[word]) == list(gold).index(0)
    return right, len(guesses)
