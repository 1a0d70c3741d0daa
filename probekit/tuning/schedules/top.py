"""Only the top trains: what is new, and the last blocks below it. None of them is the head on frozen features."""

from __future__ import annotations

from probekit.tuning.options import Count
from probekit.tuning.schedules import Depths, Schedule


def trains(depths: Depths, epoch: float, *, blocks: Count = 0) -> frozenset[int]:
    """Return the last depth and so many below it."""
    return frozenset(depths[-1 - min(blocks, len(depths) - 1) :])


SCHEDULE = Schedule("top", trains, "what is new and the last blocks below it, always")
