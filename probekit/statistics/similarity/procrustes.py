r"""Orthogonal Procrustes: what is left of two centred matrices of unit size when one is turned to the other [1]_ [2]_.

The squared distance :math:`d = \|A\|^2 + \|B\|^2 - 2 \|A^\top B\|_*` lies between 0 and 2 where both have Frobenius
norm 1; the similarity is :math:`1 - d / 2`, the nuclear norm of :math:`A^\top B`.

References
----------
.. [1] Schoenemann 1966, A generalized solution of the orthogonal Procrustes problem.
.. [2] Ding, Denain & Steinhardt 2021, Grounding representation similarity with statistical testing,
       https://arxiv.org/abs/2108.01661
"""

from __future__ import annotations

import numpy as np

from probekit.statistics.cross_sums import CrossSums
from probekit.statistics.similarity import Measure


def value(sums: CrossSums) -> float:
    """Return the similarity; nan where one side does not vary."""
    sizes = [float(np.trace(sums.covariance(side, side))) for side in (0, 1)]
    if not min(sizes) > 0:
        return float("nan")
    return float(np.linalg.svd(sums.covariance(0, 1), compute_uv=False).sum() / np.sqrt(sizes[0] * sizes[1]))


MEASURE = Measure(
    "procrustes", CrossSums.of, value, "1 less half the distance after the best rotation.",
    "Schoenemann 1966; Ding et al. 2021",
)  # fmt: skip
