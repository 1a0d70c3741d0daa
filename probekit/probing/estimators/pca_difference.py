"""The first principal component of the differences within contrasts: the linear reading of Zou et al. (2023).

Of each group with both labels it takes the difference of their means. Surprise: the component is that of the
differences about zero, not about their mean, which would take away just what all pairs share; so which of a pair stands
first does not matter, and labels are read for two things alone: the sign, and the threshold halfway between the class
means.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from probekit.probing.estimators import Estimator
from probekit.probing.estimators._difference import Direction, FloatArray, differences, study_direction


def component(X: FloatArray, codes: NDArray[np.int64], groups: NDArray[np.int64]) -> Direction:
    """Return the leading right singular vector of the differences, with the sign of their mean."""
    D = differences(X, codes, groups)
    _, sizes, axes = np.linalg.svd(D, full_matrices=False)
    share = float(sizes[0] ** 2 / max((sizes**2).sum(), 1e-300))
    w = axes[0] * (-1 if D.mean(axis=0) @ axes[0] < 0 else 1)
    return np.asarray(w), f"one component of {len(D):,} contrasts, with {share:.0%} of their squares"


ESTIMATOR = Estimator(
    "pca-difference",
    partial(study_direction, component, "components"),
    seeded=False,
    reads="components of the differences: 1",
    proba=True,
    two=True,
    contrasts=True,
    notes=(
        "pca-difference reads labels for the sign and the threshold of its direction alone; the direction is that of "
        "the differences within contrasts.",
    ),
)
