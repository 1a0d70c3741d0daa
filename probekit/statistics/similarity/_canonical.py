"""Canonical correlations from sums over rows.

Enters: :class:`~probekit.statistics.cross_sums.CrossSums`. Leaves: the directions of each side that count, and the
correlations between them. Surprise: a direction with less than :data:`NONE` of the largest variance counts as absent:
whitened, the rounding of float32 would weigh as much as what the model says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.statistics.cross_sums import CrossSums

FloatArray = NDArray[np.floating]
NONE = 1e-10


@dataclass(frozen=True, slots=True)
class Axes:
    """Principal axes of one side, the widest first.

    Attributes
    ----------
    variances : float64 array [k]
        Times n.
    directions : float64 array [d, k]
    """

    variances: FloatArray
    directions: FloatArray


def principal_axes(sums: CrossSums, side: int, *, share: float = 1.0) -> Axes:
    """Return the axes of one side that hold a share of its variance; none where it does not vary.

    Parameters
    ----------
    sums : CrossSums
    side : {0, 1}
    share : float
        In (0, 1].
    """
    variances, directions = np.linalg.eigh(sums.covariance(side, side))
    variances, directions = variances[::-1], directions[:, ::-1]
    count = int((variances > max(0.0, NONE * float(variances[0]))).sum())
    if share < 1 and count:
        reached = np.cumsum(variances[:count]) / variances[:count].sum()
        count = min(count, int(np.searchsorted(reached, share)) + 1)
    return Axes(variances[:count], directions[:, :count])


def between(sums: CrossSums, first: Axes, second: Axes) -> FloatArray:
    """Return the correlations [k, l] between the axes of both sides; its singular values are the canonical ones."""
    cross = first.directions.T @ sums.covariance(0, 1) @ second.directions
    return np.asarray(cross / np.sqrt(np.outer(first.variances, second.variances)))
