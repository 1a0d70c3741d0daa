"""Warm-up, then down to nothing along half a cosine [1]_.

.. [1] Loshchilov & Hutter 2017, SGDR: Stochastic gradient descent with warm restarts.
"""

from __future__ import annotations

import math

from probekit.tuning.options import PartOrNone
from probekit.tuning.rates import Rate


def share(step: int, total: int, *, warmup: PartOrNone = 0.1) -> float:
    """Return the share of the peak; ``warmup`` is the share of the steps that go up."""
    up = int(total * warmup)
    return step / up if step < up else 0.5 * (1 + math.cos(math.pi * (step - up) / max(total - up, 1)))


RATE = Rate("warmup-cosine", share, "warm-up, then down along half a cosine (Loshchilov & Hutter 2017)")
