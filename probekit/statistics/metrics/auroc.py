"""Area under the ROC curve: how often what is of a class is given a higher probability of it than what is not.

Ties count half. Of more than two classes it is the mean over the classes, each against the rest.
"""

from __future__ import annotations

import numpy as np

from probekit.statistics.metrics import FloatArray
from probekit.statistics.metrics._ordered import ordered


def curve(found: FloatArray, alarms: FloatArray) -> FloatArray:
    """Add up trapezia between thresholds, [k]; NaN without positives or negatives."""
    before = np.pad(found[:, :-1], ((0, 0), (1, 0)))
    area = (np.diff(alarms, axis=1, prepend=0) * (found + before) / 2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(area / (found[:, -1] * alarms[:, -1]))


METRIC = ordered("auroc", curve, "Area under the ROC curve; of several classes their mean, each against the rest.")
