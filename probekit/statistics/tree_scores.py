"""What tree probes are scored by: UUAS and DSpr of distances, root accuracy and NSpr of depths.

Enters: predicted distances [n, n] or depths [n] of the sentences of a split. Leaves: counts that add up within a unit
of the bootstrap, and how counts become a score. Spearman correlations are averaged over sentences of one length first
and over lengths 5 to 50 after, so that short sentences do not decide [1]_.

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

from probekit.statistics.bootstrap import FloatArray
from probekit.statistics.trees import Tree, spanning_trees

SHORTEST, LONGEST = 5, 50
"""Lengths, in words, over which Spearman correlations are averaged."""


@dataclass(frozen=True, slots=True)
class TreeMetric:
    """A score of predicted trees.

    Attributes
    ----------
    name : str
    count : callable
        ``count(trees, predicted)`` gives the counts of every sentence, [sentences, m].
    value : callable
        ``value(counts)`` turns added counts [k, m] into scores [k].
    asks : callable
        ``asks(tree)``: whether a sentence has anything to be right or wrong about.
    """

    name: str
    count: Callable[[Sequence[Tree], Sequence[FloatArray]], FloatArray]
    value: Callable[[FloatArray], FloatArray]
    asks: Callable[[Tree], bool]

    def counts(
        self, trees: Sequence[Tree], predicted: Sequence[FloatArray], units: NDArray[np.int64], n_units: int
    ) -> FloatArray:
        """Return the counts of every unit, [n_units, m]."""
        rows = self.count(trees, predicted)
        out = np.zeros((n_units, rows.shape[1]))
        np.add.at(out, units, rows)
        return out


def _edge_counts(trees: Sequence[Tree], predicted: Sequence[FloatArray]) -> FloatArray:
    found = spanning_trees(predicted, [tree.counted for tree in trees])
    right = [len(tree.edges & edges) for tree, edges in zip(trees, found, strict=True)]
    return np.array([right, [len(tree.edges) for tree in trees]], np.float64).T


def shallowest(tree: Tree, predicted: FloatArray) -> int | None:
    """Return the place of the counted word that is predicted to be the root; None where no word is counted."""
    places = np.flatnonzero(tree.counted)
    return int(places[predicted[places].argmin()]) if len(places) else None


def _root_counts(trees: Sequence[Tree], predicted: Sequence[FloatArray]) -> FloatArray:
    found = [shallowest(tree, guess) for tree, guess in zip(trees, predicted, strict=True)]
    return np.array(
        [(place == tree.depths.argmin(), place is not None) for tree, place in zip(trees, found, strict=True)],
        np.float64,
    )


def spearman(predicted: FloatArray, gold: NDArray[np.int16]) -> FloatArray:
    """Return the correlation of ranks along the last axis; NaN where one side is constant."""
    a, b = (rankdata(values, axis=-1) for values in (predicted, gold))
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((a * b).sum(axis=-1) / np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1)))


def _of_such_length(tree: Tree) -> bool:
    return SHORTEST <= len(tree) <= LONGEST


def _correlations(
    trees: Sequence[Tree], predicted: Sequence[FloatArray], gold: Sequence[NDArray[np.int16]]
) -> FloatArray:
    """Put sum and number of each sentence's correlations at the place of its length, [sentences, 2 * lengths]."""
    out = np.zeros((len(trees), 2, LONGEST - SHORTEST + 1))
    lengths = np.array([len(tree) for tree in trees])
    for length in range(SHORTEST, LONGEST + 1):
        own = np.flatnonzero(lengths == length).tolist()
        if own:
            found = spearman(np.stack([predicted[i] for i in own]), np.stack([gold[i] for i in own]))
            found = found.reshape(len(own), -1)  # of every word, or of the sentence
            finite = np.isfinite(found)
            out[own, :, length - SHORTEST] = np.stack([np.where(finite, found, 0).sum(axis=1), finite.sum(axis=1)], 1)
    return out.reshape(len(trees), -1)


def _distance_correlations(trees: Sequence[Tree], predicted: Sequence[FloatArray]) -> FloatArray:
    return _correlations(trees, predicted, [tree.distances for tree in trees])


def _depth_correlations(trees: Sequence[Tree], predicted: Sequence[FloatArray]) -> FloatArray:
    return _correlations(trees, predicted, [tree.depths for tree in trees])


def _share(counts: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(counts[:, 0] / counts[:, 1])


def _mean_of_lengths(counts: FloatArray) -> FloatArray:
    sums, numbers = np.split(counts, 2, axis=1)
    means = np.divide(sums, numbers, out=np.zeros_like(sums), where=numbers > 0)
    with np.errstate(invalid="ignore"):
        return np.asarray(means.sum(axis=1) / (numbers > 0).sum(axis=1))


DISTANCE = (
    TreeMetric("uuas", _edge_counts, _share, lambda tree: bool(tree.edges)),
    TreeMetric("dspr", _distance_correlations, _mean_of_lengths, _of_such_length),
)
DEPTH = (
    TreeMetric("root_accuracy", _root_counts, _share, lambda tree: bool(tree.counted.any())),
    TreeMetric("nspr", _depth_correlations, _mean_of_lengths, _of_such_length),
)
TREE_METRICS = {metric.name: metric for metric in (*DISTANCE, *DEPTH)}
