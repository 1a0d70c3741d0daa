"""When each depth of a model trains: schedules, one file each.

Enters: the depths of a model, from 0 (embeddings) over its blocks to the last (what is new), and how far training is.
Leaves: the depths that train then. A schedule is a pure function, so that it can be drawn, resumed from any step, and
used by any training loop. A file sets ``SCHEDULE = Schedule(name, trains, help)``; it is its own registration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from probekit.registry import Registry
from probekit.tuning.options import bound

Depths = Sequence[int]
"""Ascending; the first holds embeddings, the last all that is new (the head, modules)."""
Trains = Callable[[Depths, float], frozenset[int]]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A kind of schedule.

    Attributes
    ----------
    name : str
    trains : callable
        ``trains(depths, epoch, **options)`` gives the depths that train when so many epochs are done, a whole number
        or between two; of the last part an ``epochs`` among the options says how many there are in all.
    help : str
        One line, with the paper.
    """

    name: str
    trains: Callable[..., frozenset[int]]
    help: str

    def bind(self, epochs: float, options: Mapping[str, Any]) -> Trains:
        """Return ``trains(depths, epoch)`` under options, for so many epochs.

        Raises
        ------
        UsageError
            An option that this schedule does not have, or a value that is not of its kind.
        """
        return bound(self.trains, f"schedule '{self.name}'", options, {"epochs": epochs})


SCHEDULES = Registry("schedule", Schedule, attribute="SCHEDULE", group="probekit.schedules", home=__name__)


def get_schedule(name: str) -> Schedule:
    """Find a schedule by name."""
    return SCHEDULES.get(name, "schedule")


def whole(turns: float) -> int:
    """Return how many turns are over; one that is over but for rounding is."""
    return int(turns + 1e-9)
