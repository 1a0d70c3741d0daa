"""LEACE: the smallest change to vectors after which no linear reader beats the best constant answer.

Enters: vectors and labels. Leaves: an :class:`~probekit.ablation.erasure.eraser.Eraser`. With W the (pseudo-)inverse
root of the covariance of x, and P the orthogonal projection onto the columns of W cov(x, z),

    r(x) = x - W^+ P W (x - mean).

Surprise: the guarantee is of the rows it is fitted on, and of the loss, not of accuracy under a given probe.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from probekit.ablation.erasure.eraser import Eraser, FloatArray, vectors_of
from probekit.errors import InputError

RANK_TOLERANCE = 1e-8
"""Singular values below this share of the largest are noise of the arithmetic."""


def leace(X: Any, labels: Any) -> Eraser:
    """Fit LEACE.

    Parameters
    ----------
    X : array-like [n, d]
    labels : array-like [n], or of numbers [n, k]
        Classes of any type; a table of numbers is taken as it is (one-hot, or real-valued concepts).

    Returns
    -------
    Eraser
        Of rank at most classes - 1, or k; 0 where no covariance is there to erase.

    Raises
    ------
    InputError
        Shapes that do not fit, or fewer than two classes.

    References
    ----------
    Belrose et al. 2023, https://arxiv.org/abs/2306.03819, theorem 4.3
    """
    X = vectors_of(X)
    Z = concept_of(labels, len(X))
    mean = X.mean(0)
    centred = X - mean
    sizes, axes = np.linalg.eigh(centred.T @ centred / len(X))
    kept = sizes > sizes[-1] * len(sizes) * np.finfo(np.float64).eps
    roots, axes = np.sqrt(sizes[kept]), axes[:, kept]  # x lies in the span of these axes
    crossed = centred.T @ (Z - Z.mean(0)) / len(X)  # [d, k]
    left, strengths, _ = np.linalg.svd((axes / roots) @ (axes.T @ crossed), full_matrices=False)
    # The largest that could be, were z a linear function of x; below a share of it nothing is linear in x at all.
    largest = np.sqrt(np.square(Z - Z.mean(0)).sum(1).mean())
    left = left[:, strengths > RANK_TOLERANCE * largest]
    duals = left.T @ (axes / roots) @ axes.T
    directions = left.T @ (axes * roots) @ axes.T
    return Eraser(directions, duals, mean)


def concept_of(labels: Any, n: int) -> FloatArray:
    """Return labels as numbers [n, k]: classes one-hot.

    Raises
    ------
    InputError
    """
    labels = np.asarray(labels)
    if len(labels) != n or labels.ndim not in (1, 2):
        raise InputError(f"There must be a label for each of {n} rows. Got the shape {labels.shape}.")
    if labels.ndim == 2:
        return np.asarray(labels, np.float64)
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"A concept needs at least two classes. Got {len(classes)} in {n} rows: nothing to erase.")
    return np.eye(len(classes))[codes]
