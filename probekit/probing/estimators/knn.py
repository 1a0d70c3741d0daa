"""Nearest neighbours: the probe without parameters. k is chosen on dev.

All label sets of a layer share its neighbours. Surprise: vectors are centred before the cosine, since the vectors of
language models share a large common part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.probing.estimator import FLOATS, VectorClassifier, margins, require, require_whole
from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings
from probekit.probing.problem import Problem, Result, check_problems, choose, softmax

KS = (1, 3, 10, 30)
QUERIES = 1024
"""Rows compared with all training rows at a time."""
METRICS = ("cosine", "euclidean")


class NeighbourProbe(VectorClassifier):
    """The most frequent class among the k nearest training vectors; of equals the nearest one's.

    Parameters
    ----------
    k : int, default 10
    metric : {"cosine", "euclidean"}, default "cosine"
        Of the centred vectors.
    device : str, default "cpu"

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    vectors_ : ndarray of float32, shape (n, d)
        Centred; of unit length for the cosine.
    codes_ : ndarray of int64, shape (n,)
    mean_ : ndarray of float32, shape (d,)
    n_features_in_ : int
    """

    def __init__(self, k: int = 10, *, metric: str = "cosine", device: str = "cpu") -> None:
        self.k = k
        self.metric = metric
        self.device = device

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
        require_whole(self, "k")
        require(self.metric in METRICS, self, "metric", "'cosine' or 'euclidean'")
        vectors, self.codes_, _ = self._learn_classes(X, y, None, FLOATS)
        return self.keep(vectors)

    def keep(self, vectors: np.ndarray) -> Self:
        """Keep training vectors (n, d) whose labels come later."""
        self.mean_ = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.vectors_ = self._placed(vectors)
        return self

    def neighbours(self, X: np.ndarray, k: int) -> NDArray[np.int64]:
        """Return the k nearest training rows of each row, nearest first [n, k]."""
        rows, queries = torch.from_numpy(self.vectors_).to(self.device), self._placed(X)
        half = 0.5 * (rows * rows).sum(1)
        found = np.empty((len(X), k), np.int64)
        for start in range(0, len(X), QUERIES):
            near = torch.from_numpy(queries[start : start + QUERIES]).to(self.device) @ rows.T
            if self.metric == "euclidean":
                near -= half
            found[start : start + QUERIES] = near.topk(k, dim=1).indices.cpu().numpy()
        return found

    def _placed(self, X: np.ndarray) -> NDArray[np.float32]:
        """Centre vectors, and give them unit length for the cosine."""
        out = (X - self.mean_).astype(np.float32)
        if self.metric == "cosine":
            lengths = np.sqrt(np.einsum("ij,ij->i", out, out))
            out /= np.where(lengths > 0, lengths, 1)[:, None]
        return out

    def _scores(self, X: np.ndarray) -> np.ndarray:
        """Log shares of the votes; a class without one counts as a hundredth of a vote."""
        k = min(int(self.k), len(self.vectors_))
        return margins(log_shares(votes(self.codes_[self.neighbours(X, k)], len(self.classes_))))


def log_shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logits of votes; a class without one counts as a hundredth of a vote."""
    return np.asarray(np.log(counts + 0.01))


def votes(codes: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """Count the codes of each row's neighbours [n, k] by class: [n, n_classes].

    A nearer neighbour's vote weighs a little more; together that is less than one vote, so it decides ties only.
    """
    weights = 1 + 0.5 ** np.arange(1, codes.shape[1] + 1)
    table = np.zeros((len(codes), n_classes))
    np.add.at(table, (np.arange(len(codes))[:, None], codes), weights)
    return table


def study(
    layers: Iterable[LayerMatrix], problems: Sequence[Problem], settings: StudySettings
) -> Iterator[tuple[int | str, list[Result]]]:
    """Find the neighbours of dev and test rows once a layer, and let them vote on every label set."""
    for matrix in layers:
        check_problems(problems, [1.0], n=len(matrix.train), n_dev=len(matrix.dev), weighted=False)
        ks = [k for k in KS if k <= len(matrix.train)]
        probe = NeighbourProbe(device=settings.device).keep(matrix.train)
        near = [probe.neighbours(part, ks[-1]) for part in (matrix.dev, matrix.test)]
        yield matrix.layer, [_result(problem, ks, near) for problem in problems]


def _result(problem: Problem, ks: Sequence[int], near: Sequence[NDArray[np.int64]]) -> Result:
    y = problem.y_train.astype(np.int64)
    each = [[votes(y[rows[:, :k]], problem.n_classes) for rows in near] for k in ks]
    predicted = [(dev.argmax(axis=1), test.argmax(axis=1)) for dev, test in each]

    def proba(place: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        dev, test = (softmax(log_shares(counts)) for counts in each[place])
        return dev, test

    return choose(problem, ks, predicted, name="k", last=True, proba=proba)


ESTIMATOR = Estimator(
    "knn",
    study,
    seeded=False,
    proba=True,
    reads="number of neighbours, more is simpler",
    scikit=NeighbourProbe,
    parameter="k",
)
