"""Chain-thaw: what is new, then each depth alone from the bottom up, at last everything [1]_.

.. [1] Felbo et al. 2017, Using millions of emoji occurrences to learn any-domain representations for detecting
   sentiment, emotion and sarcasm.
"""

from __future__ import annotations

from probekit.tuning.schedules import Depths, Schedule, whole


def trains(depths: Depths, epoch: float, *, epochs: float) -> frozenset[int]:
    """Return the depth whose turn it is; every turn is as long as the others."""
    turns = [frozenset(depths[-1:]), *(frozenset([depth]) for depth in depths[:-1]), frozenset(depths)]
    return turns[min(whole(epoch * len(turns) / epochs), len(turns) - 1)]


SCHEDULE = Schedule("chain-thaw", trains, "what is new, each depth alone from the bottom, then all (Felbo et al. 2017)")
