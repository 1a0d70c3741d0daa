"""Scores of items with intervals that resample templates, and which of an item's sentences a score prefers.

Enters: items with a score for each of their sentences, higher for the one preferred. Leaves: shares, gaps and means
with their intervals. Surprise: items of one template are alike, so that hundreds of items of four templates have no
interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from probekit.behaviour.items import Item
from probekit.errors import NumericError, UsageError
from probekit.statistics.bootstrap import SHARE, Bootstrap, FloatArray, interval

Scores = Sequence[ArrayLike]
"""Of each item one number a sentence."""


def checked(items: Sequence[Item], scores: Scores) -> list[FloatArray]:
    """Return the scores of items as arrays.

    Raises
    ------
    UsageError
        Not one list of scores an item, or not one score a sentence.
    NumericError
        A score that is not a number; minus infinity is one.
    """
    if len(items) != len(scores):
        raise UsageError(f"The `scores` must have an entry an item. Got {len(scores)} for {len(items)} items.")
    found = [np.asarray(its, np.float64) for its in scores]
    for item, its in zip(items, found, strict=True):
        if its.shape != (len(item.sentences),):
            raise UsageError(
                f"The `scores` of item '{item.id}' must be {len(item.sentences)} numbers, one a sentence. Got shape "
                f"{its.shape}."
            )
        if np.isnan(its).any():
            raise NumericError(f"A score of item '{item.id}' is not a number. Leave it out, for all methods alike.")
    return found


def preferences(items: Sequence[Item], scores: Scores) -> FloatArray:
    """Return for each item whether its right sentence scores highest: 1, 0, or its part of a tie, [items]."""
    found = zip(items, checked(items, scores), strict=True)
    return np.array([credit_of(its, item.right) for item, its in found], np.float64)


def margins(items: Sequence[Item], scores: Scores) -> FloatArray:
    """Return the score of each item's right sentence less that of the best other one, [items]."""
    found = zip(items, checked(items, scores), strict=True)
    return np.array([margin_of(its, item.right) for item, its in found], np.float64)


def credit_of(scores: FloatArray, right: int) -> float:
    """Return 1 where the right sentence scores highest, its part where it ties with others, else 0."""
    best = scores == scores.max()
    return float(best[right] / best.sum())


def margin_of(scores: FloatArray, right: int) -> float:
    """Return by how much the right sentence scores higher than the best other one."""
    best = np.delete(scores, right).max()
    return 0.0 if scores[right] == best else float(scores[right] - best)


def with_interval(
    table: FloatArray,
    value: Callable[[FloatArray], FloatArray],
    units: NDArray[np.int64],
    *,
    bounds: tuple[float, float] = SHARE,
) -> tuple[float, tuple[float, float] | None]:
    """Return a score of added columns and its interval over units.

    Parameters
    ----------
    table : float64 array [n, m]
        What is added up over rows.
    value : callable
        Turns added columns [k, m] into scores [k].
    units : int64 array [n]
        What is resampled.
    bounds : (float, float)
        The least and the most that the score can be.
    """
    if not len(table):
        return float("nan"), None
    bootstrap = Bootstrap.draw(units)
    sums = bootstrap.sums(table)
    with np.errstate(invalid="ignore", divide="ignore"):
        point = float(value(sums.sum(axis=0, keepdims=True))[0])
    return point, interval(point, bootstrap.scores(value, sums), bounds=bounds)


def mean_of(added: FloatArray) -> FloatArray:
    """Return the first column over the second: a sum over its number."""
    return np.asarray(added[:, 0] / added[:, 1])


def counted(values: ArrayLike) -> FloatArray:
    """Return what :func:`mean_of` reads of single values: [n, 2]."""
    values = np.asarray(values, np.float64)
    return np.stack([values, np.ones_like(values)], axis=1)
