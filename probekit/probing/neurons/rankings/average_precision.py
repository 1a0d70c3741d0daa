"""Average precision of a neuron as a detector of a label, at every threshold.

A neuron may be high or low where the label is; the better is taken. What chance gives, the share of the label, is taken
off as for ``iou``.
"""

from __future__ import annotations

import numpy as np

from probekit.probing.neurons.rankings import Evidence, Ranked, Ranking, above_chance
from probekit.statistics.ranking import average_precision


def rank(evidence: Evidence) -> Ranked:
    """Rank neurons by their best average precision for a label, chance taken off."""
    X, Y = np.asarray(evidence.X), evidence.indicators.astype(bool)
    by_class = above_chance(np.maximum(average_precision(X, Y), average_precision(-X, Y)), Y.mean(axis=0))
    return Ranked.of(by_class.max(axis=0), by_class)


RANKING = Ranking(
    "average-precision",
    rank,
    "Average precision as a detector of a label.",
    "Mu & Andreas 2020, https://arxiv.org/abs/2006.14032",
)
