"""How the neurons of a layer are ranked for a task: one file a ranking, found by scanning this folder.

A file sets ``RANKING = Ranking(name, rank, help, reference)``; the file is its own registration. Enters: training rows,
each neuron standardised, with their labels and the weights of a linear probe. Leaves: :class:`Ranked`. No ranking sees
dev or test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.registry import Registry

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a ranking may look at.

    Attributes
    ----------
    X : float array [n, d]
        Training rows; of each neuron the mean is 0 and the variance 1.
    y : int array [n]
        Codes of the labels, each of which some row has.
    n_classes : int
    coef : float array [classes, d] or [1, d]
        Of a linear probe on these vectors; two classes may be one column.
    """

    X: NDArray[np.floating]
    y: NDArray[np.integer]
    n_classes: int
    coef: NDArray[np.floating]

    @property
    def indicators(self) -> FloatArray:
        """Whether each row has each label, [n, classes]."""
        return np.asarray(np.arange(self.n_classes) == np.asarray(self.y)[:, None], np.float64)


@dataclass(frozen=True, slots=True)
class Ranked:
    """Neurons in order.

    Attributes
    ----------
    order : int64 array [d]
        The most important first.
    scores : float64 array [d]
        By neuron; greater is more important.
    by_class : float64 array [classes, d]
        The same for each label against the others.
    """

    order: NDArray[np.int64]
    scores: FloatArray
    by_class: FloatArray

    @classmethod
    def of(cls, scores: FloatArray, by_class: FloatArray) -> Ranked:
        """Order neurons by their scores; of equals the lower number is first."""
        return cls(np.argsort(-scores, kind="stable"), scores, by_class)


@dataclass(frozen=True, slots=True)
class Ranking:
    """A way to rank neurons.

    Attributes
    ----------
    name : str
        What the user types.
    rank : callable
        ``rank(evidence)`` gives :class:`Ranked`.
    help : str
        One line.
    reference : str
        Author, year and address.
    """

    name: str
    rank: Callable[[Evidence], Ranked]
    help: str
    reference: str


RANKINGS = Registry("ranking", Ranking, attribute="RANKING", group="probekit.rankings", home=__name__)


def rankings_of(names: Sequence[str] | None) -> Mapping[str, Ranking]:
    """Return the rankings that are named, in this order; None: every one of this folder and of installed packages.

    Raises
    ------
    UsageError
        A name that is no ranking.
    """
    if names is None:
        return RANKINGS.members()
    return {name: RANKINGS.get(name, "rankings") for name in names}


def above_chance(values: FloatArray, chance: FloatArray) -> FloatArray:
    """Return how much of what is left above chance each label's values reach, [classes, d]; labels then compare."""
    return np.asarray((values - chance[:, None]) / np.maximum(1 - chance[:, None], 1e-12))
