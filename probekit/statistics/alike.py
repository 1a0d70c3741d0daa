"""A similarity with its honesty: the score, its interval, and what unrelated rows would have.

Enters: rows of two matrices, and the parts that whole sentences or documents are dealt into. Leaves: a
:class:`Likeness`. Surprise: the interval is no bootstrap's. A resample with repeats lays rows over themselves, and
counts copies as alike: measures of pairs of rows rise, and canonical correlations of fewer different rows do too. So
each part is left out in turn, never drawn twice (the jackknife of groups [1]_, Student's quantile at their degrees of
freedom).

References
----------
.. [1] Shao & Wu 1989, A general theory for jackknife variance estimation; Efron & Stein 1981.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from probekit.statistics.bootstrap import FEWEST_UNITS, Resampled, interval
from probekit.statistics.cross_sums import LEAST
from probekit.statistics.similarity import FloatArray, Measure

PARTS = 20
"""Parts that units are dealt into, each left out in turn."""
DRAWS = 10
BLOCK = 4096
"""Rows that are float64 in memory at once."""
IntArray = NDArray[np.integer]


class Rows(Protocol):
    """What gives rows: a matrix, or a layer of a cache."""

    def __getitem__(self, rows: Any, /) -> Any:
        """Return some rows [n, d]."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two representations are.

    Attributes
    ----------
    value : float or None
        None: one side does not vary.
    interval : (float, float) or None
        Of 95 %; None where units are fewer than five, or there is no value.
    floor : tuple of float
        The same where the rows of the second side are shuffled, a number a draw.
    n : int
        Rows.
    note : str
        What the measure says of this pair.
    """

    value: float | None
    interval: tuple[float, float] | None
    floor: tuple[float, ...]
    n: int
    note: str = ""


def deal(units: IntArray, *, seed: int = 0) -> list[NDArray[np.int64]]:
    """Deal whole units into :data:`PARTS` parts at most; return the rows of each, ascending.

    Parameters
    ----------
    units : int array [n]
        Sentence or document of each row.
    seed : int
    """
    names, of = np.unique(units, return_inverse=True)
    parts = min(PARTS, len(names))
    dealt = np.random.default_rng(seed).permutation(np.arange(len(names)) % parts)[of]
    return [np.flatnonzero(dealt == part) for part in range(parts)]


def compare_rows(
    measure: Measure, x: Rows, y: Rows, parts: Sequence[IntArray], *, draws: int = DRAWS, seed: int = 0
) -> Likeness:
    """Measure how alike two representations of the same rows are.

    Parameters
    ----------
    measure : Measure
    x, y : array [n, d] and [n, e], or views of a layer
        Read in blocks.
    parts : sequence of int array
        Rows of each part: together, what is compared.
    draws : int
        Shuffles of the rows of `y`; 0: no floor.
    seed : int
        Of the shuffles.

    Returns
    -------
    Likeness
    """
    rows = np.concatenate(parts)
    shift = tuple(_about(side, parts[0]) for side in (x, y))

    def gathered(mine: IntArray, its: IntArray) -> Any:
        blocks = range(0, len(mine), BLOCK)
        found = (
            measure.gather(*(_centred(side, here[low : low + BLOCK], by)
                             for side, here, by in zip((x, y), (mine, its), shift, strict=True)))
            for low in blocks
        )  # fmt: skip
        return added(list(found))

    def scored(found: Any) -> float:
        return float(np.minimum(measure.value(found), 1.0))  # rounding; nan stays nan

    kept = [gathered(part, part) for part in parts]
    whole = added(kept)
    value = scored(whole)
    if not np.isfinite(value):
        return Likeness(None, None, (), len(rows))
    note = measure.note(whole) if measure.note is not None else ""
    sizes = np.array([len(part) for part in parts], np.float64)
    ends = None
    if len(parts) >= FEWEST_UNITS and len(rows) - sizes.max() >= LEAST:
        left_out = np.array([scored(others) for others in without_each(kept)])
        ends = _interval(measure, value, left_out, sizes)
    del kept, whole
    rng = np.random.default_rng(seed)
    floor = tuple(scored(gathered(rows, rng.permutation(rows))) for _ in range(draws))
    return Likeness(value, ends, floor, len(rows), note)


def added(parts: Sequence[Any]) -> Any:
    """Add up what was kept of several blocks."""
    found = parts[0]
    for part in parts[1:]:
        found = found + part
    return found


def without_each(parts: Sequence[Any]) -> Iterator[Any]:
    """Yield the sum of all others for each of two or more parts, by halves: only log n sums exist at once."""

    def others(inside: Sequence[Any], outside: Any) -> Iterator[Any]:
        if len(inside) == 1:
            yield outside
            return
        middle = len(inside) // 2
        for own, rest in ((inside[:middle], inside[middle:]), (inside[middle:], inside[:middle])):
            yield from others(own, added(rest) if outside is None else added([outside, *rest]))

    return others(parts, None)


def _interval(
    measure: Measure, value: float, left_out: NDArray[np.float64], sizes: NDArray[np.float64]
) -> tuple[float, float] | None:
    # There are no resamples; scores without a part spread far less than any, so the jackknife decides.
    ends = interval(value, Resampled(left_out, left_out, sizes), bounds=(-np.inf, 1.0))
    return None if ends is None else (max(measure.least, ends[0]), ends[1])


def _about(side: Rows, rows: IntArray) -> FloatArray:
    """Return the mean of some rows, about that of all; of rows that are all the same, exactly theirs."""
    return np.asarray(np.asarray(side[rows[:BLOCK]], np.float64).mean(axis=0))


def _centred(side: Rows, rows: IntArray, shift: FloatArray) -> FloatArray:
    return np.asarray(np.asarray(side[rows], np.float64) - shift)
