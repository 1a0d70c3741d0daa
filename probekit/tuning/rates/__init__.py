"""How hard training pulls: the rate over the steps, one shape a file, and its fall with depth.

Enters: how many steps are done, and how many there are. Leaves: the share of the peak rate at that step. A shape is a
pure function; a file sets ``RATE = Rate(name, share, help)`` and is its own registration. Steps count what the
optimizer stepped, not batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from probekit.registry import Registry
from probekit.tuning.options import bound

Share = Callable[[int, int], float]


@dataclass(frozen=True, slots=True)
class Rate:
    """A shape of rates over time.

    Attributes
    ----------
    name : str
    share : callable
        ``share(step, total, **options)`` gives the share of the peak, 0 to 1, at a step from 0 to ``total - 1``.
    help : str
        One line, with the paper.
    """

    name: str
    share: Callable[..., float]
    help: str

    def bind(self, options: Mapping[str, Any]) -> Share:
        """Return ``share(step, total)`` under options.

        Raises
        ------
        UsageError
            An option that this shape does not have, or a value that is not of its kind.
        """
        return bound(self.share, f"rate '{self.name}'", options)


RATES = Registry("rate", Rate, attribute="RATE", group="probekit.rates", home=__name__)


def get_rate(name: str) -> Rate:
    """Find a shape by name."""
    return RATES.get(name, "rate")


def by_depth(depth: int, top: int, factor: float) -> float:
    """Return the share of the peak at a depth: 1 at the top, ``factor`` times as much at each depth below [1]_.

    .. [1] Howard & Ruder 2018, Universal language model fine-tuning for text classification (discriminative rates).
    """
    return float(factor ** (top - depth))
