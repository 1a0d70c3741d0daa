r"""PWCCA: canonical correlations, each weighted by how much of the first side its variate accounts for [1]_.

.. math:: \sum_i \alpha_i \rho_i / \sum_i \alpha_i, \quad \alpha_i = \sum_j |\langle h_i, x_j \rangle|

with :math:`h_i` the i-th canonical variate of the first side and :math:`x_j` its j-th dimension, centred. The two
sides cannot be exchanged. All axes with variance count, so the correlations of unrelated rows are far above 0 unless
there are many more rows than dimensions; with fewer rows than the dimensions of both some are 1 of necessity, and it is
said.

References
----------
.. [1] Morcos, Raghu & Bengio 2018, Insights on representational similarity in neural networks with canonical
       correlation, https://arxiv.org/abs/1806.05759
"""

from __future__ import annotations

import numpy as np

from probekit.statistics.cross_sums import CrossSums
from probekit.statistics.similarity import Measure
from probekit.statistics.similarity._canonical import between, principal_axes


def value(sums: CrossSums) -> float:
    """Return the weighted mean; nan where one side does not vary."""
    first, second = (principal_axes(sums, side) for side in (0, 1))
    if not min(len(first.variances), len(second.variances)):
        return float("nan")
    left, found, _ = np.linalg.svd(between(sums, first, second), full_matrices=False)
    # <h_i, x_j> of the whitened variates h: directions * sqrt(variances) @ left, [d, k].
    weights = np.abs((first.directions * np.sqrt(first.variances)) @ left).sum(axis=0)
    return float(np.average(np.minimum(found, 1.0), weights=weights))


def note(sums: CrossSums) -> str:
    """Say how many correlations are 1 whatever the rows hold."""
    first, second = (len(principal_axes(sums, side).variances) for side in (0, 1))
    forced = min(first + second - (sums.n - 1), first, second)
    return f"{forced} of {min(first, second)} correlations are 1 with any {sums.n:,} rows" if forced > 0 else ""


MEASURE = Measure(
    "pwcca",
    CrossSums.of,
    value,
    "Canonical correlations, weighted by what they account for.",
    "Morcos et al. 2018",
    symmetric=False,
    note=note,
)
