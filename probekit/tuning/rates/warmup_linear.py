"""Warm-up, then down to nothing along a line [1]_.

.. [1] Devlin et al. 2019, BERT: Pre-training of deep bidirectional transformers for language understanding.
"""

from __future__ import annotations

from probekit.tuning.options import PartOrNone
from probekit.tuning.rates import Rate


def share(step: int, total: int, *, warmup: PartOrNone = 0.1) -> float:
    """Return the share of the peak; ``warmup`` is the share of the steps that go up."""
    up = int(total * warmup)
    return step / up if step < up else (total - step) / max(total - up, 1)


RATE = Rate("warmup-linear", share, "warm-up, then down along a line (Devlin et al. 2019)")
