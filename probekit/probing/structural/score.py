"""What tree probes are scored by: UUAS and DSpr of distances, root accuracy and NSpr of depths.

Enters: predicted distances [n, n] or depths [n] of the sentences of a split. Leaves: counts that add up
within a unit of the bootstrap, and how counts become a score. Surprise: Spearman correlations are averaged
over sentences of one length first and over lengths 5 to 50 after, so that short sentences do not decide [1]_.

References
----------
.. [1] Hewitt & Manning 2019, A structural probe for finding syntax in word representations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from probekit.probing.structural.trees import Tree, spanning_tree

FloatArray = NDArray[np.float64]
SHORTEST, LONGEST = 5, 50
"""Lengths, in words, over which Spearman correlations are averaged."""


@dataclass(frozen=True, slots=True)
class TreeMetric:
    """A score of predicted trees.

    Attributes
    ----------
    name : str
    count : callable
        ``count(tree, predicted)`` gives the counts of one sentence, [m].
    value : callable
        ``value(counts)`` turns added counts [k, m] into scores [k].
    """

    name: str
    count: Callable[[Tree, FloatArray], FloatArray]
    value: Callable[[FloatArray], FloatArray]

    def counts(
        self, trees: Sequence[Tree], predicted: Sequence[FloatArray], units: NDArray[np.int64], n_units: int
    ) -> FloatArray:
        """Return the counts of every unit, [n_units, m]."""
        rows = np.stack([self.count(tree, guess) for tree, guess in zip(trees, predicted, strict=True)])
        out = np.zeros((n_units, rows.shape[1]))
        np.add.at(out, units, rows)
        return out


def _edge_counts(tree: Tree, predicted: FloatArray) -> FloatArray:
    right = tree.edges & spanning_tree(predicted, tree.counted)
    return np.array([len(right), len(tree.edges)], np.float64)


def _root_counts(tree: Tree, predicted: FloatArray) -> FloatArray:
    if not tree.counted.any():
        return np.zeros(2)
    places = np.flatnonzero(tree.counted)
    guess, gold = places[predicted[places].argmin()], places[tree.depths[places].argmin()]
    return np.array([guess == gold, 1.0])


def spearman(predicted: FloatArray, gold: NDArray[np.int16]) -> FloatArray:
    """Return the correlation of ranks along the last axis; NaN where one side is constant."""
    a, b = (rankdata(values, axis=-1) for values in (predicted, gold))
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((a * b).sum(axis=-1) / np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1)))


def _by_length(tree: Tree, correlations: FloatArray) -> FloatArray:
    """Put sum and number of a sentence's correlations at the place of its length."""
    out = np.zeros((2, LONGEST - SHORTEST + 1))
    if SHORTEST <= len(tree) <= LONGEST:
        finite = correlations[np.isfinite(correlations)]
        out[:, len(tree) - SHORTEST] = finite.sum(), len(finite)
    return out.ravel()


def _distance_correlations(tree: Tree, predicted: FloatArray) -> FloatArray:
    return _by_length(tree, spearman(predicted, tree.distances))


def _depth_correlations(tree: Tree, predicted: FloatArray) -> FloatArray:
    return _by_length(tree, np.atleast_1d(spearman(predicted, tree.depths)))


def _share(counts: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(counts[:, 0] / counts[:, 1])


def _mean_of_lengths(counts: FloatArray) -> FloatArray:
    sums, numbers = np.split(counts, 2, axis=1)
    means = np.divide(sums, numbers, out=np.zeros_like(sums), where=numbers > 0)
    with np.errstate(invalid="ignore"):
        return np.asarray(means.sum(axis=1) / (numbers > 0).sum(axis=1))


DISTANCE = (
    TreeMetric("uuas", _edge_counts, _share),
    TreeMetric("dspr", _distance_correlations, _mean_of_lengths),
)
DEPTH = (
    TreeMetric("root_accuracy", _root_counts, _share),
    TreeMetric("nspr", _depth_correlations, _mean_of_lengths),
)
TREE_METRICS = {metric.name: metric for metric in (*DISTANCE, *DEPTH)}
