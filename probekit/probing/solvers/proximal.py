r"""The sparse linear probe: logistic regression with an elastic-net penalty, by accelerated proximal steps.

What enters: vectors and labels. What leaves: the optimum of

    mean_i loss_i + (r ||W||_1 + (1 - r) / 2 ||W||^2) / (C n),    intercept free,

which is scikit-learn's ``LogisticRegression(C=C, l1_ratio=r, solver="saga")``; strengths and label sets of a
layer take their steps together, as columns of one product [1]_. The surprise: the momentum is given up whenever
a step goes against it [2]_, problem by problem, which makes the descent nearly monotone without a line search.

References
----------
.. [1] Beck & Teboulle 2009, A fast iterative shrinkage-thresholding algorithm.
.. [2] O'Donoghue & Candes 2015, Adaptive restart for accelerated gradient schemes.
"""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from probekit.probing.estimator import VectorClassifier, require
from probekit.probing.problem import Standardiser


class Sparse(NamedTuple):
    """Fitted problems.

    Attributes
    ----------
    W : Tensor [B, K, d]
    b : Tensor [B, K]
    converged : Tensor of bool [B]
    iterations : int
    """

    W: Tensor
    b: Tensor
    converged: Tensor
    iterations: int


def fit_sparse(
    X: Tensor,
    y: Tensor,
    penalty: Tensor,
    *,
    n_classes: int,
    l1_ratio: float = 0.5,
    tol: float = 1e-4,
    max_iter: int = 500,
) -> Sparse:
    """Minimise B problems over the same rows.

    Parameters
    ----------
    X : Tensor [n, d]
        Centred.
    y : Tensor of int64 [n, B]
    penalty : Tensor [B]
        1 / (C n) of each problem.
    n_classes : int
    l1_ratio : float
        Share of the L1 part, 0 .. 1.
    tol : float
        Stop a problem when a step moves no weight by more than this share of the largest one.
    max_iter : int

    Returns
    -------
    Sparse
    """
    B, K, d = y.shape[1], n_classes, X.shape[1]
    # The curvature of the softmax loss is at most half of that of the squares.
    curvature = 0.5 * _largest_eigenvalue(X) + penalty * (1 - l1_ratio)
    step = 1 / (1.01 * curvature)
    bias_step = 2.0
    W, b = X.new_zeros(B, K, d), X.new_zeros(B, K)
    V, c, t = W.clone(), b.clone(), X.new_ones(B)
    done = torch.zeros(B, dtype=torch.bool, device=X.device)
    shrink = (step * penalty * l1_ratio)[:, None, None]
    used = 0
    while used < max_iter and not bool(done.all()):
        used += 1
        gradient, bias = _gradient(X, y, V, c)
        gradient += (penalty * (1 - l1_ratio))[:, None, None] * V
        ahead = V - step[:, None, None] * gradient
        new = ahead.sign() * (ahead.abs() - shrink).clamp_min(0)
        new_b = c - bias_step * bias
        against = ((V - new) * (new - W)).sum((1, 2)) + ((c - new_b) * (new_b - b)).sum(1) > 0
        moved = torch.maximum((new - W).abs().amax((1, 2)), (new_b - b).abs().amax(1))
        size = torch.maximum(new.abs().amax((1, 2)), new_b.abs().amax(1)).clamp_min(1e-12)
        later = torch.where(against, torch.ones_like(t), 0.5 * (1 + (1 + 4 * t * t).sqrt()))
        momentum = torch.where(against, torch.zeros_like(t), (t - 1) / later)
        V, c = new + momentum[:, None, None] * (new - W), new_b + momentum[:, None] * (new_b - b)
        W, b, t = new, new_b, later
        done |= moved <= tol * size
    return Sparse(W, b, done, used)


def _gradient(X: Tensor, y: Tensor, W: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient of the mean loss of every problem: [B, K, d] and [B, K]."""
    B, K, d = W.shape
    P = torch.addmm(b.reshape(B * K), X, W.reshape(B * K, d).T).view(-1, B, K).softmax(2)
    P.scatter_add_(2, y[:, :, None], -torch.ones_like(y, dtype=P.dtype)[:, :, None])
    flat = P.reshape(len(X), B * K)
    return (flat.T @ X).view(B, K, d) / len(X), flat.mean(0).view(B, K)


def _largest_eigenvalue(X: Tensor) -> Tensor:
    return torch.linalg.eigvalsh((X.T @ X).double() / len(X))[-1].to(X.dtype)


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
        require(isinstance(self.max_iter, Real) and self.max_iter >= 1, self, "max_iter", "an int of at least 1")
        vectors, codes, _ = self._learn_classes(X, y, None, [np.float64, np.float32])
        mean = vectors.mean(axis=0, dtype=np.float64)
        rows = torch.from_numpy((vectors - mean).astype(np.float64))
        end = fit_sparse(
            rows,
            torch.from_numpy(codes.astype(np.int64))[:, None],
            torch.tensor([1 / (self.C * len(rows))], dtype=torch.float64),
            n_classes=len(self.classes_),
            l1_ratio=float(self.l1_ratio),
            tol=float(self.tol),
            max_iter=int(self.max_iter),
        )
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

    def _scores(self, X: np.ndarray) -> np.ndarray:
        scores = X.astype(np.float64) @ self.coef_.T + self.intercept_
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores


def standardised(*parts: np.ndarray, device: str) -> tuple[list[Tensor], Standardiser]:
    """Return all parts standardised by the first."""
    standardiser = Standardiser.fit(parts[0])
    return [torch.from_numpy(standardiser.transform(part)).to(device) for part in parts], standardiser
