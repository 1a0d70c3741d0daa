"""Overlap of the rows where a neuron is on with those of a label: intersection over union [1]_.

A neuron is on at as many rows as have the label: those where it is highest, or those where it is lowest, whichever
overlap more. What chance gives is taken off, ``(iou - chance) / (1 - chance)`` with ``chance = p / (2 - p)`` for a
label of share p, so that frequent labels do not win by being frequent.

References
----------
.. [1] Mu & Andreas 2020, Compositional explanations of neurons, https://arxiv.org/abs/2006.14032
"""

from __future__ import annotations

import numpy as np

from probekit.probing.neurons.rankings import Evidence, Ranked, Ranking, above_chance


def rank(evidence: Evidence) -> Ranked:
    """Rank neurons by their best overlap with a label, chance taken off."""
    Y = evidence.indicators.astype(bool)
    n, counts = len(Y), Y.sum(axis=0)
    ascending = np.argsort(np.asarray(evidence.X), axis=0, kind="stable")  # [n, d]
    found = np.empty((evidence.n_classes, ascending.shape[1]))
    for code, count in enumerate(counts):
        here = Y[:, code]
        both = np.maximum(here[ascending[n - count :]].sum(axis=0), here[ascending[:count]].sum(axis=0))
        found[code] = both / (2 * count - both)
    share = counts / n
    by_class = above_chance(found, share / (2 - share))
    return Ranked.of(by_class.max(axis=0), by_class)


RANKING = Ranking(
    "iou",
    rank,
    "Overlap of where a neuron is on with where a label is.",
    "Mu & Andreas 2020, https://arxiv.org/abs/2006.14032",
)
