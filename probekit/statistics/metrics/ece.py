"""Expected calibration error [1]_: how far the confidence in what is predicted is from how often it is right.

Rows are put into fifteen bins of equal width by the probability of the class that is predicted; the difference between
mean confidence and accuracy of each bin is weighed by its rows. Less is better. Surprise: what varies by chance counts
as an error too, so that few rows look worse calibrated than they are, and resamples worse than all rows.

References
----------
.. [1] Guo, Pleiss, Sun & Weinberger 2017, On calibration of modern neural networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from probekit.statistics.metrics import FloatArray, Metric, Scored

BINS = 15


def count(scored: Scored) -> FloatArray:
    """Add up hits less confidence, and rows, by unit and bin, [n_units, 2 bins]."""
    proba = scored.probabilities
    confidence = proba.max(axis=1)
    # A bin ends with its upper edge, as in the paper.
    place = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    cells, size = scored.units * BINS + place, scored.n_units * BINS
    off = (proba.argmax(axis=1) == scored.gold) - confidence
    return np.hstack(
        [
            np.bincount(cells, weights, minlength=size).reshape(scored.n_units, BINS)
            for weights in (off, np.ones_like(off))
        ]
    )


def value(counts: FloatArray) -> FloatArray:
    """Return the error; NaN where a resample holds no row."""
    off, rows = np.split(counts, 2, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.abs(off).sum(axis=1) / rows.sum(axis=1))


def remark(classes: Sequence[str], gold: Mapping[str, NDArray[np.int32]]) -> str:
    """Say which way it is read."""
    return f"ece: less is better ({BINS} bins of the confidence in what is predicted)."


METRIC = Metric(
    "ece",
    count,
    value,
    "Expected calibration error; less is better.",
    proba=True,
    remark=remark,
)
