"""Weights of a linear probe: a neuron comes in as soon as some label needs it for a share of its weight [1]_.

Of each label the neurons are taken by the size of their weights. A neuron is scored by the least share of some label's
weight that is reached before its turn; NeuroX's ``get_neuron_ordering`` cuts the same order into hundredths. It speaks
of this one fit, which may put the weight on either of two neurons that say the same.

References
----------
.. [1] Dalvi et al. 2019, What is one grain of sand in the desert?, https://arxiv.org/abs/1812.09355
"""

from __future__ import annotations

import numpy as np

from probekit.probing.neurons.rankings import Evidence, Ranked, Ranking


def rank(evidence: Evidence) -> Ranked:
    """Rank neurons by the share of weight at which they come in.

    Returns
    -------
    Ranked
        Scores are 1 less that share; of neurons that come in together the one with the larger share of its own is
        first. By label they are each neuron's share of the label's weight.
    """
    weights = np.abs(np.asarray(evidence.coef, np.float64))
    shares = weights / np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    order = np.argsort(-shares, axis=1, kind="stable")
    before = np.cumsum(np.take_along_axis(shares, order, 1), axis=1) - np.take_along_axis(shares, order, 1)
    entered = np.empty_like(shares)
    np.put_along_axis(entered, order, before, 1)
    earliest = entered.min(axis=0)
    both = np.broadcast_to(shares, (evidence.n_classes, shares.shape[1]))
    return Ranked(np.lexsort((-shares.max(axis=0), earliest)), 1 - earliest, np.array(both))


RANKING = Ranking(
    "weights",
    rank,
    "Weights of the linear probe.",
    "Dalvi et al. 2019, https://arxiv.org/abs/1812.09355",
)
