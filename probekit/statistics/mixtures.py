"""Mixtures of predictions, and how sure one should be of them.

Enters: log-probabilities of several predictors for the same rows, weights, labels. Leaves: those of the mixture, its
loss, the temperature at which its loss is least. Surprise: a mixture averages probabilities, not their logarithms, so
that its loss is convex in the weights and has one least value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp

FloatArray = NDArray[np.float64]
COLDEST, HOTTEST = 0.05, 20.0
"""Between these a temperature is looked for."""


def mixture(log_probabilities: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the log-probabilities of a mixture [n, classes].

    Parameters
    ----------
    log_probabilities : float64 array [m, n, classes]
    weights : float64 array [m] or [m, n]
        0 or more, adding up to 1 over the m.
    """
    given = weights.reshape(len(weights), -1, 1)
    # A weight of 0 takes no part, whatever stands there.
    laid = np.where(given > 0, log_probabilities, 0.0)
    return np.asarray(logsumexp(laid, axis=0, b=np.broadcast_to(given, laid.shape)))


def tempered(log_probabilities: FloatArray, temperature: float) -> FloatArray:
    """Return log-probabilities divided by a temperature, normalised again [n, classes]; over 1 is less sure."""
    return np.asarray(log_softmax(log_probabilities / temperature, axis=1))


def log_loss(log_probabilities: FloatArray, gold: NDArray[np.integer]) -> float:
    """Return the mean negative log-probability of the labels, nats; rows of code -1 are left out."""
    shown = np.flatnonzero(gold >= 0)
    return -float(log_probabilities[shown, gold[shown]].mean())


def fit_temperature(log_probabilities: FloatArray, gold: NDArray[np.integer]) -> float:
    """Return the temperature at which the loss is least [1]_; it is convex in its inverse.

    Parameters
    ----------
    log_probabilities : float64 array [n, classes]
    gold : int array [n]
        Codes; rows of -1 are left out.

    References
    ----------
    .. [1] Guo, Pleiss, Sun & Weinberger 2017, On calibration of modern neural networks.
    """

    def loss(log_temperature: float) -> float:
        return log_loss(tempered(log_probabilities, float(np.exp(log_temperature))), gold)

    found = minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded", options={"xatol": 1e-5})
    return float(np.exp(found.x))
