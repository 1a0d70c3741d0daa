"""Everything trains, always."""

from __future__ import annotations

from probekit.tuning.schedules import Depths, Schedule


def trains(depths: Depths, epoch: float) -> frozenset[int]:
    """Return all depths."""
    return frozenset(depths)


SCHEDULE = Schedule("full", trains, "everything trains, always")
