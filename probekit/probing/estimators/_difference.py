"""Directions by formula: the class behind the difference of means, and the study of directions found in contrasts.

Enters: vectors and labels; of contrasts the group of each row. Leaves: one direction a layer, where its threshold lies,
and how sure its answers are. Nothing is descended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from probekit.errors import InputError
from probekit.probing.contrasts import contrasted
from probekit.probing.estimator import FLOATS, VectorClassifier, margins, require
from probekit.probing.estimators import LayerMatrix, StudySettings
from probekit.probing.problem import Problem, Result, Standardiser, check_problems, choose

FloatArray = NDArray[np.float64]


class MeanDifferenceProbe(VectorClassifier):
    r"""The difference of the class means, its threshold halfway between them [1]_.

    With the means :math:`\mu_k` and the covariance within classes :math:`\Sigma` the score of a class is
    :math:`\mu_k^\top \Lambda^{-1} x - \mu_k^\top \Lambda^{-1} \mu_k / 2`,
    :math:`\Lambda = (1 - s) \Sigma + s (\mathrm{tr} \Sigma / d) I`: of two classes the direction is
    :math:`\Lambda^{-1} (\mu_1 - \mu_0)`. At shrinkage 1 that is the difference of the means itself; below it, the
    difference is whitened, and at 0 it is Fisher's discriminant. Scores are log odds under normal classes of equal
    frequency and covariance :math:`\Lambda`.

    Parameters
    ----------
    shrinkage : float, default 1.0
        s, from above 0 to 1.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    coef_ : ndarray, shape (n_classes, d)
    intercept_ : ndarray, shape (n_classes,)
    n_features_in_ : int

    References
    ----------
    .. [1] Marks & Tegmark 2024, The geometry of truth: emergent linear structure in large language model
       representations of true/false datasets.
    """

    def __init__(self, shrinkage: float = 1.0) -> None:
        self.shrinkage = shrinkage

    def fit(self, X: Any, y: Any) -> Self:
        """Take the means and the covariance.

        Parameters
        ----------
        X : array-like, shape (n, d)
        y : array-like, shape (n,)

        Returns
        -------
        MeanDifferenceProbe
            Itself.

        Raises
        ------
        UsageError
            A shrinkage out of range.
        InputError
            Fewer than two classes.
        """
        known = isinstance(self.shrinkage, Real) and 0 < self.shrinkage <= 1
        require(known, self, "shrinkage", "a number above 0 and at most 1")
        X, codes, _ = self._learn_classes(X, y, None, FLOATS)
        X = X.astype(np.float64)
        counts = np.bincount(codes)
        sums = np.zeros((len(counts), X.shape[1]))
        np.add.at(sums, codes, X)
        means = sums / counts[:, None]  # [K, d]
        # Scores are of vectors about the middle of the means, where float errors are smallest.
        middle = means.mean(axis=0)
        means -= middle
        self.coef_ = self._weigh(X - middle - means[codes], means)
        self.intercept_ = -(self.coef_ * means).sum(axis=1) / 2 - self.coef_ @ middle
        return self

    def _weigh(self, within: FloatArray, means: FloatArray) -> FloatArray:
        """Return the means times the inverse of the covariance within classes, [K, d]."""
        n, d = within.shape
        s, size = float(self.shrinkage), float((within**2).sum()) / (n * d)
        if size == 0:  # each class is one point
            return means
        if s == 1:
            return means / size
        covariance = (1 - s) / n * (within.T @ within)
        covariance[np.diag_indices(d)] += s * size
        return np.asarray(cho_solve(cho_factor(covariance), means.T).T)

    def _scores(self, X: np.ndarray) -> np.ndarray:
        return margins(X.astype(np.float64) @ self.coef_.T + self.intercept_)


Direction = tuple[FloatArray, str]
"""A direction [d] of standardised vectors, and what must be said of it."""

Find = Callable[[FloatArray, NDArray[np.int64], NDArray[np.int64]], Direction]
"""``find(X, codes, groups)`` gives a direction from training vectors, their codes and their groups."""


def study_direction(
    find: Find, name: str, layers: Iterable[LayerMatrix], problems: Sequence[Problem], settings: StudySettings
) -> Iterator[tuple[int | str, list[Result]]]:
    """Find a direction for every layer and problem, and answer by which side of the middle a row is on."""
    for matrix in layers:
        check_problems(problems, [1.0], n=len(matrix.train), n_dev=len(matrix.dev), weighted=False)
        groups = contrasts_of(settings)["train"]
        standardiser = Standardiser.fit(matrix.train)
        train, *others = (
            standardiser.transform(part).astype(np.float64) for part in (matrix.train, matrix.dev, matrix.test)
        )
        results = []
        for problem in problems:
            w, said = find(train, problem.y_train.astype(np.int64), groups)
            scores = log_odds(train @ w, problem.y_train, [part @ w for part in others])
            result = choose(problem, [1.0], [_codes(scores)], name=name)
            proba = dict(zip(("dev", "test"), map(_proba, scores), strict=True)) if problem.proba else {}
            results.append(replace(result, said=said, proba=proba))
        yield matrix.layer, results


def contrasts_of(settings: StudySettings) -> dict[str, NDArray[np.int64]]:
    """Return the groups of the rows.

    Raises
    ------
    InputError
        Nobody said which rows belong together.
    """
    if settings.contrasts is None:
        raise InputError("This estimator is fitted on contrasts, and no groups of rows were given. Name another.")
    return dict(settings.contrasts)


def differences(X: FloatArray, codes: NDArray[np.int64], groups: NDArray[np.int64]) -> FloatArray:
    """Return in each group that has both the mean of class 1 less that of class 0, [groups with both, d]."""
    n = int(groups.max(initial=-1)) + 1
    means = []
    for code in (1, 0):
        rows = codes == code
        sums = np.zeros((n, X.shape[1]))
        np.add.at(sums, groups[rows], X[rows])
        means.append(sums / np.maximum(np.bincount(groups[rows], minlength=n), 1)[:, None])
    return (means[0] - means[1])[contrasted(codes, groups)]


def log_odds(along: FloatArray, codes: NDArray[np.integer], others: Sequence[FloatArray]) -> list[FloatArray]:
    """Return the log odds of class 1 of other rows, from training projections, their codes and others' projections.

    Both classes are taken as normal, equally frequent and of one variance, so that 0 is halfway between their means.
    """
    low, high = (float(along[codes == code].mean()) for code in (0, 1))
    within = along - np.where(codes == 1, high, low)
    gap, variance = high - low, float((within**2).mean())
    # Of two points alone the gap is the scale.
    return [(part - (low + high) / 2) * gap / (variance or gap**2 or 1.0) for part in others]


def _codes(scores: Sequence[FloatArray]) -> tuple[np.ndarray, np.ndarray]:
    dev, test = ((part > 0).astype(np.int32) for part in scores)
    return dev, test


def _proba(scores: FloatArray) -> np.ndarray:
    return np.stack([expit(-scores), expit(scores)], axis=1).astype(np.float32)
