"""Several methods on the same items: accuracies with intervals, paired differences, Holm's correction.

Enters: a credit of every method for every item, and the units that items are of. Leaves: rates and comparisons, whose
intervals resample units.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from probekit.statistics.bootstrap import Bootstrap, FloatArray, bounds_of, interval
from probekit.statistics.significance import holm, neighbours
from probekit.statistics.units import numbered

MANY_UNITS, FEWER_RESAMPLES = 5_000, 200
"""Of so many units intervals no longer depend on how often they are resampled."""


@dataclass(frozen=True, slots=True)
class Rate:
    """An accuracy with its interval.

    Attributes
    ----------
    value : float
    low, high : float or None
    n, n_units : int
        What was counted, and what was resampled.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    n_units: int


@dataclass(frozen=True, slots=True)
class Compared:
    """The difference between two methods on the same items.

    Attributes
    ----------
    rate : Rate
        Of the first less the second.
    p : float or None
        Two-sided; None with too few units.
    """

    rate: Rate
    p: float | None


class Panel:
    """Credits of several methods on the same items, and what their units say of them.

    Parameters
    ----------
    units : sequence of hashable
        Of each item: its template, its document.
    credits : float64 array [items, methods]
        Without NaN.
    seed : int
        Of the resamples.
    """

    def __init__(self, units: Sequence[Hashable], credits: FloatArray, *, seed: int = 0) -> None:
        numbers = numbered(units)
        self.n_units = int(numbers.max()) + 1
        resamples = 1000 if self.n_units <= MANY_UNITS else FEWER_RESAMPLES
        self.bootstrap = Bootstrap.draw(numbers, resamples=resamples, seed=seed)
        self.credits = credits
        self.points = credits.mean(axis=0)
        counts = self.bootstrap.sums(np.hstack([credits, np.ones((len(credits), 1))]))
        self.resampled = self.bootstrap.scores(lambda added: added[:, :-1] / added[:, -1:], counts)

    def rate(self, method: int) -> Rate:
        """Return the accuracy of one method."""
        value = float(self.points[method])
        return self._rate(value, interval(value, self.resampled[:, method]))

    def difference(self, one: int, other: int) -> Compared:
        """Return by how much one method is better than another, paired by item."""
        value = float(self.points[one] - self.points[other])
        apart = self.resampled[:, one] - self.resampled[:, other]
        ends = interval(value, apart, bounds=bounds_of("accuracy", difference=True))
        if ends is None:
            return Compared(self._rate(value, None), None)
        pair = self.resampled[:, [other, one]]
        return Compared(self._rate(value, ends), neighbours(self.points[[other, one]], pair, [(0, 1)])[0])

    def _rate(self, value: float, ends: tuple[float, float] | None) -> Rate:
        low, high = ends or (None, None)
        return Rate(value, low, high, len(self.credits), self.n_units)


def corrected(compared: Sequence[Compared]) -> list[float | None]:
    """Return Holm's p values of a family of differences; None where one has none."""
    known = [found.p for found in compared if found.p is not None]
    adjusted = iter(holm(known))
    return [None if found.p is None else next(adjusted) for found in compared]
