"""Ridge regression of real-valued targets: every label set and strength from one eigendecomposition.

What enters: a layer's vectors and numbers. What leaves: predictions of dev and test, the strength chosen on
dev. The surprise: with the covariance of the training vectors cut into its axes once, a strength costs one
division, so the grid is free.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from numbers import Real
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from probekit.probing.estimator import require
from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings
from probekit.probing.number_problem import NumberProblem, NumberResult, choose_number
from probekit.probing.problem import Standardiser

FloatArray = NDArray[np.float64]
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
"""Values of C: the penalty is ``||w||^2 / (C n)`` beside the mean squared error."""


def fit_ridge(
    train: NDArray[np.float32],
    dev: NDArray[np.float32],
    test: NDArray[np.float32],
    problems: Sequence[NumberProblem],
    *,
    strengths: Sequence[float] = STRENGTHS,
    device: str = "cpu",
    curve: bool = False,
) -> list[NumberResult]:
    """Fit every problem, its strength chosen on dev by R2.

    Parameters
    ----------
    train, dev, test : float32 array [n, d]
        Raw vectors; standardised here by the training rows.
    problems : sequence of NumberProblem
    strengths : sequence of float
        Values of C, increasing; of equals the stronger penalty (the smaller C) is taken.
    device : str
    curve : bool
        Keep what every strength predicts.

    Returns
    -------
    list of NumberResult
        In the order of the problems.
    """
    standardiser = Standardiser.fit(train)
    X, X_dev, X_test = (torch.from_numpy(standardiser.transform(part)).to(device) for part in (train, dev, test))
    means = np.array([problem.y_train.mean() for problem in problems])
    Y = np.stack([problem.y_train for problem in problems], axis=1) - means
    covariance = (X.T @ X).double() / len(X)
    values, axes = torch.linalg.eigh(covariance)
    sides = axes.T @ ((X.T @ torch.from_numpy(Y.astype(np.float32)).to(device)).double() / len(X))
    penalties = [1 / (C * len(X)) for C in strengths]
    scale = values.clamp_min(0)[:, None] + torch.tensor(penalties, device=values.device, dtype=values.dtype)
    out = []
    for column, problem in enumerate(problems):
        # One column a strength.
        W = axes @ (sides[:, column : column + 1] / scale)
        guesses = [(part @ W.float()).double().cpu().numpy() + means[column] for part in (X_dev, X_test)]
        each = list(zip(guesses[0].T, guesses[1].T, strict=True))
        out.append(choose_number(problem, strengths, each, name="C", curve=curve))
    return out


def study(
    layers: Iterable[LayerMatrix], problems: Sequence[NumberProblem], settings: StudySettings
) -> Iterator[tuple[int | str, list[NumberResult]]]:
    """Fit task and control numbers of a layer from one eigendecomposition."""
    for matrix in layers:
        layer, parts = matrix.layer, (matrix.train, matrix.dev, matrix.test)
        # Names that outlive the fit would keep this layer in memory while the next one is read.
        del matrix
        results = fit_ridge(*parts, problems, device=settings.device, curve=settings.curve)
        del parts
        yield layer, results


class RidgeProbe(RegressorMixin, BaseEstimator):
    """Ridge regression of one number: the minimum of ``mean (w.x + b - y)^2 + ||w||^2 / (C n)``, b free.

    That is scikit-learn's ``Ridge(alpha=1 / C)``.

    Parameters
    ----------
    C : float, default 1.0
        Inverse strength of the penalty, in (0, inf]; ``inf`` means the least-squares fit of least length.

    Attributes
    ----------
    coef_ : ndarray, shape (d,)
    intercept_ : float
    n_features_in_ : int
    """

    def __init__(self, C: float = 1.0) -> None:
        self.C = C

    def fit(self, X: Any, y: Any) -> Self:
        """Solve for the weights.

        Parameters
        ----------
        X : array-like, shape (n, d)
        y : array-like, shape (n,)

        Returns
        -------
        RidgeProbe
            Itself.

        Raises
        ------
        UsageError
            A strength out of range.
        """
        require(isinstance(self.C, Real) and self.C > 0, self, "C", "a number in (0, inf]")
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        mean, centre = X.mean(axis=0), y.mean()
        left, sizes, right = np.linalg.svd(X - mean, full_matrices=False)
        kept = sizes > np.finfo(np.float64).eps * max(X.shape) * sizes.max(initial=0)
        shrunk = np.divide(sizes, sizes**2 + 1 / self.C, out=np.zeros_like(sizes), where=kept)
        self.coef_ = right.T @ (shrunk * (left.T @ (y - centre)))
        self.intercept_ = float(centre - mean @ self.coef_)
        return self

    def predict(self, X: Any) -> FloatArray:
        """Return the number of every row."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        return np.asarray(X @ self.coef_ + self.intercept_)


ESTIMATOR = Estimator(
    "ridge",
    study,
    seeded=False,
    reads="C of the L2 penalty, larger is weaker",
    targets="numbers",
    linear=True,
    scikit=RidgeProbe,
)
