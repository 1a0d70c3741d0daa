"""The slow way, shared by the tests of this folder: float64, one row and one fit at a time.

Enters: a cache, a corpus read apart. Leaves: vectors, labels, scikit-learn's fits. Surprise: nothing here is taken
from the code under test but the cache's rows and their index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from probekit import ActivationCache

GRID = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""The strengths that ``probe`` compares, values of C."""


def token_rows(cache: ActivationCache) -> dict[tuple[int, int], list[int]]:
    """The rows of every word, by example and position."""
    index = cache.index("")
    rows: dict[tuple[int, int], list[int]] = {}
    for row, (example, word) in enumerate(zip(index.example.tolist(), index.word.tolist(), strict=True)):
        if word >= 0:
            rows.setdefault((example, word), []).append(row)
    return rows


def layer_of(cache: ActivationCache, layer: int) -> np.ndarray:
    """All rows of a layer, float64."""
    return cache.layer(layer, "").array().astype(np.float64)


def mean(vectors: np.ndarray, rows: Sequence[int]) -> np.ndarray:
    """The mean of some rows, added up one by one."""
    total = np.zeros(vectors.shape[1])
    for row in rows:
        total = total + vectors[row]
    return total / len(rows)


def scaled(train: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Centre by the training mean, divide by one root mean square of the training rows."""
    centre = train.mean(axis=0)
    size = np.sqrt(((train - centre) ** 2).mean())
    return [(part - centre) / size for part in (train, *others)]


@dataclass(frozen=True)
class Fitted:
    """The optimum of one strength, scored on dev and test."""

    C: float
    dev: float
    test: float


def fitted(X: Sequence[np.ndarray], y: Sequence[Sequence[object]], C: float) -> Fitted:
    """Fit one strength to its optimum.

    Scikit-learn's objective is C times the summed loss plus half the squared length of the weights: over n rows a
    penalty of 1 / (C n) beside the mean loss.
    """
    fit = LogisticRegression(C=C, tol=1e-7, max_iter=20_000).fit(X[0], y[0])
    return Fitted(C, float(fit.score(X[1], y[1])), float(fit.score(X[2], y[2])))


def chosen(fits: Sequence[Fitted]) -> Fitted:
    """The best on dev; of equals the stronger penalty."""
    return max(fits, key=lambda fit: (fit.dev, -fit.C))
