"""Intervals and tests by the cluster bootstrap, studentised.

Enters: predictions of several methods on the same rows, and the unit (document or sentence) of each row. Leaves:
scores under joint resamples of the units and without each unit in turn, so that differences between methods and
layers have intervals too. Surprise: nothing is refitted, so the intervals speak of these fitted probes on new
documents. And quantiles of the resamples are no intervals: documents differ in length, a few long ones decide,
and resamples then vary too little. So the error is the larger of the bootstrap's and the jackknife's [1]_, its
quantile is Student's at as many degrees as documents of one length would be worth [2]_, and it is laid off on the
scale of log odds, where scores near 1 are not skewed.

References
----------
.. [1] Hansen 2025, Jackknife standard errors for clustered regression.
.. [2] Carter, Schnepel & Steigerwald 2017, Asymptotic behavior of a t-test robust to cluster heterogeneity.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr, ndtri, stdtr, stdtrit

FloatArray = NDArray[np.float64]
LEVEL = 0.95
FEWEST_UNITS = 5
"""Fewer units than this give no interval."""
FEWEST_TO_TEST = 10
"""Fewer units than this give no test between layers."""
SHARE, OPEN = (0.0, 1.0), (-np.inf, np.inf)
BOUNDS = {"r2": (-np.inf, 1.0), **dict.fromkeys(("pearson", "spearman", "dspr", "nspr"), (-1.0, 1.0))}
"""What a metric can reach, where it is no share."""


@dataclass(frozen=True, slots=True)
class Resampled:
    """A score, or several, under resamples.

    Attributes
    ----------
    values : float64 array [resamples, ...]
        In every joint resample; NaN where it holds no row that counts.
    left_out : float64 array [units, ...]
        Without each unit in turn.
    sizes : float64 array [units]
        Rows of each unit that count.
    """

    values: FloatArray
    left_out: FloatArray
    sizes: FloatArray

    def __getitem__(self, place: Any) -> Resampled:
        """Pick methods, ``resampled[:, 0]``; the first place is that of all resamples."""
        return replace(self, values=self.values[place], left_out=self.left_out[place])

    def __sub__(self, other: Resampled) -> Resampled:
        """Take the score of another method on the same units off, resample by resample."""
        return replace(self, values=self.values - other.values, left_out=self.left_out - other.left_out)

    @classmethod
    def stack(cls, parts: Sequence[Resampled]) -> Resampled:
        """Put scores of the same units side by side, one column each."""
        values, left_out = (np.stack([getattr(part, name) for part in parts], axis=1) for name in _ARRAYS)
        return replace(parts[0], values=values, left_out=left_out)

    def mean(self) -> Resampled:
        """Return the mean over the columns."""
        return replace(self, values=self.values.mean(axis=1), left_out=self.left_out.mean(axis=1))

    @property
    def n_units(self) -> int:
        """Units with a row that counts."""
        return int((self.sizes > 0).sum())

    @property
    def degrees(self) -> float:
        """Degrees of freedom: units of one length that would be worth as much, less one."""
        squares = float((self.sizes**2).sum())
        return max(1.0, float(self.sizes.sum()) ** 2 / squares - 1) if squares else 1.0

    def error(self) -> FloatArray:
        """Return the standard error of each column: the larger of the jackknife's and the bootstrap's."""
        n = max(2, self.n_units)
        counted = np.nan_to_num(self.left_out[self.sizes > 0], nan=np.nan, posinf=np.nan, neginf=np.nan)
        with warnings.catch_warnings():
            # Columns without a finite score have no error; they come out as NaN.
            warnings.simplefilter("ignore", RuntimeWarning)
            apart = counted - np.nanmean(counted, axis=0)
            jackknife = np.sqrt((n - 1) / n * np.nansum(apart**2, axis=0))
            # Between quantiles: one resample of an unbounded score can be anything. They vary too little, by
            # (n - 1) / n.
            finite = np.isfinite(self.values).all()
            low, high = (np.quantile if finite else np.nanquantile)(self.values, [1 - _TAIL, _TAIL], axis=0)
            bootstrap = np.sqrt(n / (n - 1)) * (high - low) / (2 * ndtri(_TAIL))
        return np.asarray(np.maximum(jackknife, bootstrap))


_ARRAYS = ("values", "left_out")
_TAIL = 0.975


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Joint resamples of units.

    Attributes
    ----------
    weights : float64 array [resamples, units]
        How often each unit was drawn.
    units : int64 array [n]
        Unit of each row.
    sizes : float64 array [units]
        What each unit weighs in a score: its rows, or what is counted in them.
    """

    weights: FloatArray
    units: NDArray[np.int64]
    sizes: FloatArray

    @classmethod
    def draw(
        cls, units: NDArray[np.int64], *, resamples: int = 1000, seed: int = 0, counted: FloatArray | None = None
    ) -> Bootstrap:
        """Draw ``n_units`` units with replacement, ``resamples`` times; ``counted`` says what each row weighs."""
        n_units = int(units.max()) + 1
        rng = np.random.default_rng(seed)
        weights = rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=resamples)
        sizes = np.bincount(units, weights=counted, minlength=n_units)
        return cls(weights.astype(np.float64), units, sizes.astype(np.float64))

    def sums(self, values: NDArray[np.bool_] | FloatArray) -> FloatArray:
        """Add rows up within units: [n, m] to [units, m]."""
        out = np.zeros((self.weights.shape[1], values.shape[1]))
        for column in range(values.shape[1]):
            out[:, column] = np.bincount(self.units, weights=values[:, column], minlength=len(out))
        return out

    def scores(
        self, value: Callable[[FloatArray], FloatArray], counts: FloatArray, *, sizes: FloatArray | None = None
    ) -> Resampled:
        """Return a score of added counts in every resample and without each unit.

        Parameters
        ----------
        value : callable
            Turns added counts [k, m] into scores [k] or [k, columns].
        counts : float64 array [units, m]
        sizes : float64 array [units], optional
            Rows that count; by default those of every unit.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            left_out = value(counts.sum(axis=0) - counts)
            return Resampled(value(self.weights @ counts), left_out, self.sizes if sizes is None else sizes)

    def accuracy(self, hits: NDArray[np.bool_], mask: NDArray[np.bool_] | None = None) -> Resampled:
        """Return the accuracy of m methods in every resample.

        Parameters
        ----------
        hits : bool array [n, m]
            Whether each method is right on each row.
        mask : bool array [n], optional
            Rows that count.

        Returns
        -------
        Resampled
            Of m columns; NaN where a resample holds no row that counts.
        """
        counted = np.ones(len(hits)) if mask is None else mask.astype(np.float64)
        counts = self.sums(np.hstack([hits * counted[:, None], counted[:, None]]))
        return self.scores(lambda added: added[:, :-1] / added[:, -1:], counts, sizes=counts[:, -1])


def bounds_of(metric: str, *, difference: bool = False) -> tuple[float, float]:
    """Return the least and the most that a metric, or the difference of two scores by it, can be."""
    low, high = BOUNDS.get(metric, SHARE)
    if not difference:
        return low, high
    return (low - high, high - low) if np.isfinite(low) else OPEN


def interval(
    value: float, resampled: Resampled, *, bounds: tuple[float, float] = SHARE, level: float = LEVEL
) -> tuple[float, float] | None:
    """Return the interval of one score; None where units are fewer than :data:`FEWEST_UNITS`.

    Parameters
    ----------
    value : float
        The score of all rows; it lies within the interval.
    resampled : Resampled
        Of one column.
    bounds : (float, float)
        What the score can reach; between two finite ones the scale is that of log odds, below one that of logs.
    level : float

    Notes
    -----
    A score at its bound in every unit has no spread to read. Its interval is that of a share that n of n units
    show, ``1 - level`` to the n-th part away from the bound.
    """
    error, n = float(resampled.error()), resampled.n_units
    if n < FEWEST_UNITS or not (np.isfinite(value) and np.isfinite(error)):
        return None
    low, high = bounds
    if value in bounds:
        reach = 0.0 if not np.isfinite(high - low) else (high - low) * (1 - (1 - level) ** (1 / n))
        reach = max(reach, float(stdtrit(resampled.degrees, (1 + level) / 2)) * error)
        ends = (value, value + reach) if value == low else (value - reach, value)
        return max(low, ends[0]), min(high, ends[1])
    reach = float(stdtrit(resampled.degrees, (1 + level) / 2)) * error
    if np.isfinite(low) and np.isfinite(high):
        share = (value - low) / (high - low)
        slope = (high - low) * share * (1 - share)
        ends = tuple(low + (high - low) * expit(logit(share) + np.array([-reach, reach]) / slope))
    elif np.isfinite(high):
        ends = tuple(high - (high - value) * np.exp(np.array([reach, -reach]) / (high - value)))
    else:
        ends = (value - reach, value + reach)
    return float(min(ends[0], value)), float(max(ends[1], value))


def not_worse(points: FloatArray, resampled: Resampled, *, level: float = LEVEL) -> list[int]:
    """Return the layers that are not shown to be worse than the best one.

    The critical value is that of the largest studentised difference over *all* pairs of layers, so
    the choice of the best is paid for: were all layers equal, one would be called worse in at most
    ``1 - level`` of cases. With few units it is Student's quantile at the same tail.

    Parameters
    ----------
    points : float64 array [layers]
    resampled : Resampled
        Of one column a layer.
    level : float

    Returns
    -------
    list of int
        Positions, the best one among them.
    """
    best = int(points.argmax())
    values = resampled.values
    centred = values[:, :, None] - values[:, None, :] - (points[:, None] - points[None, :])
    with np.errstate(invalid="ignore", divide="ignore"):
        largest = np.nan_to_num(np.abs(centred) / centred.std(axis=0)).max(axis=(1, 2))
    # Resamples of few units have short tails: one more unit's worth of spread.
    wider = float(np.sqrt(1 + 1 / resampled.degrees))
    critical = _students(wider * float(np.quantile(largest, level)), resampled.degrees)
    gaps = _studentised(points[best] - points, resampled[:, [best] * len(points)] - resampled)
    return [layer for layer in range(len(points)) if gaps[layer] <= critical]


def neighbours(points: FloatArray, resampled: Resampled, pairs: Sequence[tuple[int, int]]) -> list[float]:
    """Return Holm-adjusted two-sided p values of paired differences between two layers each.

    Parameters
    ----------
    points : float64 array [layers]
    resampled : Resampled
        Of one column a layer.
    pairs : sequence of (int, int)
        Positions of two layers.
    """
    if not pairs:
        return []
    low, high = (list(side) for side in zip(*pairs, strict=True))
    gains = _studentised(points[high] - points[low], resampled[:, high] - resampled[:, low])
    # Gains that agree in every unit have no error; no more can be said of them than a test of signs says.
    surest = 2.0 ** (1 - resampled.n_units)
    p_values = [surest if np.isinf(gain) else float(2 * stdtr(resampled.degrees, -abs(gain))) for gain in gains]
    return holm(p_values)


def holm(p_values: list[float]) -> list[float]:
    """Adjust p values for their number [Holm 1979]."""
    order = np.argsort(p_values, kind="stable")
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = running
    return adjusted


def _studentised(differences: FloatArray, resampled: Resampled) -> FloatArray:
    """Divide differences by their errors; those without an error are 0, or infinite where they are not 0."""
    error = resampled.error()
    with np.errstate(invalid="ignore", divide="ignore"):
        certain = np.where(differences == 0, 0, np.sign(differences) * np.inf)
        return np.where(error > 1e-12, differences / error, np.where(np.abs(differences) < 1e-12, 0, certain))


def _students(z: float, degrees: float) -> float:
    """Return Student's quantile where the normal one is z."""
    return float(-stdtrit(degrees, ndtr(-z)))
