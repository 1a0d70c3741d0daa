"""Sentences in random batches, each sentence weighing the same, at little cost of padding.

Enters: trees. Leaves: for every step some sentences drawn at random, in a few groups of about one length. Surprise:
the groups of a step add up to one gradient, so that what shares a batch is left to chance, as the loss asks, and not
to length: where sentences of one length share a step, each step pulls to what fits that length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.statistics.trees import Tree

BATCH, FEWEST, STEPS = 80, 20, 30
"""Sentences of a step at most; at least, where an epoch would have fewer steps than this between two looks at dev."""
GROWTH = 1.6
"""Ratio of the longest to the shortest sentence of a group, about: what is padded costs as much as what is not."""


def batch_size(sentences: int) -> int:
    """Return how many sentences a step has, of so many in all."""
    return min(BATCH, max(FEWEST, sentences // STEPS))


@dataclass(frozen=True, slots=True)
class Group:
    """Sentences of about one length, padded to the longest.

    Attributes
    ----------
    rows : Tensor of int64 [s, n]
        Their words among the vectors; where there is none, the first word of the sentence.
    gold : Tensor of float32 [s, n, n] or [s, n]
    weight : Tensor of float32 [s, n]
        1 / length; 0 where there is no word.
    """

    rows: Tensor
    gold: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: Tensor) -> Group:
        """Keep some sentences."""
        return Group(self.rows[places], self.gold[places], self.weight[places])


@dataclass(frozen=True, slots=True)
class Sentences:
    """All sentences of a split.

    Attributes
    ----------
    groups : list of Group
        By length, ascending.
    depth : bool
        Whether gold are depths.
    """

    groups: list[Group]
    depth: bool

    def __len__(self) -> int:
        return sum(map(len, self.groups))

    @classmethod
    def of(cls, trees: Sequence[Tree], *, depth: bool, device: str = "cpu") -> Sentences:
        """Group the trees of a split by length."""
        by_length = sorted(trees, key=len)
        groups: list[list[Tree]] = []
        for tree in by_length:
            if not groups or len(tree) > max(GROWTH * len(groups[-1][0]), len(groups[-1][0]) + 1):
                groups.append([])
            groups[-1].append(tree)
        return cls([_group(group, depth, device) for group in groups], depth)

    def drawn(self, rng: np.random.Generator, size: int) -> Iterator[list[Group]]:
        """Yield all sentences once, so many at a time, drawn at random; those of a step in groups by length."""
        home = np.repeat(np.arange(len(self.groups)), [len(group) for group in self.groups])
        place = np.concatenate([np.arange(len(group)) for group in self.groups])
        order = rng.permutation(len(home))
        for start in range(0, len(order), size):
            step = order[start : start + size]
            yield [
                group.take(torch.from_numpy(place[step[home[step] == number]]).to(group.rows.device))
                for number, group in enumerate(self.groups)
                if (home[step] == number).any()
            ]


def _group(trees: Sequence[Tree], depth: bool, device: str) -> Group:
    s, n = len(trees), len(trees[-1])
    rows = np.zeros((s, n), np.int64)
    gold = np.zeros((s, n) if depth else (s, n, n), np.float32)
    weight = np.zeros((s, n), np.float32)
    for i, tree in enumerate(trees):
        m = len(tree)
        rows[i] = tree.rows.start
        rows[i, :m] = np.arange(tree.rows.start, tree.rows.stop)
        weight[i, :m] = 1 / m
        if depth:
            gold[i, :m] = tree.depths
        else:
            gold[i, :m, :m] = tree.distances
    return Group(*(torch.from_numpy(array).to(device) for array in (rows, gold, weight)))


def predict(P: Tensor, *, depth: bool) -> Tensor:
    """Return depths [..., n] or distances [..., n, n] of projected words [..., n, k]."""
    square = (P * P).sum(-1)
    if depth:
        return square
    return (square[..., :, None] + square[..., None, :] - 2 * P @ P.transpose(-1, -2)).clamp_min(0)


def predict_each(P: Tensor, trees: Sequence[Tree], *, depth: bool) -> list[NDArray[np.float64]]:
    """Return what is predicted for every sentence of projected words [n of all, k]; those of one length together."""
    places: dict[int, list[int]] = {}
    for place, tree in enumerate(trees):
        places.setdefault(len(tree), []).append(place)
    found: dict[int, NDArray[np.float64]] = {}
    for n, of_length in places.items():
        starts = torch.tensor([trees[place].rows.start for place in of_length])
        guesses = predict(P[starts[:, None] + torch.arange(n)], depth=depth).numpy()
        found.update(zip(of_length, guesses, strict=True))
    return [found[place] for place in range(len(trees))]


def loss_of(P: Tensor, group: Group, *, depth: bool) -> Tensor:
    """Return the loss of projected words [s, n, k], summed over the sentences."""
    error = (predict(P, depth=depth) - group.gold).abs()
    if depth:
        return (error * group.weight).sum()
    return ((error @ group.weight[..., None]).squeeze(-1) * group.weight).sum()


def slope_of(P: Tensor, group: Group, *, depth: bool) -> Tensor:
    r"""Return the gradient of :func:`loss_of` by P [s, n, k].

    With :math:`s_{ij}` the sign of an error and :math:`w` the weights, that of a depth is :math:`2 w_i s_i p_i`, that
    of distances :math:`4 w_i \sum_j s_{ij} w_j (p_i - p_j)`, for :math:`s` is symmetric.
    """
    sign = (predict(P, depth=depth) - group.gold).sign()
    if depth:
        return 2 * (group.weight * sign)[..., None] * P
    weight = group.weight[..., None]
    return 4 * weight * ((sign @ weight) * P - sign @ (weight * P))
