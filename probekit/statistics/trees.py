"""Sentences as trees: distances between words and depths from heads, edges from distances.

Enters: heads, or distances that were measured or predicted. Leaves: arrays and edges. Surprise: a word without a vector
is left out of a :class:`Tree`, but was a node when the distances were counted, so that those of the others are true.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Tree:
    """One sentence.

    Attributes
    ----------
    example : int
        Ordinal.
    rows : slice
        Of its words among the rows of its split.
    words : int64 array [n]
        Positions of the words that have a vector.
    distances : int16 array [n, n]
        Edges between two words.
    depths : int16 array [n]
        Edges to the root.
    counted : bool array [n]
        The words that tree scores look at: all but punctuation.
    edges : set of (int, int)
        Of the tree over the counted words, the lower first.
    """

    example: int
    rows: slice
    words: NDArray[np.int64]
    distances: NDArray[np.int16]
    depths: NDArray[np.int16]
    counted: NDArray[np.bool_]
    edges: set[tuple[int, int]]

    def __len__(self) -> int:
        return len(self.words)


def distances_of(heads: Sequence[int]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return the distances between all words of a tree [n, n] and their depths [n].

    Parameters
    ----------
    heads : sequence of int
        Position of each word's head, from 0; -1 for the root.

    Raises
    ------
    ValueError
        There is not exactly one root, or the heads form a cycle.
    """
    n = len(heads)
    children: list[list[int]] = [[] for _ in range(n)]
    roots: list[int] = []
    for word, head in enumerate(heads):
        (children[head] if head >= 0 else roots).append(word)
    if len(roots) != 1:
        raise ValueError(f"{len(roots)} roots")
    distances = np.zeros((n, n), np.int16)
    order = [roots[0]]
    for place, word in enumerate(order):
        if place:
            known = order[:place]
            row = distances[heads[word], known] + 1
            distances[word, known] = row
            distances[known, word] = row
        order.extend(children[word])
    if len(order) < n:
        raise ValueError("a cycle")
    return distances, distances[roots[0]].copy()


def spanning_tree(distances: NDArray[Any], counted: NDArray[np.bool_]) -> set[tuple[int, int]]:
    """Return the edges (low, high) of the minimum spanning tree over the counted words; see :func:`spanning_trees`."""
    return spanning_trees([distances], [counted])[0]


def spanning_trees(
    distances: Sequence[NDArray[Any]], counted: Sequence[NDArray[np.bool_]]
) -> list[set[tuple[int, int]]]:
    """Return the edges (low, high) of each minimum spanning tree over the counted words [Prim 1957].

    Of equal distances that of the earlier first word is the shorter, then that of the earlier second word: as if all
    pairs, in their order, were sorted. Sentences with as many counted words grow their trees together.

    Parameters
    ----------
    distances : sequence of arrays [n, n]
        Symmetric; one a sentence.
    counted : sequence of bool arrays [n]
    """
    places = [np.flatnonzero(each) for each in counted]
    edges: list[set[tuple[int, int]]] = [set() for _ in places]
    together: dict[int, list[int]] = {}
    for sentence, own in enumerate(places):
        together.setdefault(len(own), []).append(sentence)
    for count, sentences in together.items():
        if count < 2:
            continue
        at = np.stack([places[sentence] for sentence in sentences])  # [s, m]
        D = np.stack([distances[sentence][np.ix_(*[places[sentence]] * 2)] for sentence in sentences])  # [s, m, m]
        for pairs in _grown(_ranks(D)):  # [s, 2], an edge of each sentence
            found = np.sort(np.take_along_axis(at, pairs, axis=1), axis=1)
            for sentence, (low, high) in zip(sentences, found.tolist(), strict=True):
                edges[sentence].add((low, high))
    return edges


def _ranks(D: NDArray[Any]) -> NDArray[np.int64]:
    """Replace the distances of all pairs by their places in order, so that no two are equal; [s, m, m]."""
    low, high = np.triu_indices(D.shape[1], 1)
    order = np.argsort(D[:, low, high], axis=1, kind="stable")
    R = np.full(D.shape, len(low))
    rows = np.arange(len(D))[:, None]
    R[rows, low[order], high[order]] = np.arange(len(low))
    return np.minimum(R, R.transpose(0, 2, 1))


def _grown(R: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the edges [s, 2] of spanning trees in the order in which they are added, from the first word on."""
    rows = np.arange(len(R))
    nearest, gap = np.zeros(R.shape[:2], np.int64), R[:, 0].copy()
    outside = np.ones(R.shape[:2], bool)
    outside[:, 0] = False
    for _ in range(R.shape[1] - 1):
        new = np.where(outside, gap, R.shape[1] ** 2).argmin(axis=1)
        yield np.stack([nearest[rows, new], new], axis=1)
        outside[rows, new] = False
        closer = outside & (R[rows, new] < gap)
        nearest = np.where(closer, new[:, None], nearest)
        gap = np.where(closer, R[rows, new], gap)
