"""A difference in test score between the plan and another choice, with its interval.

Enters: paired differences. Leaves: a :class:`Gap`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from probekit.statistics.student import reach_of_mean


@dataclass(frozen=True, slots=True)
class Gap:
    """The plan's test score minus another's, paired.

    Attributes
    ----------
    name : str
    value : float
        Mean over tasks of means over seeds.
    low, high : float or None
        Ends of the 95 % interval over tasks; of one task over seeds; None of one run.
    tasks, runs : int
    """

    name: str
    value: float
    low: float | None
    high: float | None
    tasks: int
    runs: int

    def __str__(self) -> str:
        """Return it in points."""
        ends = "" if self.low is None or self.high is None else f"  [{100 * self.low:+z.1f}, {100 * self.high:+z.1f}]"
        return f"{100 * self.value:+z.1f}{ends}"


def gap_of(name: str, gaps: Mapping[str, Sequence[float]]) -> Gap:
    """Return the mean of differences that are given by task, one a seed."""
    # Runs of one task share its rows: tasks are what is drawn, and only of one task the seeds.
    units = [float(np.mean(own)) for own in gaps.values()] if len(gaps) > 1 else next(iter(gaps.values()))
    low, high = _interval(units)
    return Gap(name, float(np.mean(units)), low, high, len(gaps), sum(map(len, gaps.values())))


def _interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    if len(values) < 2:
        return None, None
    mean, reach = float(np.mean(values)), reach_of_mean(values)
    return mean - reach, mean + reach
