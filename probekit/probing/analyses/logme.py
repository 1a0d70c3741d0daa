"""LogME: how likely the training targets are given the vectors, all linear maps averaged over.

Enters: each layer's training vectors. Leaves: a row a layer, nats a target; greater is better. Nothing is held out and
nothing is fitted: the weights of the map are integrated over [1]_.

References
----------
.. [1] You, Liu, Wang & Long 2021, LogME: practical assessment of pre-trained models for transfer learning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.probing.analyses import Analysis, Context
from probekit.probing.analyses._scoring import layer_rows
from probekit.probing.analyses._spectrum import FloatArray, Spectrum, one_hot, spectrum_of
from probekit.probing.estimators import LayerMatrix
from probekit.report import Measurement

METHOD, METRIC = "logme", "log_evidence"
DECADES, POINTS, ROUNDS = 12, 65, 4
"""How far from the mean squared singular value the ratio of precisions is looked for, in powers of ten either way; at
how many ratios; and how often again between the neighbours of the best."""
TINY = np.finfo(np.float64).tiny


class LogMEs:
    """Takes each layer apart as its matrix passes by [1]_.

    References
    ----------
    .. [1] You, Liu, Wang & Long 2021, LogME: practical assessment of pre-trained models for transfer learning.
    """

    def __init__(self, context: Context) -> None:
        y, self.study = context.question.problems[0].y_train, context.study
        numbers = context.question.kind == "numbers"
        self.Y = y.astype(np.float64)[:, None] if numbers else one_hot(y)
        self.found: dict[int | str, float] = {}

    def see(self, matrix: LayerMatrix, results: Sequence[Any]) -> None:
        """Take a layer."""
        self.found[matrix.layer] = logme(matrix.train, self.Y)

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield the evidence of every layer."""
        yield from layer_rows(blank, self.study, self.found, method=METHOD, metric=METRIC)

    def notes(self) -> list[str]:
        """Say in one sentence where the targets are likeliest."""
        best = max(self.found, key=lambda layer: self.found[layer])
        return [
            f"LogME of {len(self.Y):,} training targets: layer {best} has the greatest evidence, "
            f"{self.found[best]:.3f} nats a target."
        ]


def logme(X: NDArray[np.float32], Y: FloatArray) -> float:
    r"""Return the greatest log evidence of the targets, per target, the mean over their columns.

    With weights of precision :math:`\alpha` and noise of precision :math:`\beta` a column :math:`y` is Gaussian with
    covariance :math:`(I + X X^\top / t) / \beta` where :math:`t = \alpha / \beta`. The best :math:`\beta` of a
    :math:`t` is known, so that one number is left to be looked for; unlike the fixed point of [1]_ this ends wherever
    it starts, and also where the best weights are 0.

    Parameters
    ----------
    X : float32 array [n, d]
        As they are: not centred, and no column of ones.
    Y : float64 array [n, K]
        A column a class, 0 and 1, or one of numbers. A column of zeros (a class that no row has) does not count;
        where there is no other the evidence is NaN.

    References
    ----------
    .. [1] You, Liu, Wang & Long 2021, LogME: practical assessment of pre-trained models for transfer learning.
    """
    Y = Y[:, np.abs(Y).max(axis=0) > 0]
    if not Y.shape[1]:
        return float("nan")  # every number is 0
    spectrum = spectrum_of(X, Y)
    if not len(spectrum.values):  # every vector is 0
        spectrum = Spectrum(np.ones(1), np.zeros((1, Y.shape[1])))
    squares = (Y**2).sum(axis=0)
    scale = np.log(spectrum.values.mean())
    low = np.full(Y.shape[1], scale - DECADES * np.log(10))
    high = np.full(Y.shape[1], scale + DECADES * np.log(10))
    for _ in range(ROUNDS):
        grid = np.linspace(low, high, POINTS)  # [points, K]
        evidence = _evidence(grid, spectrum, squares, len(Y))
        best = evidence.argmax(axis=0)
        columns = np.arange(Y.shape[1])
        low, high = grid[np.maximum(best - 1, 0), columns], grid[np.minimum(best + 1, POINTS - 1), columns]
    return float(evidence.max(axis=0).mean()) / len(Y)


def _evidence(log_t: FloatArray, spectrum: Spectrum, squares: FloatArray, n: int) -> FloatArray:
    """Return the log evidence of each column at each ratio [points, K], at the best precision of the noise.

    log N(y; 0, (I + X X^T / t) / beta) = n/2 log(beta / 2 pi) - 1/2 sum log(1 + s / t) - beta/2 Q, with
    Q = sum z^2 t / (t + s) + what of y lies outside X; it is greatest at beta = n / Q.
    """
    along = spectrum.along**2  # [r, K]
    outside = np.maximum(squares - along.sum(axis=0), 0.0)
    found = np.empty_like(log_t)
    for point, row in enumerate(log_t):
        ratio = spectrum.values[:, None] / np.exp(row)  # s / t, [r, K]
        Q = np.maximum((along / (1 + ratio)).sum(axis=0) + outside, TINY)
        found[point] = n / 2 * (np.log(n / (2 * np.pi * Q)) - 1) - np.log1p(ratio).sum(axis=0) / 2
    return found


ANALYSIS = Analysis(
    "logme",
    LogMEs,
    "Evidence of the training targets under all linear maps.",
    targets=("labels", "numbers"),
    needs=("vectors",),
)
