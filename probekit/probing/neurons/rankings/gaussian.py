r"""A Gaussian for each label, and the neurons that make the labels likeliest, one after the other [1]_.

Greedy: the next neuron is the one with which :math:`\sum_i \log p(y_i | x_i)` over training rows is highest, where
:math:`p(x | y)` is a Gaussian over the neurons taken so far and :math:`p(y)` the label's share. Covariances are shrunk
towards the identity by :data:`PRIOR` rows, as a conjugate prior does; the paper's own prior has other constants. The
search ends after :data:`MOST` neurons; the others follow by what each would add next. Of more than :data:`ROWS` rows
evenly spaced ones are used.

References
----------
.. [1] Torroba Hennigen, Williams & Cotterell 2020, Intrinsic probing through dimension selection,
       https://arxiv.org/abs/2010.02812
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from probekit.probing.neurons.rankings import Evidence, FloatArray, Ranked, Ranking

MOST, ROWS, PRIOR = 16, 2000, 10.0
BLOCK = 128
"""Rows whose likelihoods under every label and with every neuron are in memory together."""


class Gaussians:
    """The Gaussians of the labels over neurons taken so far.

    Parameters
    ----------
    X : float64 array [n, d]
    y : int array [n]
    n_classes : int
    """

    def __init__(self, X: FloatArray, y: NDArray[np.integer], n_classes: int) -> None:
        self.X, self.y = X, y
        self.members = [np.flatnonzero(y == code) for code in range(n_classes)]
        self.means = np.stack([X[rows].mean(axis=0) for rows in self.members])
        self.taken: list[int] = []
        self.joint = np.log([len(rows) / len(y) for rows in self.members])[None].repeat(len(y), 0)  # [n, classes]

    def gains(self) -> tuple[FloatArray, FloatArray]:
        """Return the log-likelihood of the labels with each further neuron, of all rows [d] and by label [classes, d].

        By label it is the mean log-probability of the label where it is the true one.
        """
        lines = [self._line(code) for code in range(len(self.members))]
        total = np.zeros((len(self.members), self.X.shape[1]))
        for start in range(0, len(self.X), BLOCK):
            rows = slice(start, start + BLOCK)
            # [classes, rows, d]: under each label, with each neuron beside those taken.
            with_each = np.stack([self._joint_with(code, rows, line) for code, line in enumerate(lines)])
            evidence = logsumexp(with_each, axis=0)
            for code in range(len(self.members)):
                here = self.y[rows] == code
                total[code] += (with_each[code][here] - evidence[here]).sum(axis=0)
        sizes = np.array([len(rows) for rows in self.members], np.float64)
        return total.sum(axis=0), total / sizes[:, None]

    def take(self, neuron: int) -> None:
        """Add a neuron."""
        for code in range(len(self.members)):
            slopes, variances = self._line(code)
            self.joint[:, code] += self._log_density(code, slice(None), (slopes, variances))[:, neuron]
        self.taken.append(neuron)

    def _line(self, code: int) -> tuple[FloatArray, FloatArray]:
        """Return how each neuron follows from those taken under a label: slopes [taken, d] and what is left [d]."""
        centred = self.X[self.members[code]] - self.means[code]
        scale = len(centred) + PRIOR
        variances = ((centred**2).sum(axis=0) + PRIOR) / scale
        across = centred[:, self.taken].T @ centred / scale  # [taken, d]
        for place, neuron in enumerate(self.taken):
            across[place, neuron] += PRIOR / scale
        slopes = np.linalg.solve(across[:, self.taken], across) if self.taken else across
        # A neuron that is taken follows from itself and has nothing left; it is passed over by who asks.
        return slopes, np.maximum(variances - (across * slopes).sum(axis=0), 1e-9)

    def _log_density(self, code: int, rows: slice, line: tuple[FloatArray, FloatArray]) -> FloatArray:
        slopes, variances = line
        centred = self.X[rows] - self.means[code]
        apart = centred - centred[:, self.taken] @ slopes
        return np.asarray(-0.5 * (apart**2 / variances + np.log(2 * np.pi * variances)))

    def _joint_with(self, code: int, rows: slice, line: tuple[FloatArray, FloatArray]) -> FloatArray:
        return np.asarray(self.joint[rows, code][:, None] + self._log_density(code, rows, line))


def rank(evidence: Evidence) -> Ranked:
    """Rank neurons by greedy choice.

    Returns
    -------
    Ranked
        Scores count down from d; by label they are the mean log-probability of the label with each neuron alone.
    """
    rows = np.unique(np.linspace(0, len(evidence.y) - 1, min(ROWS, len(evidence.y))).astype(np.int64))
    # Of a label that the chosen rows lack the first row is put in: every label has its Gaussian.
    first = [int(np.flatnonzero(evidence.y == code)[0]) for code in range(evidence.n_classes)]
    rows = np.union1d(rows, first)
    found = Gaussians(np.asarray(evidence.X[rows], np.float64), np.asarray(evidence.y)[rows], evidence.n_classes)
    total, by_class = found.gains()
    d = len(total)
    while len(found.taken) < min(MOST, d):
        total[found.taken] = -np.inf
        found.take(int(np.argmax(total)))
        total, _ = found.gains()
    total[found.taken] = np.inf
    others = [neuron for neuron in np.argsort(-total, kind="stable") if neuron not in found.taken]
    order = np.array([*found.taken, *others], np.int64)
    scores = np.empty(d)
    scores[order] = np.arange(d, 0, -1)
    return Ranked(order, scores, by_class)


RANKING = Ranking(
    "gaussian",
    rank,
    "Greedy choice under a Gaussian of each label.",
    "Torroba Hennigen et al. 2020, https://arxiv.org/abs/2010.02812",
)
