"""What predictions are worth in each slice of a plan, and how that differs from the rest.

Enters: the scorer of a split, predictions, slices. Leaves: rows of a report, and what is to be said of slices that
cannot be scored. A slice and its rest are scored under the same resamples, so that their difference has an interval.
Surprise: a slice of fewer than :data:`FEWEST` targets has no row, and is named.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from probekit.report import Measurement
from probekit.report.measurement import LESS_REST, OF_MAJORITY, SLICE
from probekit.statistics.bootstrap import LEVEL, Score, bounds_of_difference, interval
from probekit.tuning.data.sliced import Sliced
from probekit.tuning.training.scoring import SplitScorer

FEWEST = 10


def slice_rows(
    scorer: SplitScorer, predicted: NDArray[np.float64], blank: Measurement, sliced: Sliced
) -> tuple[list[Measurement], list[str]]:
    """Score a split in every slice.

    Parameters
    ----------
    scorer : SplitScorer
    predicted : float64 array [rows of the split]
    blank : Measurement
        What the rows of the tuned model share.
    sliced : Sliced
        Of the whole table.

    Returns
    -------
    rows : list of Measurement
        A slice has a row a metric, the score of its majority, and by the main metric its difference from the rest.
    notes : list of str
    """
    _, guess = scorer.floor() if len(scorer.data.training) else ("", None)
    rows: list[Measurement] = []
    few: list[str] = []
    for name, whole in zip(sliced.names, sliced.masks, strict=True):
        inside = whole[scorer.rows]
        n = int(inside.sum())
        if n < FEWEST:
            few.append(f"'{name}' ({n})")
            continue
        base = replace(
            blank,
            split=scorer.split,
            role="companion",
            n=n,
            n_groups=len(np.unique(scorer.units.of[inside])),
            unit=scorer.units.unit,
            level=LEVEL,
        )
        scores = scorer.part_scores(predicted, inside)
        for metric, score in scores.items():
            rows += _row(replace(base, method=f"{SLICE}{name}", metric=metric), score, scorer.bounds(metric))
        main = scorer.metrics[0]
        if guess is not None:
            floor = replace(
                base, method=f"{SLICE}{name}{OF_MAJORITY}", metric=main, role="floor", layer=None, seed=None
            )
            rows += _row(floor, scorer.part_scores(guess, inside)[main], scorer.bounds(main))
        if len(inside) - n >= FEWEST:
            (value, resampled), (other, others) = scores[main], scorer.part_scores(predicted, ~inside)[main]
            gap = replace(base, method=f"{SLICE}{name}{LESS_REST}", metric=main, role="difference")
            rows += _row(gap, (value - other, resampled - others), bounds_of_difference(scorer.bounds(main)))
    notes = []
    if few:
        notes.append(f"Slices of fewer than {FEWEST} targets of {scorer.split} are not scored: {', '.join(few)}.")
    return rows, notes


def _row(row: Measurement, score: Score, bounds: tuple[float, float]) -> list[Measurement]:
    """Return a row with its score; none where a slice has no such score, as with one label alone."""
    value, resampled = score
    if not np.isfinite(value):
        return []
    low, high = interval(value, resampled, bounds=bounds) or (None, None)
    return [replace(row, value=value, low=low, high=high)]
