"""How much each member of an ensemble counts: one file each.

Enters: what every member said of rows that none of them trained on, and what is true (:class:`Choosing`). Leaves: a
weight a member, 0 or more, adding up to 1. A file sets ``WEIGHTING = Weighting(name, weigh, help)``; it is its own
registration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.registry import Registry
from probekit.statistics.mixtures import log_loss, mixture

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Choosing:
    """What weights are chosen from.

    Attributes
    ----------
    said : float64 array [members, n, outputs]
        Log-probabilities of the classes, or one number.
    gold : array [n]
        Codes (-1: a label that training never showed), or numbers.
    targets : {"labels", "numbers"}
    score : callable
        ``score(combined)`` gives the main metric of what was combined [n, outputs].
    """

    said: FloatArray
    gold: NDArray[Any]
    targets: str
    score: Callable[[FloatArray], float]

    def combined(self, weights: FloatArray) -> FloatArray:
        """Return what the members say together [n, outputs]."""
        return combine(self.said, weights, self.targets)

    def loss(self, weights: FloatArray) -> float:
        """Return the mean loss of what they say together: nats, or half the squared error."""
        found = self.combined(weights)
        if self.targets == "labels":
            return log_loss(found, self.gold)
        return float(((found[:, 0] - self.gold) ** 2).mean() / 2)


def combine(said: FloatArray, weights: FloatArray, targets: str) -> FloatArray:
    """Return what members say together [n, outputs]: the mixture of their probabilities, or the mean of their numbers.

    Parameters
    ----------
    said : float64 array [members, n, outputs]
    weights : float64 array [members] or [members, n]
    targets : {"labels", "numbers"}
    """
    if targets == "labels":
        return mixture(said, weights)
    given = weights.reshape(len(weights), -1, 1)
    return np.asarray((np.where(given > 0, said, 0.0) * given).sum(axis=0))


@dataclass(frozen=True, slots=True)
class Weighting:
    """A way to weigh.

    Attributes
    ----------
    name : str
    weigh : callable
        ``weigh(choosing)`` gives the weights, float64 [members].
    help : str
        One line, with the paper.
    """

    name: str
    weigh: Callable[[Choosing], FloatArray]
    help: str


WEIGHTINGS = Registry("weighting", Weighting, attribute="WEIGHTING", group="probekit.weightings", home=__name__)


def get_weighting(name: str) -> Weighting:
    """Find a way to weigh by name."""
    return WEIGHTINGS.get(name, "weights")
