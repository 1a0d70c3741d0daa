"""The interval of a mean of a few runs, by Student's t.

Enters: one value a run, or a task. Leaves: how far the interval reaches either side of their mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

LEVEL = 0.95


def reach_of_mean(values: Sequence[float] | NDArray[np.float64], level: float = LEVEL) -> float:
    """Return half the interval of the mean of two values or more."""
    spread = float(np.std(values, ddof=1)) / np.sqrt(len(values))
    return float(t.ppf((1 + level) / 2, len(values) - 1) * spread)
