"""Every member counts as much as any other; nothing is chosen."""

from __future__ import annotations

import numpy as np

from probekit.tuning.weighting import Choosing, FloatArray, Weighting


def weigh(choosing: Choosing) -> FloatArray:
    """Return equal weights."""
    m = len(choosing.said)
    return np.full(m, 1 / m)


WEIGHTING = Weighting("uniform", weigh, "every member counts the same")
