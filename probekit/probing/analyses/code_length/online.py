"""Online code length: how many bits the training labels cost, given the vectors [1]_.

Enters: a layer's training vectors, its label sets, the sentence of every row. Leaves: one
:class:`OnlineCode` a label set, in bits. Surprise: the labels that are sent are the training
labels; dev and test rows play no part, and a better score shows as fewer bits.

.. [1] Voita & Titov 2020, Information-theoretic probing with minimum description length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.devices import Workers, choose_device, drive_on
from probekit.errors import InputError, UsageError
from probekit.features.pooling import zeros_like
from probekit.probing.analyses.code_length.blocks import Sender
from probekit.probing.problem import Problem, Standardiser
from probekit.probing.solvers.objective import covariance_basis
from probekit.probing.solvers.strengths import STRENGTHS

FRACTIONS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)
"""Shares of the rows at which a block ends, as in the paper."""

ROWS = 8192
"""Rows that are put in order at a time."""


@dataclass(frozen=True, slots=True)
class OnlineCode:
    """The code of one label set, under the strength that makes it shortest.

    Attributes
    ----------
    name : str
        Of the problem.
    n, n_classes : int
    stops : tuple of int
        Rows sent when each block ends; the last is ``n``.
    block_bits : tuple of float
        What each block cost; the first is sent uniformly, ``stops[0] * log2(n_classes)``.
    choice_bits : float
        What it costs to say which strength is used.
    strength : float
        C of every fit.
    at_edge : bool
        That strength is the first or the last of the grid.
    seed : int
        Of the order of sentences.
    converged : bool
        Whether every fit reached its tolerance.
    """

    name: str
    n: int
    n_classes: int
    stops: tuple[int, ...]
    block_bits: tuple[float, ...]
    choice_bits: float
    strength: float
    at_edge: bool
    seed: int
    converged: bool

    @property
    def bits(self) -> float:
        """The whole code."""
        return sum(self.block_bits) + self.choice_bits

    @property
    def uniform_bits(self) -> float:
        """What the labels cost without vectors, ``n * log2(n_classes)``."""
        return self.n * math.log2(self.n_classes)

    @property
    def compression(self) -> float:
        """Uniform bits over bits: 1 where nothing is learnt, more where something is."""
        return self.uniform_bits / self.bits


def online_codes(
    X: NDArray[np.float32],
    problems: Sequence[Problem],
    *,
    strengths: Sequence[float] = STRENGTHS,
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
    fractions: Sequence[float] = FRACTIONS,
    device: str = "cpu",
) -> list[OnlineCode]:
    r"""Send the training labels block by block, each under the probe fitted on all blocks before it.

    With blocks ending at rows :math:`t_1 < \dots < t_S = n`, the code takes

    .. math:: t_1 \log_2 K - \sum_{i<S} \log_2 p_{\theta_i}(y_{t_i+1..t_{i+1}} \mid x_{t_i+1..t_{i+1}}) + \log_2 M

    bits, where :math:`\theta_i` is the logistic probe of the first :math:`t_i` rows and M the number of
    strengths: the sender says first which one makes the shortest code. A strength chosen by its
    accuracy would not do: it may be sure of itself where it errs, which accuracy forgives and bits do not.

    Parameters
    ----------
    X : float32 array [n, d]
        Raw training vectors. Sender and receiver both have them, so all of them set centre and scale.
    problems : sequence of Problem
        Only ``y_train`` and ``n_classes`` are read; without row weights.
    strengths : sequence of float
        Values of C, increasing. Each is the same in all blocks: a fixed Gaussian prior on the weights.
    groups : int array [n], optional
        Sentence of each row. Sentences are shuffled by ``seed`` and blocks end where a sentence does.
    fractions : sequence of float
        Ascending, the last one 1. Fractions that end at the same sentence become one block.

    Returns
    -------
    list of OnlineCode

    Raises
    ------
    InputError
        No rows, or fewer than two classes.
    UsageError
        Fractions, strengths or weights that no code can be made of.

    Notes
    -----
    The classes are those of the whole training part. Every fit also sees each class once, at the
    mean vector: a class that no block has shown yet costs about ``log2(t + K)`` bits instead of
    infinitely many, and the intercepts stay finite.
    """
    _check(X, problems, strengths, fractions, device)
    order, stops = blocks(len(X), groups, seed=seed, fractions=fractions)
    most = max(problem.n_classes for problem in problems)
    rows = _in_order(X, order, before=most)
    found: dict[int, OnlineCode] = {}

    def run(workers: Workers | None) -> None:
        vectors = torch.from_numpy(rows).to(device)
        basis = covariance_basis(vectors[most:])
        for classes in sorted({problem.n_classes for problem in problems}):
            places = [i for i, problem in enumerate(problems) if problem.n_classes == classes]
            codes = np.stack([problems[i].y_train[order] for i in places], 1).astype(np.int64)
            sender = Sender(vectors[most - classes :], codes, strengths, basis, workers=workers)
            bits, converged = sender.send(stops)
            for i, its_bits, reached in zip(places, bits, converged, strict=True):
                found[i] = _shortest(problems[i], its_bits, reached, strengths=strengths, stops=stops, seed=seed)

    drive_on(device, run)
    return [found[i] for i in range(len(problems))]


def _shortest(
    problem: Problem,
    bits: NDArray[np.float64],
    reached: NDArray[np.bool_],
    *,
    strengths: Sequence[float],
    stops: Sequence[int],
    seed: int,
) -> OnlineCode:
    """The code under the strength of fewest bits [strengths, blocks]."""
    best = int(bits.sum(1).argmin())
    return OnlineCode(
        name=problem.name,
        n=stops[-1],
        n_classes=problem.n_classes,
        stops=tuple(stops),
        block_bits=tuple(bits[best].tolist()),
        choice_bits=math.log2(len(strengths)),
        strength=float(strengths[best]),
        at_edge=min(len(strengths), len(stops)) > 1 and best in (0, len(strengths) - 1),
        seed=seed,
        converged=bool(reached[best]),
    )


def _in_order(X: NDArray[np.float32], order: NDArray[np.int64], *, before: int) -> NDArray[np.float32]:
    """Standardise the rows in the order they are sent, behind some at the mean, which is 0: one copy in all."""
    standardiser = Standardiser.fit(X)
    rows = zeros_like(X, (before + len(X), X.shape[1]))
    for low in range(0, len(X), ROWS):
        part = order[low : low + ROWS]
        rows[before + low : before + low + len(part)] = standardiser.transform(X[part], overwrite=True)
    return rows


def blocks(
    n: int, groups: NDArray[np.int64] | None, *, seed: int, fractions: Sequence[float] = FRACTIONS
) -> tuple[NDArray[np.int64], list[int]]:
    """Shuffle whole sentences and cut where the sentence ends that is nearest to each fraction.

    Returns
    -------
    order : int64 array [n]
        Rows in the order they are sent.
    stops : list of int
        Strictly ascending, the last one ``n``.
    """
    names = np.arange(n) if groups is None else np.asarray(groups)
    _, codes, sizes = np.unique(names, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    rank = np.empty_like(shuffled)
    rank[shuffled] = np.arange(len(sizes))
    order = np.argsort(rank[codes], kind="stable").astype(np.int64)
    ends = np.cumsum(sizes[shuffled])
    wanted = np.asarray(fractions, np.float64) * n
    after = np.minimum(np.searchsorted(ends, wanted), len(ends) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(wanted - ends[before] < ends[after] - wanted, ends[before], ends[after])
    return order, sorted({int(stop) for stop in nearest} | {n})


def _check(
    X: NDArray[np.float32],
    problems: Sequence[Problem],
    strengths: Sequence[float],
    fractions: Sequence[float],
    device: str,
) -> None:
    if len(X) == 0:
        raise InputError("There are no training rows, so no labels to send. Check the splits of the corpus.")
    for problem in problems:
        if problem.n_classes < 2:
            raise InputError(f"'{problem.name}' has fewer than two classes: its labels cost nothing to send.")
    choose_device(device, float64=True)
    if not strengths or not all(C > 0 for C in strengths) or list(strengths) != sorted(set(strengths)):
        raise UsageError(f"The strengths must be increasing numbers above 0, values of C. Got {list(strengths)}.")
    if list(fractions) != sorted(set(fractions)) or not fractions or fractions[0] <= 0 or fractions[-1] != 1:
        raise UsageError(f"The fractions must ascend from above 0 to 1. Got {list(fractions)}.")
    if any(problem.weights is not None for problem in problems):
        raise UsageError("An online code sends each label once, so its rows take no weights.")
