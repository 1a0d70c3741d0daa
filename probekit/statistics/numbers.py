"""Scores of predicted numbers, with their resamples.

Enters: numbers and guesses. Leaves: R2, Pearson's and Spearman's correlation. Surprise: each is computed from sums that
add up within units, so that a resample of units is a product with their counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from probekit.statistics.bootstrap import Bootstrap, FloatArray, Score

METRICS = ("r2", "pearson", "spearman")


class NumberScorer:
    """Scores predicted numbers of one split; correlations and R2 from sums that add up within units."""

    def __init__(self, y: FloatArray, units: NDArray[np.int64], *, resamples: int, seed: int) -> None:
        self.y, self.n_units = y, int(units.max()) + 1
        self.ranks = rankdata(y)
        self.bootstrap = Bootstrap.draw(units, resamples=resamples, seed=seed)

    def scores(self, guess: FloatArray) -> list[Score]:
        """Return R2, Pearson's and Spearman's correlation with their resamples; ranks are those of all rows."""
        tables = [(self.y, guess), (self.y, guess), (self.ranks, rankdata(guess))]
        out = []
        for metric, (a, b) in zip(METRICS, tables, strict=True):
            # Deviations from the means of all rows keep the sums of squares from cancelling.
            a, b = a - self.y.mean() if metric == "r2" else a - a.mean(), b - (self.y if metric == "r2" else b).mean()
            sums = self.bootstrap.sums(np.stack([np.ones_like(a), a, b, a * a, b * b, a * b, (a - b) ** 2], axis=1))
            value = r2_of if metric == "r2" else _correlation
            whole = value(sums.sum(axis=0, keepdims=True))
            out.append((float(whole[0]), self.bootstrap.scores(value, sums)))
        return out


def r2_of(sums: FloatArray) -> FloatArray:
    n, a, _, aa, _, _, error = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - error / (aa - a * a / n))


def _correlation(sums: FloatArray) -> FloatArray:
    n, a, b, aa, bb, ab, _ = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((ab - a * b / n) / np.sqrt((aa - a * a / n) * (bb - b * b / n)))
