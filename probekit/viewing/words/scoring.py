"""Scores of word questions, with intervals over what questions share.

Enters: credits of questions, or ratings of pairs. Leaves: scores and rows of a report. Questions of a section are
combinations of its pairs, so that each pair is in many of them: the interval is the wider one of resampling first pairs
and second pairs; over all sections, the sections are resampled where there are enough.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from probekit.report import Measurement
from probekit.statistics.bootstrap import (
    FEWEST_UNITS,
    LEVEL,
    SHARE,
    Bootstrap,
    Resampled,
    bounds_of_difference,
    interval,
)

Clusters = dict[str, NDArray[np.int64]]
"""By what a unit is called: the unit of each row."""


def numbered(names: Sequence[Hashable]) -> NDArray[np.int64]:
    """Number things by their first appearance, [n]."""
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names], np.int64)


def mean_row(
    blank: Measurement, credit: NDArray[np.float64], clusters: Clusters, *, seed: int, difference: bool = False
) -> Measurement:
    """Return a row with the mean of credits and the widest of the intervals over several kinds of units.

    Parameters
    ----------
    blank : Measurement
    credit : float64 array [n]
    clusters : dict of str to int64 array [n]
    seed : int
    difference : bool
        Credits are differences of two methods'.
    """
    value = float(credit.mean())
    bounds = bounds_of_difference(SHARE) if difference else SHARE
    found: tuple[float, float] | None = None
    unit, units = next(iter(clusters)), 0
    for name, of in clusters.items():
        resampled = _mean(credit, Bootstrap.draw(of, seed=seed))
        ends = interval(value, resampled, bounds=bounds)
        if found is None or (ends is not None and ends[1] - ends[0] > found[1] - found[0]):
            unit, units, found = name, int(of.max()) + 1, ends
    low, high = found or (None, None)
    level = None if found is None else LEVEL
    row = replace(blank, value=value, low=low, high=high, level=level, n=len(credit), n_groups=units, unit=unit)
    return replace(row, role="difference") if difference else row


def clusters_of(sections: Sequence[str], first: Sequence[Hashable], second: Sequence[Hashable]) -> Clusters:
    """Return what is resampled: sections where there are enough, else the two pairs of each question."""
    of_section = numbered(sections)
    if of_section.max(initial=-1) + 1 >= FEWEST_UNITS:
        return {"section": of_section}
    return {"second pair": numbered(second), "first pair": numbered(first)}


def _mean(credit: NDArray[np.float64], bootstrap: Bootstrap) -> Resampled:
    counts = bootstrap.sums(np.column_stack([credit, np.ones(len(credit))]))
    return bootstrap.scores(lambda added: added[:, 0] / added[:, 1], counts)
