"""Distances between the labels' means, without a probe [1]_.

A neuron is scored by the sum over pairs of labels of how far its means lie apart; for one label the sum is over the
pairs that it is in. Every label weighs the same, however rare it is.

References
----------
.. [1] Antverg & Belinkov 2022, On the pitfalls of analyzing individual neurons in language models,
       https://arxiv.org/abs/2110.07483
"""

from __future__ import annotations

import numpy as np

from probekit.probing.neurons.rankings import Evidence, Ranked, Ranking


def rank(evidence: Evidence) -> Ranked:
    """Rank neurons by how far the means of labels lie apart."""
    Y = evidence.indicators
    means = Y.T @ np.asarray(evidence.X, np.float64) / Y.sum(axis=0)[:, None]  # [classes, d]
    by_class = np.stack([np.abs(mean - means).sum(axis=0) for mean in means])
    return Ranked.of(by_class.sum(axis=0) / 2, by_class)


RANKING = Ranking(
    "probeless",
    rank,
    "Distances between the means of labels.",
    "Antverg & Belinkov 2022, https://arxiv.org/abs/2110.07483",
)
