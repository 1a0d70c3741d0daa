"""Scores of predicted numbers, with their resamples.

Enters: numbers and guesses. Leaves: R2, Pearson's and Spearman's correlation. Surprise: each is computed from sums that
add up within units, so that a resample of units is a product with their counts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from probekit.statistics.bootstrap import Bootstrap, FloatArray, Score

METRICS = ("r2", "pearson", "spearman")
"""The main one first."""


class NumberScorer:
    """Scores predicted numbers of some rows; correlations and R2 from sums that add up within units.

    Parameters
    ----------
    y : float64 array [n]
    bootstrap : Bootstrap
        Of the units of the rows.
    """

    def __init__(self, y: FloatArray, bootstrap: Bootstrap) -> None:
        self.y, self.bootstrap = y, bootstrap
        self.ranks = rankdata(y)

    def scores(self, guess: FloatArray) -> list[Score]:
        """Return R2, Pearson's and Spearman's correlation with their resamples; ranks are those of all rows."""
        # Deviations from the means of all rows keep the sums of squares from cancelling.
        pairs = [(self.y, guess), (self.ranks, rankdata(guess))]
        pearson, spearman = (self._score(_correlation, a - a.mean(), b - b.mean()) for a, b in pairs)
        return [self.r2(guess), pearson, spearman]

    def r2(self, guess: FloatArray, mask: NDArray[np.bool_] | None = None) -> Score:
        """Return R2 alone, of some rows where a mask says which: of how these differ from each other."""
        return self._score(r2_of, self.y - self.y.mean(), guess - self.y.mean(), mask)

    def _score(
        self,
        value: Callable[[FloatArray], FloatArray],
        a: FloatArray,
        b: FloatArray,
        mask: NDArray[np.bool_] | None = None,
    ) -> Score:
        table = np.stack([np.ones_like(a), a, b, a * a, b * b, a * b, (a - b) ** 2], axis=1)
        sums = self.bootstrap.sums(table if mask is None else table * mask[:, None])
        sizes = None if mask is None else sums[:, 0]
        return float(value(sums.sum(axis=0, keepdims=True))[0]), self.bootstrap.scores(value, sums, sizes=sizes)


def r2_of(sums: FloatArray) -> FloatArray:
    n, a, _, aa, _, _, error = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - error / (aa - a * a / n))


def _correlation(sums: FloatArray) -> FloatArray:
    n, a, b, aa, bb, ab, _ = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((ab - a * b / n) / np.sqrt((aa - a * a / n) * (bb - b * b / n)))
