"""F1 averaged over the classes that occur among the labels or the predictions.

Surprise: labels that training never showed are one more class together, with F1 0.
"""

from __future__ import annotations

import numpy as np

from probekit.statistics.metrics import FloatArray, Metric, Scored, f1


def count(scored: Scored) -> FloatArray:
    """Count hits, predictions and labels of every class by unit, [n_units, 3 (classes + 1)]."""
    width = len(scored.classes) + 1
    gold = np.where(scored.gold < 0, width - 1, scored.gold)
    every = np.ones(len(gold), bool)
    hits = scored.tally(gold, scored.codes == gold, width)
    return np.hstack([hits, scored.tally(scored.codes, every, width), scored.tally(gold, every, width)])


def value(counts: FloatArray) -> FloatArray:
    """Return the mean of the F1 of the classes that occur."""
    hits, predicted, gold = np.split(counts, 3, axis=1)
    present = (predicted + gold > 0).sum(axis=1)
    return np.asarray(f1(hits, predicted, gold).sum(axis=1) / np.maximum(present, 1))


METRIC = Metric("macro_f1", count, value, "F1 averaged over classes.")
