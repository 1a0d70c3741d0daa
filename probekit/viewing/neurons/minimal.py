"""How few neurons keep a probe's score: sizes from one up, by a ranking and by random orders.

Enters: a layer, each neuron standardised, a problem, orders of its neurons. Leaves: fits by size. The smallest set is
the first of :func:`sizes_of` whose score on dev is enough; sizes beyond are not fitted. Test is only shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.probing.problem import Result

IntArray = NDArray[np.int64]
Fit = Callable[[IntArray], Result]


def sizes_of(d: int) -> list[int]:
    """Return the sizes that are tried: 1, 2, 3, 4, 6, 8, 12 ... and d itself, each at most half more than the last."""
    sizes = {size for power in range(d.bit_length()) for size in (2**power, 3 * 2**power // 2) if size < d}
    return [*sorted(sizes), d]


@dataclass(frozen=True, slots=True)
class Curve:
    """Fits on the first neurons of an order.

    Attributes
    ----------
    fits : dict of int to Result
        By number of neurons, ascending; the last one is the first that is enough on dev.
    """

    fits: Mapping[int, Result]

    @property
    def smallest(self) -> int:
        """Neurons of the smallest set that is enough."""
        return max(self.fits)


def shrink(order: IntArray, whole: Result, fit: Fit, *, keep: float) -> Curve:
    """Add neurons in order until a share of the whole layer's score on dev is kept.

    Parameters
    ----------
    order : int64 array [d]
    whole : Result
        Of all neurons.
    fit : callable
        ``fit(neurons)`` gives a :class:`~probekit.probing.problem.Result`.
    keep : float
        The share, above 0 and up to 1.
    """
    fits: dict[int, Result] = {}
    for size in sizes_of(len(order)):
        fits[size] = whole if size == len(order) else fit(order[:size])
        if fits[size].dev_score >= keep * whole.dev_score:
            break
    return Curve(fits)


def random_fits(
    orders: Sequence[IntArray], sizes: Sequence[int], whole: Result, fit: Fit
) -> Iterator[tuple[int, list[Result]]]:
    """Yield the fits on the first neurons of every random order, by size."""
    for size in sizes:
        yield size, [whole if size == len(order) else fit(np.sort(order[:size])) for order in orders]
