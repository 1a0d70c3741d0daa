"""Coordinates that fit where a problem is, not where it began.

Enters: an :class:`~probekit.probing.solvers.objective.Objective` and points on the way. Leaves: its coordinates
changed so that the Hessian's diagonal at those points is one, the points and the solver's memory carried over.
Surprise: the first coordinates take every class at its frequency. A probe that has learned is sure of most rows,
its Hessian is smaller by as much, and a gradient measured in the old coordinates would call it done too early.
"""

from __future__ import annotations

import torch
from torch import Tensor

from probekit.probing.solvers.lbfgs import Memory
from probekit.probing.solvers.objective import Objective


def reround(objective: Objective, keep: Tensor, u: Tensor, memory: Memory) -> None:
    """Change the coordinates of the problems ``keep``; objective, points and memory change in place.

    Parameters
    ----------
    objective : Objective
    keep : Tensor of int64, shape (n_kept,)
    u : Tensor, shape (n_problems, size)
    memory : Memory
        Of all problems.
    """
    W, b = objective.weights(u[keep], keep)
    diagonal, bias = curvature(objective, keep, W, b)
    old = torch.cat([objective.scale[keep], objective.bias_scale[keep, :, None]], dim=2).flatten(1)
    objective.scale[keep] = (diagonal + objective.labels.penalty[keep, None, None]).rsqrt().to(u.dtype)
    objective.bias_scale[keep] = bias.rsqrt().to(u.dtype)
    new = torch.cat([objective.scale[keep], objective.bias_scale[keep, :, None]], dim=2).flatten(1)
    u[keep] *= old / new
    memory.rescale(keep, old / new)


def curvature(objective: Objective, keep: Tensor, W: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return the diagonal of the mean loss's Hessian along the eigenvectors, and of the intercepts.

    Returns
    -------
    diagonal : Tensor of float64, shape (n_kept, columns, d)
    bias : Tensor of float64, shape (n_kept, columns)
        Both at least a small part of what they are for a class at its frequency.
    """
    B, K = b.shape
    rows, X, along = objective.some_rows
    Z = (X @ W.reshape(B * K, -1).T + b.reshape(B * K)).view(len(X), B, K)
    P = Z.sigmoid() if K == 1 else Z.softmax(2)
    doubt = (P * (1 - P)).reshape(len(X), B * K)
    if objective.labels.weights is not None:
        table = objective.labels.weights[rows][:, objective.labels.sets[keep]]
        doubt *= (table / table.sum(0)).repeat_interleave(K, dim=1)
    else:
        doubt /= len(X)
    priors = objective.labels.column_priors()[keep]
    spread = (priors * (1 - priors)).clamp_min(1e-3 / objective.n)
    least = 1e-4 * spread
    floor = least[:, :, None] * (objective.values + 1e-6 * objective.values.max()).double()
    diagonal = (doubt.T @ along).double().view(B, K, -1)
    return torch.maximum(diagonal, floor), torch.maximum(doubt.sum(0).double().view(B, K), least)
