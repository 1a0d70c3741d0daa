r"""The weights of least loss: of labels the negative log-probability, of numbers the squared error.

Both are convex in the weights, so there is one least value. Of labels it is found by expectation maximisation [1]_,

.. math:: w_m \leftarrow \frac1n \sum_i \frac{w_m p_{mi}}{\sum_k w_k p_{ki}}

with :math:`p_{mi}` the probability that member m gives the label of row i; each round has a lower loss than the one
before it.

References
----------
.. [1] Jelinek & Mercer 1980, Interpolated estimation of Markov source parameters from sparse data.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from probekit.tuning.weighting import Choosing, FloatArray, Weighting

ROUNDS = 2000
STILL = 1e-9
"""Weights that move by no more have arrived."""
NOTHING = 1e-4
"""A member that counts less is left out: it costs as much to run as any other."""


def weigh(choosing: Choosing) -> FloatArray:
    """Return the weights."""
    return _of_labels(choosing) if choosing.targets == "labels" else _of_numbers(choosing)


def _of_labels(choosing: Choosing) -> FloatArray:
    shown = np.flatnonzero(choosing.gold >= 0)
    log_p = choosing.said[:, shown, choosing.gold[shown]]  # [m, n]
    p = np.exp(log_p - log_p.max(axis=0))  # a factor a row changes no share
    weights = np.full(len(p), 1 / len(p))
    for _ in range(ROUNDS):
        shares = weights[:, None] * p
        after = (shares / shares.sum(axis=0)).mean(axis=1)
        moved, weights = float(np.abs(after - weights).max()), after
        if moved <= STILL:
            break
    kept = np.where(weights < NOTHING, 0.0, weights)
    return np.asarray(kept / kept.sum())


def _of_numbers(choosing: Choosing) -> FloatArray:
    spread = float(choosing.gold.std()) or 1.0
    Y, y = choosing.said[:, :, 0].T / spread, choosing.gold / spread  # [n, m], [n]
    m = Y.shape[1]
    found = minimize(
        lambda w: ((Y @ w - y) ** 2).mean() / 2,
        np.full(m, 1 / m),
        jac=lambda w: Y.T @ (Y @ w - y) / len(y),
        bounds=[(0, 1)] * m,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(m)},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    weights = np.clip(found.x, 0, 1)
    return np.asarray(weights / weights.sum())


WEIGHTING = Weighting("loss", weigh, "the mixture of least loss (Jelinek & Mercer 1980)")
