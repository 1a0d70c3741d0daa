"""INLP: linear probes fitted again and again, each to what the projection of those before it left.

Enters: vectors and labels, and held-out ones by which it ends. Leaves: a :class:`Nullspace`. Surprise: the directions
of a probe are those of its weights *inside* of what is left, so that the whole stays an orthogonal projection.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from probekit.ablation.erasure.eraser import Eraser, FloatArray, vectors_of
from probekit.ablation.erasure.leace import concept_of
from probekit.errors import InputError
from probekit.probing.estimators.logistic import LogisticProbe

_EPSILON = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Nullspace:
    """What INLP found.

    Attributes
    ----------
    eraser : Eraser
        An orthogonal projection.
    scores : tuple of float
        Held-out accuracy before the first round, and after each.
    majority : float
        Held-out accuracy of always saying the most frequent training label.
    ended : bool
        Whether the last score is no better than the majority's; else the rounds were used up.
    """

    eraser: Eraser
    scores: tuple[float, ...]
    majority: float
    ended: bool


def inlp(X: Any, labels: Any, *, held_out: tuple[Any, Any], rounds: int = 30, C: float = 1.0) -> Nullspace:
    """Fit INLP: until a probe is no better than the majority on held-out rows, within one standard error.

    Parameters
    ----------
    X : array-like [n, d]
    labels : array-like [n]
    held_out : (array-like [m, d], array-like [m])
        What says when to end.
    rounds : int
        At most.
    C : float
        Inverse strength of the probes, of vectors of unit size.

    Raises
    ------
    InputError
        Shapes that do not fit, or fewer than two classes.

    References
    ----------
    Ravfogel et al. 2020, https://arxiv.org/abs/2004.07667
    """
    X, there = vectors_of(X), vectors_of(held_out[0])
    labels, held = np.asarray(labels), np.asarray(held_out[1])
    concept_of(labels, len(X))
    if len(held) != len(there) or there.shape[1] != X.shape[1]:
        raise InputError(f"Held-out vectors {there.shape} and labels {held.shape} do not fit {X.shape}.")
    mean = X.mean(0)
    size = float(np.sqrt(np.square(X - mean).mean())) or 1.0
    X, there = (X - mean) / size, (there - mean) / size
    classes, counts = np.unique(labels, return_counts=True)
    majority = float((held == classes[counts.argmax()]).mean())
    chance = majority + float(np.sqrt(majority * (1 - majority) / len(held)))
    basis, scores = np.zeros((0, X.shape[1])), []
    while True:
        left = Eraser.orthogonal(basis, np.zeros(X.shape[1]))
        probe = _fitted(left(X), labels, C)
        scores.append(float((probe.predict(left(there)) == held).mean()))
        ended = scores[-1] <= chance
        if ended or len(scores) > rounds:
            return Nullspace(Eraser.orthogonal(basis, mean), tuple(scores), majority, ended)
        basis = np.vstack([basis, _new_directions(probe.coef_, left)])


def _fitted(X: FloatArray, labels: Any, C: float) -> LogisticProbe:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # directions of a probe, not its optimum, are wanted
        return LogisticProbe(C).fit(X, labels)


def _new_directions(weights: Any, left: Eraser) -> FloatArray:
    """Return orthonormal rows that span weights where nothing was taken out."""
    _, sizes, rows = np.linalg.svd(left(weights), full_matrices=False)
    return rows[sizes > _EPSILON * max(float(sizes.max()), 1e-30)]
