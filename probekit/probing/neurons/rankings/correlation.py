"""Correlation of each neuron with each label: present or not.

A neuron is scored by the largest of its absolute correlations.
"""

from __future__ import annotations

import numpy as np

from probekit.probing.neurons.rankings import Evidence, Ranked, Ranking


def rank(evidence: Evidence) -> Ranked:
    """Rank neurons by their largest absolute Pearson correlation with a label's indicator."""
    X, Y = np.asarray(evidence.X, np.float64), evidence.indicators
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    sizes = np.outer(np.linalg.norm(Y, axis=0), np.linalg.norm(X, axis=0))
    by_class = np.abs(Y.T @ X) / np.maximum(sizes, np.finfo(np.float64).tiny)
    return Ranked.of(by_class.max(axis=0), by_class)


RANKING = Ranking(
    "correlation",
    rank,
    "Largest correlation with a label's indicator.",
    "Pearson's correlation",
)
