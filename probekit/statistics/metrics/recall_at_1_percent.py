"""Recall at one false positive in a hundred negatives: what a monitor finds that may hardly ever be wrong.

Surprise: with fewer than a hundred negatives 1 % of them is less than one, so it is the recall before the first false
positive. Its threshold hangs on one negative or two, so that intervals are too narrow: of normal scores (means 2 and 3
deviations apart) those of 95 % held the recall of the whole population in 83 to 86 % with 50 negatives, in 85 to 90 %
with 100, in 97 % and more from 300 on. The report says both.
"""

from __future__ import annotations

import numpy as np

from probekit.statistics.metrics import FloatArray
from probekit.statistics.metrics._ordered import ordered

RATE = 0.01
FEWEST = 100
"""Negatives of which one is no more than 1 %."""
STEADY = 300
"""Negatives from which on an interval holds what it says."""


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
    steady=STEADY,
)
