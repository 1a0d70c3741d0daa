"""Sets of numbers over the rows of a layer, and what a fit of each came to.

Enters: numbers of the three splits, and what each strength predicts. Leaves: one :class:`NumberResult`, its strength
chosen on dev by R2. Labels have theirs in :mod:`probekit.probing.problem`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True, slots=True)
class NumberProblem:
    """One set of numbers over the rows of a layer.

    Attributes
    ----------
    name : str
    y_train, y_dev, y_test : ndarray of float64, one number a row
    """

    name: str
    y_train: np.ndarray
    y_dev: np.ndarray
    y_test: np.ndarray


@dataclass(frozen=True, slots=True)
class NumberResult:
    """What one problem of numbers came to.

    Attributes
    ----------
    name : str
    strength, strength_name, at_edge, strengths, dev_scores
        As those of a :class:`Result`, with R2 for accuracy; None and empty where nothing is chosen.
    dev_score, test_score : float
        R2 of the chosen fit.
    dev, test : ndarray of float64
        Its predictions.
    converged : bool
    curve : mapping of float to (ndarray, ndarray) of float64
        What every strength predicts of dev and test.
    """

    name: str
    dev: np.ndarray
    test: np.ndarray
    dev_score: float
    test_score: float
    strength: float | None = None
    strength_name: str | None = None
    at_edge: bool = False
    strengths: tuple[float, ...] = ()
    dev_scores: tuple[float, ...] = ()
    converged: bool = True
    curve: Mapping[float, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def at(self, strength: float, y_dev: np.ndarray) -> NumberResult:
        """Return what another strength of the curve came to."""
        dev, test = self.curve[strength]
        return replace(self, strength=strength, curve={}, dev=dev, test=test, dev_score=float(r_squared(dev, y_dev)))

    def predicted(self, split: str) -> np.ndarray:
        """Return the numbers predicted of ``dev`` or ``test``."""
        return self.dev if split == "dev" else self.test


def r_squared(predicted: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return 1 - squared error / squared deviation, over the first axis; NaN where the targets are constant."""
    spread = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - ((predicted - y) ** 2).sum(axis=0) / spread)


def choose_number(
    problem: NumberProblem,
    strengths: Sequence[float],
    predicted: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    name: str,
    converged: Sequence[bool] = (),
    curve: bool = False,
) -> NumberResult:
    """Return the result of the strength whose R2 on dev is best; of equals the first, the simplest probe.

    Parameters
    ----------
    problem : NumberProblem
    strengths : sequence of float
        The grid, the simplest probe first.
    predicted : sequence of (ndarray, ndarray)
        The numbers that each strength predicts of dev and of test.
    name : str
        Of the strength.
    converged : sequence of bool
        Of each strength; empty: all have.
    curve : bool
        Keep what every strength predicts.
    """
    scores = [float(r_squared(dev, problem.y_dev)) for dev, _ in predicted]
    best = int(np.argmax(np.nan_to_num(scores, nan=-np.inf)))
    dev, test = predicted[best]
    return NumberResult(
        name=problem.name,
        strength=float(strengths[best]),
        strength_name=name,
        at_edge=len(strengths) > 1 and best in (0, len(strengths) - 1),
        strengths=tuple(map(float, strengths)),
        dev_scores=tuple(scores),
        dev_score=scores[best],
        test_score=float(r_squared(test, problem.y_test)),
        dev=dev,
        test=test,
        converged=bool(converged[best]) if converged else True,
        curve=dict(zip(map(float, strengths), predicted, strict=True)) if curve else {},
    )
