"""Ridge regression of real-valued targets: every label set and strength from one eigendecomposition.

What enters: a layer's vectors and numbers. What leaves: predictions of dev and test, the strength chosen on
dev. The surprise: with the covariance of the training vectors cut into its axes once, a strength costs one
division, so the grid is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.probing.problem import Standardiser

FloatArray = NDArray[np.float64]
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
"""Values of C: the penalty is ``||w||^2 / (C n)`` beside the mean squared error."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """One set of real-valued targets over the rows of a layer.

    Attributes
    ----------
    name : str
    train, dev, test : float64 array [n]
    """

    name: str
    train: FloatArray
    dev: FloatArray
    test: FloatArray


@dataclass(frozen=True, slots=True)
class Fitted:
    """What one set of targets came to.

    Attributes
    ----------
    name : str
    strength : float
        C, chosen on dev.
    at_edge : bool
        It is the first or last of the grid.
    dev_scores : tuple of float
        R2 on dev of every strength.
    dev, test : float64 array [n]
        Predictions.
    """

    name: str
    strength: float
    at_edge: bool
    dev_scores: tuple[float, ...]
    dev: FloatArray
    test: FloatArray


def r_squared(predicted: FloatArray, y: FloatArray) -> FloatArray:
    """Return 1 - squared error / squared deviation, over the first axis; NaN where the targets are constant."""
    spread = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - ((predicted - y) ** 2).sum(axis=0) / spread)


def fit_ridge(
    train: NDArray[np.float32],
    dev: NDArray[np.float32],
    test: NDArray[np.float32],
    targets: Sequence[Numbers],
    *,
    strengths: Sequence[float] = STRENGTHS,
    device: str = "cpu",
) -> list[Fitted]:
    """Fit every set of targets, its strength chosen on dev by R2.

    Parameters
    ----------
    train, dev, test : float32 array [n, d]
        Raw vectors; standardised here by the training rows.
    targets : sequence of Numbers
    strengths : sequence of float
        Values of C, increasing; of equals the stronger penalty (the smaller C) is taken.
    device : str

    Returns
    -------
    list of Fitted
        In the order of the targets.
    """
    standardiser = Standardiser.fit(train)
    X, X_dev, X_test = (torch.from_numpy(standardiser.transform(part)).to(device) for part in (train, dev, test))
    means = np.array([numbers.train.mean() for numbers in targets])
    Y = np.stack([numbers.train for numbers in targets], axis=1) - means
    covariance = (X.T @ X).double() / len(X)
    values, axes = torch.linalg.eigh(covariance)
    sides = axes.T @ ((X.T @ torch.from_numpy(Y.astype(np.float32)).to(device)).double() / len(X))
    scale = values.clamp_min(0)[:, None] + 1 / torch.tensor(strengths, device=values.device, dtype=values.dtype)
    out = []
    for column, numbers in enumerate(targets):
        # One column a strength.
        W = axes @ (sides[:, column : column + 1] / scale)
        guesses = [(part @ W.float()).double().cpu().numpy() + means[column] for part in (X_dev, X_test)]
        scores = np.nan_to_num(r_squared(guesses[0], numbers.dev[:, None]), nan=-np.inf)
        best = int(scores.argmax())
        out.append(
            Fitted(
                name=numbers.name,
                strength=float(strengths[best]),
                at_edge=len(strengths) > 1 and best in (0, len(strengths) - 1),
                dev_scores=tuple(scores.tolist()),
                dev=guesses[0][:, best],
                test=guesses[1][:, best],
            )
        )
    return out
