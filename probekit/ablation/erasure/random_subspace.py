"""Controls of an erasure: random subspaces, as many directions, or as much norm.

Enters: a rank, or vectors and the loss that a concept's eraser has on them. Leaves: an
:class:`~probekit.ablation.erasure.eraser.Eraser`. Surprise: of equal loss the last direction is taken out in part, so
that the loss is met exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from probekit.ablation.erasure.eraser import Eraser, FloatArray, vectors_of
from probekit.errors import UsageError


def random_of_rank(rank: int, mean: Any, *, seed: int) -> Eraser:
    """Return a random orthogonal projection.

    Parameters
    ----------
    rank : int
    mean : array-like [d]
    seed : int

    Raises
    ------
    UsageError
        A rank that is not 0 to d.
    """
    mean = np.asarray(mean, np.float64)
    if not 0 <= rank <= len(mean):
        raise UsageError(f"The rank must be 0 to {len(mean)}. Got {rank}.")
    return Eraser.orthogonal(_rotation(len(mean), seed)[:rank], mean)


def random_of_loss(X: Any, loss: float, *, seed: int) -> Eraser:
    """Return random directions, as many as take out a share of the variance of vectors.

    Parameters
    ----------
    X : array-like [n, d]
    loss : float
        As of :meth:`~probekit.ablation.erasure.eraser.Eraser.loss`; 0 to 1.
    seed : int

    Raises
    ------
    UsageError
        More is to be taken out than is there.
    """
    X = vectors_of(X)
    if not 0 <= loss <= 1 + 1e-9:
        raise UsageError(f"A random subspace takes out 0 to 1 of the variance. Got {loss}.")
    mean = X.mean(0)
    basis = _rotation(X.shape[1], seed)
    along = np.square((X - mean) @ basis.T).mean(0)  # [d]
    wanted = min(loss, 1.0) * along.sum()
    before = np.concatenate([[0.0], np.cumsum(along)[:-1]])
    kept = before < wanted * (1 - 1e-12)
    basis, rest = basis[kept], np.minimum((wanted - before[kept]) / np.maximum(along[kept], 1e-300), 1)
    # Of the last a share s is taken out, which costs s^2 of its variance.
    return Eraser(basis, basis * np.sqrt(rest)[:, None], mean)


def _rotation(width: int, seed: int) -> FloatArray:
    """Return orthonormal rows [width, width], uniform over rotations and mirrorings."""
    gaussian = np.random.default_rng(seed).standard_normal((width, width))
    rows, upper = np.linalg.qr(gaussian)
    return (rows * np.sign(np.diag(upper))).T
