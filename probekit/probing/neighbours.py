"""Nearest neighbours: the probe without parameters.

What enters: vectors and labels. What leaves: a fitted :class:`NeighbourProbe`, and the study's neighbours of
dev and test rows, found once for all label sets. The surprise: vectors are centred before the cosine, since
the vectors of language models share a large common part.
"""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.probing.estimator import VectorClassifier, require

QUERIES = 1024
"""Rows compared with all training rows at a time."""
METRICS = ("cosine", "euclidean")


class NeighbourProbe(VectorClassifier):
    """The most frequent class among the k nearest training vectors.

    Parameters
    ----------
    k : int, default 10
    metric : {"cosine", "euclidean"}, default "cosine"
        Of the centred vectors.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    vectors_ : ndarray of float32, shape (n, d)
        Centred; of unit length for the cosine.
    codes_ : ndarray of int64, shape (n,)
    mean_ : ndarray, shape (d,)
    n_features_in_ : int
    """

    def __init__(self, k: int = 10, *, metric: str = "cosine") -> None:
        self.k = k
        self.metric = metric

    def fit(self, X: Any, y: Any) -> Self:
        """Keep the training vectors.

        Parameters
        ----------
        X : array-like, shape (n, d)
        y : array-like, shape (n,)

        Returns
        -------
        NeighbourProbe
            Itself.
        """
        require(isinstance(self.k, Integral) and self.k >= 1, self, "k", "an int of at least 1")
        require(self.metric in METRICS, self, "metric", "'cosine' or 'euclidean'")
        vectors, self.codes_, _ = self._learn_classes(X, y, None, [np.float64, np.float32])
        self.mean_ = vectors.mean(axis=0)
        self.vectors_ = placed(vectors, self.mean_, self.metric)
        return self

    def _scores(self, X: np.ndarray) -> np.ndarray:
        """Log shares of the votes; a class without one counts as a hundredth of a vote."""
        k = min(int(self.k), len(self.vectors_))
        votes = np.zeros((len(X), len(self.classes_)))
        queries = placed(X, self.mean_, self.metric)
        for rows, found in neighbours(self.vectors_, queries, k=k, metric=self.metric):
            np.add.at(votes[rows], (np.arange(len(found))[:, None], self.codes_[found]), 1)
        scores = np.log(votes + 0.01)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores


def placed(X: np.ndarray, mean: np.ndarray, metric: str) -> NDArray[np.float32]:
    """Centre vectors, and give them unit length for the cosine."""
    out = (X - mean).astype(np.float32)
    if metric == "cosine":
        lengths = np.sqrt(np.einsum("ij,ij->i", out, out))
        out /= np.where(lengths > 0, lengths, 1)[:, None]
    return out


def neighbours(
    train: NDArray[np.float32], queries: NDArray[np.float32], *, k: int, metric: str, device: str = "cpu"
) -> Iterator[tuple[slice, NDArray[np.int64]]]:
    """Yield blocks of queries with their k nearest training rows, nearest first [block, k].

    Both are :func:`placed` already.
    """
    rows = torch.from_numpy(train).to(device)
    half = 0.5 * (rows * rows).sum(1)
    for start in range(0, len(queries), QUERIES):
        block = torch.from_numpy(queries[start : start + QUERIES]).to(device)
        near = block @ rows.T
        if metric == "euclidean":
            near -= half
        yield slice(start, start + len(block)), near.topk(k, dim=1).indices.cpu().numpy()


def votes(codes: NDArray[np.int64], k: int, n_classes: int) -> NDArray[np.int32]:
    """Return the most frequent of the first k codes of each row [n, most]; of equals the nearest one's.

    A nearer neighbour's vote weighs a little more; together that is less than one vote, so it decides ties only.
    """
    weights = 1 + 0.5 ** np.arange(1, k + 1)
    table = np.zeros((len(codes), n_classes))
    np.add.at(table, (np.arange(len(codes))[:, None], codes[:, :k]), weights)
    return table.argmax(axis=1).astype(np.int32)
