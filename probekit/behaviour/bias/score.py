"""One number of a bias measure, with its interval and what it is where there is no preference."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from probekit.behaviour.clusters import with_interval
from probekit.statistics.bootstrap import SHARE, FloatArray
from probekit.statistics.units import numbered


@dataclass(frozen=True, slots=True)
class BiasScore:
    """A bias measure over some items.

    Attributes
    ----------
    measure : str
        ``stereotype score``, ``gap`` ...
    group : str
        Which items: a kind of bias; empty for all of them.
    value : float
        NaN where no item counts.
    low, high : float or None
        Ends of the 95 % interval over ``unit``; None with fewer than five of them.
    n, n_units : int
        Items, and what was resampled.
    unit : str
        ``template``, ``term``.
    unbiased : float or None
        The value without a preference; None where more is simply better.
    ties : int
        Items whose sentences score alike; each counts as a half.
    """

    measure: str
    group: str
    value: float
    low: float | None
    high: float | None
    n: int
    n_units: int
    unit: str
    unbiased: float | None
    ties: int = 0


@dataclass(frozen=True, slots=True)
class Measure:
    """How rows become one number.

    Attributes
    ----------
    name : str
    value : callable
        Turns added columns [k, m] into scores [k].
    bounds : (float, float)
    unbiased : float or None
    unit : str
    """

    name: str
    value: Callable[[FloatArray], FloatArray]
    bounds: tuple[float, float] = SHARE
    unbiased: float | None = None
    unit: str = "template"

    def over(
        self, table: FloatArray, units: Sequence[Hashable], *, group: str = "", n: int | None = None, ties: int = 0
    ) -> BiasScore:
        """Score rows [n, m], of which each is in a unit; ``n`` items where a row is several."""
        value, ends = with_interval(table, self.value, numbered(units), bounds=self.bounds)
        low, high = ends or (None, None)
        return BiasScore(
            measure=self.name,
            group=group,
            value=value,
            low=low,
            high=high,
            n=len(table) if n is None else n,
            n_units=len(set(units)),
            unit=self.unit,
            unbiased=self.unbiased,
            ties=ties,
        )
