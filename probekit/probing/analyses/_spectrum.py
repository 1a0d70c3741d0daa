"""The vectors of a layer as a linear model sees them: directions, and what targets have along each.

Enters: vectors [n, d] and targets [n, K]. Leaves: a :class:`Spectrum`. Of few rows the products of rows are taken
apart, of many those of dimensions; what comes out is the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.probing.problem import BLOCK, Standardiser

FloatArray = NDArray[np.float64]


class Spectrum(NamedTuple):
    """X = U diag(sqrt(values)) V^T, without directions along which nothing lies.

    Attributes
    ----------
    values : float64 array [r]
        Squared singular values of X, above what rounding leaves of 0.
    along : float64 array [r, K]
        U^T Y.
    """

    values: FloatArray
    along: FloatArray


def spectrum_of(X: NDArray[np.float32], Y: FloatArray, *, centred: bool = False) -> Spectrum:
    """Take the vectors apart, in float64.

    Parameters
    ----------
    X : float32 array [n, d]
    Y : float64 array [n, K]
    centred : bool
        The mean of the vectors is taken off.

    Raises
    ------
    NumericError
        The vectors hold NaN or infinity.
    """
    n, d = X.shape
    standardiser = Standardiser.fit(X)
    mean = standardiser.mean.astype(np.float64) if centred else np.zeros(d)
    if n < d:
        rows = X - mean
        values, U = np.linalg.eigh(rows @ rows.T)  # [n], [n, n]
        along = U.T @ Y
    else:
        products, with_targets = np.zeros((d, d)), np.zeros((d, Y.shape[1]))
        for start in range(0, n, BLOCK):
            block = X[start : start + BLOCK] - mean
            products += block.T @ block
            with_targets += block.T @ Y[start : start + BLOCK]
        values, V = np.linalg.eigh(products)  # [d], [d, d]
        with np.errstate(invalid="ignore", divide="ignore"):
            along = V.T @ with_targets / np.sqrt(values)[:, None]  # U^T Y
    kept = values > max(n, d) * np.finfo(np.float64).eps * values.max(initial=0.0)
    return Spectrum(values[kept], along[kept])


def one_hot(codes: NDArray[np.int32]) -> FloatArray:
    """Return a column a class that is there [n, K]."""
    classes = np.unique(codes)
    return (codes[:, None] == classes).astype(np.float64)
