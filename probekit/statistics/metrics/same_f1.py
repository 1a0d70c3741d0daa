"""F1 of pairs that are the same, :data:`SAME`: the official score of GAP over all rows [Webster et al. 2018].

Both names of a row are decisions of their own, each right or wrong, as the data's scorer counts them. Accuracy is kind
to a probe that never says so, since most names are not meant; this is not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probekit.statistics.metrics import FloatArray, Metric, Scored, f1

SAME = "same"


def count(scored: Scored) -> FloatArray:
    """Count hits, predictions and labels of pairs that are the same by unit, [n_units, 3]."""
    gold = np.array([label == SAME for label in scored.labels], bool)
    predicted = np.array([name == SAME for name in scored.classes], bool)[scored.codes]
    one = np.zeros(len(gold), np.int64)
    return np.hstack([scored.tally(one, rows, 1) for rows in (gold & predicted, predicted, gold)])


def value(counts: FloatArray) -> FloatArray:
    """Return the F1."""
    return f1(counts[:, 0], counts[:, 1], counts[:, 2])


def misfit(classes: Sequence[str]) -> str:
    """Say that no label is :data:`SAME`."""
    return "" if SAME in classes else f"none is '{SAME}'"


METRIC = Metric("same_f1", count, value, "F1 of pairs that are the same (GAP).", misfit=misfit, sample=("other", SAME))
