"""Mean negative log-probability of the label, in nats [1]_; less is better.

Surprise: a label that training never showed has no probability that could be scored, so its rows are left out.

References
----------
.. [1] Good 1952, Rational decisions.
"""

from __future__ import annotations

import numpy as np

from probekit.statistics.metrics import FloatArray, Metric, Scored

LEAST = 1e-12
"""A probability below this counts as this: one row of probability 0 would else be all there is to see."""


def count(scored: Scored) -> FloatArray:
    """Add up log-probabilities with the other sign, and rows, by unit, [n_units, 2]."""
    shown = scored.gold >= 0
    given = scored.probabilities[shown, scored.gold[shown]]
    weights = (-np.log(np.maximum(given, LEAST)), np.ones(len(given)))
    return np.stack([np.bincount(scored.units[shown], one, minlength=scored.n_units) for one in weights], axis=1)


def value(counts: FloatArray) -> FloatArray:
    """Return the mean; NaN where a resample holds no row."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(counts[:, 0] / counts[:, 1])


METRIC = Metric(
    "nll",
    count,
    value,
    "Mean negative log-probability of the label, in nats; less is better.",
    bounds=(0.0, np.inf),
    proba=True,
)
