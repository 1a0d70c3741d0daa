"""Share of rows whose prediction is the label."""

from __future__ import annotations

import numpy as np

from probekit.statistics.metrics import FloatArray, Metric, Scored


def count(scored: Scored) -> FloatArray:
    """Count hits and rows by unit, [n_units, 2]."""
    column = np.zeros(len(scored.gold), np.int64)
    every = np.ones(len(scored.gold), bool)
    return np.hstack([scored.tally(column, scored.codes == scored.gold, 1), scored.tally(column, every, 1)])


def value(counts: FloatArray) -> FloatArray:
    """Return hits over rows; NaN where a resample holds no row."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(counts[:, 0] / counts[:, 1])


METRIC = Metric("accuracy", count, value, "Share of targets that are right.")
