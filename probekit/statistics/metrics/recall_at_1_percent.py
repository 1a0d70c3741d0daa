"""Recall at one false positive in a hundred negatives: what a monitor finds that may hardly ever be wrong.

Surprise: with fewer than a hundred negatives 1 % of them is less than one, so it is the recall before the first false
positive; the report says so. Its threshold hangs on one negative or none, so that intervals of few rows are too narrow:
of normal scores those of 95 % held the recall of the whole population in 76 to 86 % (60 and 200 rows).
"""

from __future__ import annotations

import numpy as np

from probekit.statistics.metrics import FloatArray
from probekit.statistics.metrics._ordered import ordered

RATE = 0.01
FEWEST = 100
"""Negatives of which one is no more than 1 %."""


def curve(found: FloatArray, alarms: FloatArray) -> FloatArray:
    """Return the recall at the lowest threshold that no more than 1 % of the negatives reach, [k]."""
    # What is added up in floats may be a hair above the whole number that it is.
    allowed = alarms <= RATE * alarms[:, -1:] * (1 + 1e-9)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(allowed, found, 0.0).max(axis=1) / found[:, -1]
    return np.asarray(np.where(alarms[:, -1] > 0, recall, np.nan))


METRIC = ordered(
    "recall_at_1_percent",
    curve,
    "Recall at 1 % false positives; of several classes their mean, each against the rest.",
    fewest=FEWEST,
)
