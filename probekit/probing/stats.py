"""Intervals and tests by the cluster bootstrap.

Enters: predictions of several methods on the same rows, and the unit (document or sentence) of
each row. Leaves: scores under joint resamples of the units, so that differences between methods
and layers have intervals too. Surprise: nothing is refitted. The intervals speak of these fitted
probes on new documents; the variance of training is not in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Joint resamples of units.

    Attributes
    ----------
    weights : float64 array [resamples, units]
        How often each unit was drawn.
    units : int64 array [n]
        Unit of each row.
    """

    weights: FloatArray
    units: NDArray[np.int64]

    @classmethod
    def draw(cls, units: NDArray[np.int64], *, resamples: int = 1000, seed: int = 0) -> Bootstrap:
        """Draw ``n_units`` units with replacement, ``resamples`` times."""
        n_units = int(units.max()) + 1
        rng = np.random.default_rng(seed)
        weights = rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=resamples)
        return cls(weights.astype(np.float64), units)

    def sums(self, values: NDArray[np.bool_] | FloatArray) -> FloatArray:
        """Add rows up within units: [n, m] to [units, m]."""
        out = np.zeros((self.weights.shape[1], values.shape[1]))
        for column in range(values.shape[1]):
            out[:, column] = np.bincount(self.units, weights=values[:, column], minlength=len(out))
        return out

    def accuracy(self, hits: NDArray[np.bool_], mask: NDArray[np.bool_] | None = None) -> FloatArray:
        """Return the accuracy of m methods in every resample.

        Parameters
        ----------
        hits : bool array [n, m]
            Whether each method is right on each row.
        mask : bool array [n], optional
            Rows that count.

        Returns
        -------
        float64 array [resamples, m]
            NaN where a resample holds no row that counts.
        """
        counted = np.ones(len(hits)) if mask is None else mask.astype(np.float64)
        right = self.weights @ self.sums(hits * counted[:, None])
        total = self.weights @ self.sums(counted[:, None])
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(right / total)


def interval(resampled: FloatArray, level: float = LEVEL) -> tuple[float, float]:
    """Return the percentile interval of one score; NaN where it cannot be computed."""
    found = resampled[np.isfinite(resampled)]
    if not len(found):
        return float("nan"), float("nan")
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def not_worse(points: FloatArray, resampled: FloatArray, *, n_units: int, level: float = LEVEL) -> list[int]:
    """Return the layers that are not shown to be worse than the best one.

    The critical value is that of the largest studentised difference over *all* pairs of layers, so
    the choice of the best is paid for: were all layers equal, one would be called worse in at most
    ``1 - level`` of cases. With few units it is widened as Student's t is against the normal.

    Parameters
    ----------
    points : float64 array [layers]
    resampled : float64 array [resamples, layers]
    n_units : int
        Units the resamples were drawn from.
    level : float

    Returns
    -------
    list of int
        Positions, the best one among them.
    """
    best = int(points.argmax())
    differences = points[:, None] - points[None, :]
    centred = resampled[:, :, None] - resampled[:, None, :] - differences
    error = centred.std(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        largest = np.nan_to_num(np.abs(centred) / error).max(axis=(1, 2))
        gap = np.where(error[best] > 0, differences[best] / error[best], np.where(differences[best] > 0, np.inf, 0))
    critical = float(np.quantile(largest, level))
    critical *= _widening(critical, n_units)
    return [layer for layer in range(len(points)) if gap[layer] <= critical]


def neighbours(
    resampled: FloatArray, pairs: list[tuple[int, int]], *, n_units: int, level: float = LEVEL
) -> list[float]:
    """Return Holm-adjusted two-sided p values of paired differences between two layers each.

    With few units the resampled differences are widened as Student's t is against the normal, at
    the quantile where the smallest p value is decided.
    """
    raw = []
    deciding = NormalDist().inv_cdf(1 - (1 - level) / (2 * max(1, len(pairs))))
    for low, high in pairs:
        gain = resampled[:, high] - resampled[:, low]
        gain = gain.mean() + _widening(deciding, n_units) * (gain - gain.mean())
        tail = min((gain <= 0).sum(), (gain >= 0).sum())
        raw.append(min(1.0, 2 * (tail + 1) / (len(gain) + 1)))
    return holm(raw)


def holm(p_values: list[float]) -> list[float]:
    """Adjust p values for their number [Holm 1979]."""
    order = np.argsort(p_values, kind="stable")
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = running
    return adjusted


def _widening(z: float, n_units: int) -> float:
    """How much wider than the bootstrap's an error must be for few units, at the normal quantile z.

    The variance of resampled means is too small by (n - 1) / n; t exceeds z by (z^3 + z) / 4(n - 1)
    (the first term of its Cornish-Fisher expansion).
    """
    spare = max(1, n_units - 1)
    return float(np.sqrt(n_units / spare) * (1 + (z * z + 1) / (4 * spare)))
