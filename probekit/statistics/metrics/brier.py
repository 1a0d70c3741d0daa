"""The Brier score [1]_: squared distance of the probabilities from what is true; less is better.

Of two classes it is the square of what the probability of one is off, 0 to 1, as in scikit-learn; of more the sum over
all classes, 0 to 2. Surprise: a label that training never showed has probability 0 and no class to be right about.

References
----------
.. [1] Brier 1950, Verification of forecasts expressed in terms of probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from probekit.statistics.metrics import FloatArray, Metric, Scored


def count(scored: Scored) -> FloatArray:
    """Add up squares and rows by unit, [n_units, 2]."""
    proba = scored.probabilities
    true = scored.gold[:, None] == np.arange(proba.shape[1])
    squares = ((proba - true) ** 2).sum(axis=1) / (2 if proba.shape[1] == 2 else 1)
    return np.stack(
        [np.bincount(scored.units, weights, minlength=scored.n_units) for weights in (squares, np.ones_like(squares))],
        axis=1,
    )


def value(counts: FloatArray) -> FloatArray:
    """Return the mean square; NaN where a resample holds no row."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(counts[:, 0] / counts[:, 1])


def remark(classes: Sequence[str], gold: Mapping[str, NDArray[np.int32]]) -> str:
    """Say which way it is read."""
    scale = "0 to 1" if len(classes) == 2 else "0 to 2, all classes added"
    return f"brier: less is better ({scale})."


METRIC = Metric(
    "brier",
    count,
    value,
    "Squared error of the probabilities; less is better.",
    bounds=(0.0, 2.0),
    proba=True,
    remark=remark,
)
