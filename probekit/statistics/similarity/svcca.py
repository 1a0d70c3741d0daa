"""SVCCA: the mean canonical correlation of the principal axes that hold 99 % of each side's variance [1]_.

Canonical correlations are the largest that can be found, so unrelated rows have some unless there are far more rows
than axes; and every axis counts alike, however little it varies. Where a few dimensions are far larger than all others,
these are the 99 %: the note says how many axes were compared.

References
----------
.. [1] Raghu et al. 2017, SVCCA: singular vector canonical correlation analysis for deep learning dynamics and
       interpretability, https://arxiv.org/abs/1706.05806
"""

from __future__ import annotations

import numpy as np

from probekit.statistics.cross_sums import CrossSums
from probekit.statistics.similarity import Measure
from probekit.statistics.similarity._canonical import between, principal_axes

SHARE = 0.99


def value(sums: CrossSums) -> float:
    """Return the mean over as many correlations as the smaller side has axes; nan where it has none."""
    first, second = (principal_axes(sums, side, share=SHARE) for side in (0, 1))
    if not min(len(first.variances), len(second.variances)):
        return float("nan")
    found = np.linalg.svd(between(sums, first, second), compute_uv=False)
    return float(np.minimum(found, 1.0).mean())


def note(sums: CrossSums) -> str:
    """Say how many axes are compared."""
    counts = [len(principal_axes(sums, side, share=SHARE).variances) for side in (0, 1)]
    return f"{counts[0]} and {counts[1]} axes hold {SHARE:.0%} of the variance"


MEASURE = Measure(
    "svcca", CrossSums.of, value, "Canonical correlations of the widest axes.", "Raghu et al. 2017", note=note
)
