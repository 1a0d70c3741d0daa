"""Logistic regression with L1 and L2 in equal parts: few dimensions carry the answer. One layer at a time."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any, Self

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from probekit.probing.estimator import FLOATS, VectorClassifier, margins, require, require_whole
from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings
from probekit.probing.problem import Problem, Result, Standardiser, check_problems, choose, softmax
from probekit.probing.solvers.objective import predict_codes
from probekit.probing.solvers.proximal import Sparse, fit_sparse

STRENGTHS = (0.003, 0.03, 0.3, 3.0)


class ElasticNetProbe(VectorClassifier):
    """Multinomial logistic regression with L1 and L2.

    Parameters
    ----------
    C : float, default 1.0
        Inverse strength of the penalty, above 0.
    l1_ratio : float, default 0.5
        1: the lasso; 0: the ridge.
    tol : float, default 1e-5
    max_iter : int, default 5000

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    coef_ : ndarray, shape (n_classes, d)
        Two classes have two rows, the optimum of the symmetric problem.
    intercept_ : ndarray, shape (n_classes,)
    n_iter_ : int
    n_features_in_ : int

    References
    ----------
    Zou & Hastie 2005, Regularization and variable selection via the elastic net.
    """

    def __init__(self, C: float = 1.0, *, l1_ratio: float = 0.5, tol: float = 1e-5, max_iter: int = 5000) -> None:
        self.C = C
        self.l1_ratio = l1_ratio
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any) -> Self:
        """Find the optimum.

        Parameters
        ----------
        X : array-like, shape (n, d)
        y : array-like, shape (n,)

        Returns
        -------
        ElasticNetProbe
            Itself.
        """
        require(isinstance(self.C, Real) and 0 < self.C < np.inf, self, "C", "a finite number above 0")
        require(isinstance(self.l1_ratio, Real) and 0 <= self.l1_ratio <= 1, self, "l1_ratio", "a number from 0 to 1")
        require(isinstance(self.tol, Real) and self.tol > 0, self, "tol", "a number above 0")
        require_whole(self, "max_iter")
        vectors, codes, _ = self._learn_classes(X, y, None, FLOATS)
        mean = vectors.mean(axis=0, dtype=np.float64)
        rows, labels = torch.from_numpy((vectors - mean).astype(np.float64)), torch.from_numpy(codes.astype(np.int64))
        end = self.solve(rows, labels[:, None], [self.C], n_classes=len(self.classes_))
        if not bool(end.converged[0]):
            warnings.warn(
                f"ElasticNetProbe stopped after {end.iterations} steps before its tolerance was reached. Raise "
                "max_iter, or C may be too large.",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.coef_ = end.W[0].numpy()
        self.intercept_ = end.b[0].numpy() - self.coef_ @ mean
        self.n_iter_ = end.iterations
        return self

    def solve(self, X: Tensor, y: Tensor, strengths: Sequence[float], *, n_classes: int) -> Sparse:
        """Minimise the problems of centred rows [n, d], one a column of codes [n, B] and a strength."""
        penalty = torch.tensor([1 / (C * len(X)) for C in strengths], dtype=X.dtype, device=X.device)
        ratio, tol, most = float(self.l1_ratio), float(self.tol), int(self.max_iter)
        return fit_sparse(X, y, penalty, n_classes=n_classes, l1_ratio=ratio, tol=tol, max_iter=most)

    def _scores(self, X: np.ndarray) -> np.ndarray:
        return margins(X.astype(np.float64) @ self.coef_.T + self.intercept_)


PROBE = ElasticNetProbe(tol=3e-3, max_iter=300)
"""The probe of a study, which is content with less: what dev chooses and predictions are settled long before."""


def study(
    layers: Iterable[LayerMatrix], problems: Sequence[Problem], settings: StudySettings
) -> Iterator[tuple[int | str, list[Result]]]:
    """Fit all strengths of all label sets of a layer together, and choose on dev."""
    for matrix in layers:
        check_problems(problems, STRENGTHS, n=len(matrix.train), n_dev=len(matrix.dev), weighted=False)
        standardiser = Standardiser.fit(matrix.train)
        X, dev, test = (
            torch.from_numpy(standardiser.transform(part)).to(settings.device)
            for part in (matrix.train, matrix.dev, matrix.test)
        )
        # [n, problems * strengths]: the strengths of a problem stand side by side.
        y = np.stack([problem.y_train for problem in problems for _ in STRENGTHS], 1).astype(np.int64)
        end = PROBE.solve(
            X, torch.from_numpy(y).to(X.device), STRENGTHS * len(problems), n_classes=problems[0].n_classes
        )
        predicted = [predict_codes(part, end.W, end.b).to(torch.int32).cpu().numpy() for part in (dev, test)]
        yield (
            matrix.layer,
            [_result(problem, i, predicted, end, (standardiser, dev, test)) for i, problem in enumerate(problems)],
        )


def _result(
    problem: Problem,
    number: int,
    predicted: Sequence[np.ndarray],
    end: Sparse,
    read: tuple[Standardiser, Tensor, Tensor],
) -> Result:
    """Choose a problem's strength; what was ``read`` is dev and test, standardised."""
    standardiser, *held_out = read
    own = slice(number * len(STRENGTHS), (number + 1) * len(STRENGTHS))
    dev, test = (part.T[own] for part in predicted)

    def proba(place: int) -> tuple[np.ndarray, np.ndarray]:
        at = own.start + place
        of_dev, of_test = (softmax((part @ end.W[at].T + end.b[at]).double().cpu().numpy()) for part in held_out)
        return of_dev, of_test

    passes, converged = 2 * end.iterations * len(STRENGTHS), end.converged[own].tolist()
    found = choose(
        problem,
        STRENGTHS,
        list(zip(dev, test, strict=True)),
        name="C",
        passes=passes,
        converged=converged,
        proba=proba,
    )
    chosen = own.start + STRENGTHS.index(found.strength)
    # Act on vectors as they were given.
    coef = end.W[chosen].cpu().numpy() / standardiser.rms
    intercept = end.b[chosen].cpu().numpy() - coef @ standardiser.mean
    return replace(found, coef=coef.astype(np.float32), intercept=intercept.astype(np.float32))


ESTIMATOR = Estimator(
    "elastic-net",
    study,
    seeded=False,
    proba=True,
    reads="C of the L1 and L2 penalties, larger is weaker",
    scikit=ElasticNetProbe,
)
