"""H-score: how far apart the classes' means are, measured by the spread of all vectors.

Enters: each layer's training vectors. Leaves: a row a layer, between 0 and one less than the number of classes;
greater is better [1]_. The covariance is shrunk, since of few rows in many dimensions it cannot be inverted [2]_.

References
----------
.. [1] Bao et al. 2019, An information-theoretic approach to transferability in task transfer learning.
.. [2] Ibrahim, Ponomareva & Mazumder 2022, Newer is not always better: rethinking transferability metrics, their
       peculiarities, stability and performance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from probekit.probing.analyses import Analysis, Context
from probekit.probing.analyses._scoring import layer_rows
from probekit.probing.analyses._spectrum import one_hot, spectrum_of
from probekit.probing.estimators import LayerMatrix
from probekit.probing.problem import BLOCK, Result
from probekit.report import Measurement

METHOD = METRIC = "h_score"


class HScores:
    """Takes each layer apart as its matrix passes by [1]_.

    References
    ----------
    .. [1] Bao et al. 2019, An information-theoretic approach to transferability in task transfer learning.
    """

    def __init__(self, context: Context) -> None:
        self.y, self.study = context.question.problems[0].y_train, context.study
        self.found: dict[int | str, float] = {}

    def see(self, matrix: LayerMatrix, results: Sequence[Result]) -> None:
        """Take a layer."""
        self.found[matrix.layer] = h_score(matrix.train, self.y)

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield the H-score of every layer."""
        yield from layer_rows(blank, self.study, self.found, method=METHOD, metric=METRIC)

    def notes(self) -> list[str]:
        """Say in one sentence where the classes are furthest apart."""
        best = max(self.found, key=lambda layer: self.found[layer])
        return [f"H-score of {len(self.y):,} training targets: layer {best} has the greatest, {self.found[best]:.3f}."]


def h_score(X: NDArray[np.float32], y: NDArray[np.int32]) -> float:
    r"""Return the H-score of vectors with labels, under the shrunk covariance.

    .. math:: (1 - a) \operatorname{tr}(S_a^{-1} S_y), \quad S_a = (1 - a) S + a \operatorname{tr}(S) I / d

    with :math:`S` the covariance of the vectors, :math:`S_y` that of the means of their classes and :math:`a` the
    shrinkage of Ledoit and Wolf [1]_.

    Parameters
    ----------
    X : float32 array [n, d]
    y : int array [n]
        A class that no row has does not count.

    References
    ----------
    .. [1] Ibrahim, Ponomareva & Mazumder 2022, Newer is not always better: rethinking transferability metrics.
    """
    n, d = X.shape
    Y = one_hot(y)
    values, along = spectrum_of(X, Y, centred=True)
    if not len(values):  # all vectors are one
        return 0.0
    variances = values / n
    shrunk = shrinkage(X, variances)
    # Along direction i the mean of class k is sqrt(s_i) (U^T 1_k)_i / n_k.
    between = values * (along**2 / Y.sum(axis=0)).sum(axis=1) / n
    return float((1 - shrunk) * (between / ((1 - shrunk) * variances + shrunk * variances.sum() / d)).sum())


def shrinkage(X: NDArray[np.float32], variances: NDArray[np.float64]) -> float:
    """Return how far the covariance is shrunk towards a multiple of the identity [1]_.

    Parameters
    ----------
    X : float32 array [n, d]
        Read in blocks, as no copy of all rows in float64 is needed.
    variances : float64 array [r]
        Those along the directions in which they vary.

    References
    ----------
    .. [1] Ledoit & Wolf 2004, A well-conditioned estimator for large-dimensional covariance matrices.
    """
    n, d = X.shape
    mean = X.mean(axis=0, dtype=np.float64)
    blocks = (X[start : start + BLOCK] - mean for start in range(0, n, BLOCK))
    fourth = sum(float((np.einsum("ij,ij->i", block, block) ** 2).sum()) for block in blocks)
    squares = float((variances**2).sum())
    apart = squares - float(variances.sum()) ** 2 / d
    noise = min((fourth / n - squares) / n, apart)
    return noise / apart if apart > 0 else 0.0


ANALYSIS = Analysis(
    "h-score",
    HScores,
    "Spread of the classes' means as a share of the spread of all vectors.",
    needs=("vectors",),
)
