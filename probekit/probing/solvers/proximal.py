r"""The sparse linear probe: logistic regression with an elastic-net penalty, by accelerated proximal steps.

What enters: vectors and codes. What leaves: the optimum of

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

from typing import NamedTuple

import torch
from torch import Tensor


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
