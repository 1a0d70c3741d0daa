"""Measurements of alignments: the chosen head beside its floors, and the means.

Enters: counts of every way on every pair, and which pairs choose and which are shown. Leaves: rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from probekit.attention.alignment.links import error_rate, precision, recall
from probekit.attention.alignment.ways import Aligned
from probekit.report import Measurement
from probekit.sites import DECODER
from probekit.statistics.bootstrap import LEVEL, Bootstrap, bounds_of_difference, interval

Floats = NDArray[np.float64]
PARTS = {"precision": precision, "recall": recall}
"""What the error rate is made of."""


@dataclass(frozen=True, slots=True)
class Halves:
    """Which pairs choose and which are shown.

    Attributes
    ----------
    dev, test : list of int
    units : int64 array [test pairs]
        Pairs that say the same are one unit.
    """

    dev: list[int]
    test: list[int]
    units: NDArray[np.int64]


def measured(own: Aligned, untrained: Aligned, level: Floats, halves: Halves, blank: Measurement) -> list[Measurement]:
    """Return the rows of a report.

    Parameters
    ----------
    own, untrained : Aligned
        Of the model, and of it with random weights.
    level : float64 array [pairs, 4]
        Counts of the diagonal.
    halves : Halves
    blank : Measurement
        What all rows share.
    """
    dev, test = halves.dev, halves.test
    drawn = Bootstrap.draw(halves.units, seed=blank.seed or 0)
    best, other = own.best(dev), untrained.best(dev)
    way = own.ways[best]
    named = replace(blank, layer=_layer(way.block), method=way.named, note=way.rows)
    chosen, floors = own.counts[best][test], {"diagonal": level[test], "random_weights": untrained.counts[other][test]}
    rows = [_rated(named, drawn, chosen)]
    rows += [_rated(replace(blank, method=name, role="floor"), drawn, counts) for name, counts in floors.items()]
    for name, counts in floors.items():
        row = replace(named, method=f"head - {name}", role="difference", note="")
        rows.append(_rated(row, drawn, chosen, counts))
    for metric, score in PARTS.items():
        row = replace(named, metric=metric, role="companion")
        rows.append(_rated(row, drawn, chosen, score=score))
        for name, counts in floors.items():
            row = replace(blank, metric=metric, method=name, role="companion")
            rows.append(_rated(row, drawn, counts, score=score))
    for place, its in enumerate(own.ways):
        if its.head is None and its.rows == way.rows:
            row = replace(blank, layer=_layer(its.block), method=its.named, note=its.rows, role="companion")
            rows.append(_rated(row, drawn, own.counts[place][test]))
    return rows


def _layer(block: int) -> str | None:
    return f"{DECODER}:{block}" if block else None


def _rated(
    row: Measurement,
    drawn: Bootstrap,
    counts: Floats,
    less: Floats | None = None,
    *,
    score: Callable[[Floats], Floats] = error_rate,
) -> Measurement:
    """Return a row with its score, or with its difference from that of other links."""
    table = counts if less is None else np.hstack([counts, less])

    def rated(added: Floats) -> Floats:
        own = score(added[..., :4])
        return own if less is None else own - score(added[..., 4:])

    sums = drawn.sums(table)
    value = float(rated(sums.sum(0)))
    bounds = (0.0, 1.0) if less is None else bounds_of_difference((0.0, 1.0))
    low, high = interval(value, drawn.scores(rated, sums), bounds=bounds) or (None, None)
    level = None if low is None else LEVEL
    return replace(row, value=value, low=low, high=high, level=level, n=len(counts), n_groups=len(sums))
