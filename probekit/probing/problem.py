"""The nouns of a layer's study: a standardiser, the problems posed, the results that come back.

What enters: training vectors, integer codes. What leaves: frozen records that every estimator's
study shares. The surprise: a code of -1 in dev or test is a label training never showed; no
prediction equals it, so it counts as an error without a special case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from probekit.errors import InputError, NumericError, UsageError
from probekit.features.pooling import zeros_like

BLOCK = 2048
"""Rows worked on at a time."""


@dataclass(frozen=True, slots=True)
class Standardiser:
    """Centre and one scalar scale, so that a strength means the same at every layer.

    Attributes
    ----------
    mean : ndarray of float32, shape (d,)
    rms : float
        Root mean square of the centred training vectors, over rows and dimensions.
    """

    mean: np.ndarray
    rms: float

    @classmethod
    def fit(cls, X: np.ndarray) -> Standardiser:
        """Learn mean and scale from training rows (n, d).

        Raises
        ------
        NumericError
            The vectors hold NaN or infinity.
        """
        if len(X) == 0:
            raise InputError("There are no training rows: nothing to learn. Check the splits of the corpus.")
        # Blocks stay in the cache; their float32 sums are added up in float64.
        blocks = [X[start : start + BLOCK] for start in range(0, len(X), BLOCK)]
        with np.errstate(invalid="ignore", over="ignore"):
            mean = np.stack([block.sum(0) for block in blocks]).sum(0, dtype=np.float64) / len(X)
            centre, square = mean.astype(np.float32), 0.0
            for block in blocks:
                part = block - centre
                square += float(np.einsum("ij,ij->i", part, part).sum(dtype=np.float64))
        if not (np.isfinite(mean).all() and np.isfinite(square)):
            bad = np.flatnonzero(~np.isfinite(X).all(1))
            where = f"row {bad[0]} is the first of {len(bad)}" if len(bad) else "their squares overflow float32"
            raise NumericError(f"The training vectors hold NaN or infinity ({where}). Extract again in float32.")
        return cls(mean.astype(np.float32), float(np.sqrt(square / X.size)) or 1.0)

    def transform(self, X: np.ndarray, *, overwrite: bool = False) -> np.ndarray:
        """Centred and scaled copy, float32; of a matrix in a file, in another file. To ``overwrite`` is to change X."""
        out = X if overwrite else zeros_like(X, X.shape)
        for start in range(0, len(X), BLOCK):
            block = out[start : start + BLOCK]
            np.subtract(X[start : start + BLOCK], self.mean, out=block)
            block *= np.float32(1 / self.rms)
        return out


@dataclass(frozen=True, slots=True)
class Problem:
    """One label set over the rows of a layer.

    Attributes
    ----------
    name : str
    y_train, y_dev, y_test : ndarray of int, one code a row
        In [0, n_classes); -1 in dev and test: a label absent from training, always an error.
    n_classes : int
    weights : ndarray or None
        Weights of the training rows (a resample); None: all one.
    proba : bool
        Probabilities of dev and test are wanted, too.
    """

    name: str
    y_train: np.ndarray
    y_dev: np.ndarray
    y_test: np.ndarray
    n_classes: int
    weights: np.ndarray | None = None
    proba: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What one problem came to.

    Attributes
    ----------
    name : str
    strength : float
        Chosen on dev; for the logistic probe C, smaller is simpler.
    strength_name : str
        What it is: ``C``, ``k``, ``weight decay``.
    at_edge : bool
        The choice is the first or the last of the grid: a wider one may do better.
    strengths, dev_scores : tuple of float
        The grid, and the dev accuracy each reached when it was last looked at; NaN where that was never.
    dev_score, test_score : float
        Accuracy of the chosen fit.
    dev_codes, test_codes : ndarray of int32
        Its predictions.
    iterations : int
        Evaluations spent on all strengths of this problem.
    row_passes : float
        The same in passes over all training rows by one strength.
    converged : bool
    coef : ndarray of float32, shape (columns, d)
        Acts on vectors as they were given (the standardisation is folded in).
    intercept : ndarray of float32, shape (columns,)
    curve : mapping of float to (ndarray, ndarray) of int32
        What every strength predicts of dev and test at its optimum; empty where not all were taken there.
    proba : mapping of str to ndarray of float32, shape (n, n_classes)
        Probabilities of the chosen fit, of ``dev`` and ``test``; empty where the problem does not want them.
    said : str
        What a reader must know of this fit.
    """

    name: str
    strength: float
    strength_name: str
    at_edge: bool
    strengths: tuple[float, ...]
    dev_scores: tuple[float, ...]
    dev_score: float
    test_score: float
    dev_codes: np.ndarray
    test_codes: np.ndarray
    iterations: int
    row_passes: float
    converged: bool
    coef: np.ndarray | None = None
    intercept: np.ndarray | None = None
    curve: Mapping[float, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    proba: Mapping[str, np.ndarray] = field(default_factory=dict)
    said: str = ""

    def at(self, strength: float, y_dev: np.ndarray) -> Result:
        """Return what another strength of the curve came to."""
        dev, test = self.curve[strength]
        score = accuracy(dev, y_dev)
        return replace(self, strength=strength, curve={}, proba={}, dev_codes=dev, test_codes=test, dev_score=score)

    def predicted(self, split: str) -> np.ndarray:
        """Return the codes predicted of ``dev`` or ``test``."""
        return self.dev_codes if split == "dev" else self.test_codes


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return the probabilities of logits (n, K), or (n,) of two classes: (n, K) or (n, 2), float32."""
    if scores.ndim == 1:
        scores = np.stack([np.zeros_like(scores), scores], axis=1)
    exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True), np.float32)


def accuracy(codes: np.ndarray, y: np.ndarray) -> float:
    """Share of rows where the prediction is the label; NaN without rows."""
    return float(np.mean(codes == y)) if len(y) else float("nan")


def choose(
    problem: Problem,
    strengths: Sequence[float],
    predicted: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    name: str,
    last: bool = False,
    passes: float = 0.0,
    converged: Sequence[bool] = (),
    proba: Callable[[int], tuple[np.ndarray, np.ndarray]] | None = None,
) -> Result:
    """Return the result of the strength that is best on dev.

    Parameters
    ----------
    problem : Problem
    strengths : sequence of float
        The grid, increasing.
    predicted : sequence of (ndarray, ndarray)
        The codes that each strength predicts of dev and of test.
    name : str
        Of the strength.
    last : bool
        Of equals the last is the simplest probe, and taken; else the first.
    passes : float
        Passes over the training rows that all strengths took together.
    converged : sequence of bool
        Of each strength; empty: all have.
    proba : callable, optional
        ``proba(place)`` gives the probabilities of dev and of test of one strength, where the problem wants them.
    """
    scores = [accuracy(dev, problem.y_dev) for dev, _ in predicted]
    best = len(scores) - 1 - int(np.argmax(scores[::-1])) if last else int(np.argmax(scores))
    dev, test = (np.ascontiguousarray(part, dtype=np.int32) for part in predicted[best])
    return Result(
        name=problem.name,
        strength=float(strengths[best]),
        strength_name=name,
        at_edge=len(strengths) > 1 and best in (0, len(strengths) - 1),
        strengths=tuple(map(float, strengths)),
        dev_scores=tuple(scores),
        dev_score=scores[best],
        test_score=accuracy(test, problem.y_test),
        dev_codes=dev,
        test_codes=test,
        iterations=int(passes),
        row_passes=float(passes),
        converged=bool(converged[best]) if converged else True,
        proba=dict(zip(("dev", "test"), proba(best), strict=True)) if problem.proba and proba else {},
    )


def check_problems(
    problems: Sequence[Problem], strengths: Sequence[float], *, n: int, n_dev: int, weighted: bool = True
) -> None:
    """Refuse a study that cannot mean anything, before any fit; row weights where the estimator is not ``weighted``."""
    if not weighted and any(problem.weights is not None for problem in problems):
        raise UsageError("This estimator takes no row weights. Use the logistic probe for resamples.")
    if not strengths or not all(C > 0 for C in strengths) or list(strengths) != sorted(set(strengths)):
        raise UsageError(f"The strengths must be increasing numbers above 0, values of C. Got {list(strengths)}.")
    if n_dev == 0 and len(strengths) > 1:
        raise UsageError("A strength is chosen on dev rows, and there are none. Give one strength or a dev split.")
    for problem in problems:
        if len(problem.y_train) != n:
            raise UsageError(f"Problem '{problem.name}' has {len(problem.y_train)} training labels for {n} vectors.")
        seen = len(np.unique(problem.y_train))
        if seen < 2:
            raise InputError(
                f"'{problem.name}' has {seen} class(es) among {n} training rows: nothing to learn. "
                "Check the task, the corpus and its splits."
            )
