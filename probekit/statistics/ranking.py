"""Scores of an order: average precision, and how far two orders agree.

Enters: activations with what is to be found, or two rankings. Leaves: average precision of every column at once, and
under weights of rows, so that resamples of units are one product; Kendall's tau and the overlap of tops. Surprise: rows
that are equal are one threshold, as in scikit-learn; what chance gives for an overlap is exact, hypergeometric.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom, kendalltau

from probekit.statistics.bootstrap import Bootstrap, FloatArray, Resampled, Score

CELLS = 2_000_000
"""Rows times resamples that are scored at a time."""


def average_precision(X: NDArray[np.floating], positive: NDArray[np.bool_]) -> FloatArray:
    r"""Return the average precision of each column of X for each column of `positive`, [labels, d].

    .. math:: \sum_k (R_k - R_{k-1}) P_k

    over the thresholds between different values, from the highest, with recall R and precision P; NaN for what no row
    is.

    Parameters
    ----------
    X : float array [n, d]
    positive : bool array [n, labels]
    """
    found = np.empty((positive.shape[1], X.shape[1]))
    for column in range(X.shape[1]):
        order, ends = _thresholds(X[:, column])
        hits = np.cumsum(positive[order], axis=0, dtype=np.float64)[ends]  # [thresholds, labels]
        gained = np.diff(hits, axis=0, prepend=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            found[:, column] = (gained * hits / (ends + 1)[:, None]).sum(axis=0) / hits[-1]
    return found


Curve = Callable[[FloatArray, FloatArray], FloatArray]
"""A score of rows in order: ``curve(found, alarms)`` takes the weight of positives and of negatives at or above each
threshold, both [k, thresholds], from the highest on, and gives scores [k]."""


def precision_curve(found: FloatArray, alarms: FloatArray) -> FloatArray:
    """Return the average precision, as :func:`average_precision` has it; NaN without positives."""
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.nan_to_num(found / (found + alarms))
        return np.asarray((np.diff(found, axis=1, prepend=0) * precision).sum(axis=1) / found[:, -1])


def average_precision_of(scores: NDArray[np.floating], positive: NDArray[np.bool_], bootstrap: Bootstrap) -> Score:
    """Return the average precision of one column, with its resamples; see :func:`ranked`."""
    return ranked(scores, positive, bootstrap, precision_curve)


def ranked(scores: NDArray[np.floating], positive: NDArray[np.bool_], bootstrap: Bootstrap, curve: Curve) -> Score:
    """Return a score of the order of rows, with its resamples: rows are sorted once, whatever they weigh.

    Parameters
    ----------
    scores : float array [n]
    positive : bool array [n]
    bootstrap : Bootstrap
        Of the units of the rows.
    curve : callable
        See :data:`Curve`.
    """
    order, ends = _thresholds(scores)
    hits, units = positive[order], bootstrap.units[order]
    n_units = bootstrap.weights.shape[1]
    block = max(1, CELLS // max(1, len(order)))

    def value(weights: FloatArray) -> FloatArray:
        """Score weights of units, [k, units] to [k]."""
        rows = weights[:, units]
        found = np.cumsum(rows * hits, axis=1)
        alarms = np.cumsum(rows, axis=1) - found
        return curve(found[:, ends], alarms[:, ends])

    def without(units: range) -> FloatArray:
        """Weigh all units but one, a row each."""
        weights = np.ones((len(units), n_units))
        weights[np.arange(len(units)), units] = 0
        return weights

    drawn = [value(bootstrap.weights[at : at + block]) for at in range(0, len(bootstrap.weights), block)]
    left_out = [value(without(range(at, min(at + block, n_units)))) for at in range(0, n_units, block)]
    whole = float(value(np.ones((1, n_units)))[0])
    return whole, Resampled(np.concatenate(drawn), np.concatenate(left_out), bootstrap.sizes)


def _thresholds(scores: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows from the highest on, and the place of the last row of each value."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    return order, np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two rankings of the same things agree.

    Attributes
    ----------
    tau : float or None
        Kendall's tau-b of the scores; 0 is what chance gives. None: one gives all of them the same score.
    overlap : float
        Share of the first `top` of one that is among those of the other.
    chance : float
        What chance gives for it.
    p : float
        Probability that chance gives as much or more.
    top : int
    """

    tau: float | None
    overlap: float
    chance: float
    p: float
    top: int


def agreement(
    first: tuple[FloatArray, NDArray[np.int64]], second: tuple[FloatArray, NDArray[np.int64]], *, top: int
) -> Agreement:
    """Compare two rankings, each of scores [d] and an order [d]."""
    d = len(first[1])
    both = len(np.intersect1d(first[1][:top], second[1][:top]))
    tau = float(kendalltau(first[0], second[0]).statistic)
    return Agreement(
        tau if np.isfinite(tau) else None, both / top, top / d, float(hypergeom.sf(both - 1, d, top, top)), top
    )
