"""Slanted triangular rates: a short way up, a long way down [1]_.

.. [1] Howard & Ruder 2018, Universal language model fine-tuning for text classification, equation 3.
"""

from __future__ import annotations

from probekit.tuning.options import FromOne, Part
from probekit.tuning.rates import Rate


def share(step: int, total: int, *, cut_fraction: Part = 0.1, ratio: FromOne = 32.0) -> float:
    """Return the share of the peak.

    ``cut_fraction`` of the steps go up; the lowest rate is one ``ratio``-th of the peak.
    """
    cut = max(int(total * cut_fraction), 1)
    part = step / cut if step < cut else 1 - (step - cut) / max(cut * (1 / cut_fraction - 1), 1)
    return (1 + max(part, 0.0) * (ratio - 1)) / ratio


RATE = Rate("slanted-triangular", share, "a short way up, a long way down (Howard & Ruder 2018)")
