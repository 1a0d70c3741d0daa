"""Gradual unfreezing: what is new first, then one depth more below it at a time [1]_.

.. [1] Howard & Ruder 2018, Universal language model fine-tuning for text classification.
"""

from __future__ import annotations

from probekit.tuning.options import Positive
from probekit.tuning.schedules import Depths, Schedule, whole


def trains(depths: Depths, epoch: float, *, epochs_each: Positive = 1.0) -> frozenset[int]:
    """Return the last depth, and one more below for each ``epochs_each`` that are done."""
    return frozenset(depths[-1 - min(whole(epoch / epochs_each), len(depths) - 1) :])


SCHEDULE = Schedule("gradual", trains, "from the top down, one depth more at a time (Howard & Ruder 2018)")
