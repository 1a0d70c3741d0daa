"""Greedy selection with replacement [1]_: the member is added that makes the bag best; a weight is a share of the bag.

The bag begins with the best member. What is best is the main metric of the task, and between equals the loss. Of all
bags that were passed through the best one stays, and of equals the smallest.

References
----------
.. [1] Caruana, Niculescu-Mizil, Crew & Ksikes 2004, Ensemble selection from libraries of models.
"""

from __future__ import annotations

import numpy as np

from probekit.tuning.weighting import Choosing, FloatArray, Weighting

ROUNDS = 50
"""Members in the largest bag."""


def weigh(choosing: Choosing) -> FloatArray:
    """Return the shares of the members in the best bag."""
    m = len(choosing.said)
    counts, found, best = np.zeros(m), np.full(m, 1 / m), (-np.inf, -np.inf)
    for size in range(1, ROUNDS + 1):
        bags = [(counts + one) / size for one in np.eye(m)]
        values = [(choosing.score(choosing.combined(bag)), -choosing.loss(bag)) for bag in bags]
        place = max(range(m), key=values.__getitem__)
        counts[place] += 1
        if values[place] > best:
            best, found = values[place], bags[place]
    return found


WEIGHTING = Weighting("greedy", weigh, "members added one by one, the best first (Caruana et al. 2004)")
