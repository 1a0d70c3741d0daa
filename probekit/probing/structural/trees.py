"""Sentences as trees: distances between words and depths, from heads.

Enters: the targets of a task of kind ``tree``, one a word. Leaves: the trees of a split. Surprise: a word
that no token covers has no vector, but stays a node of its tree, so that distances of the others are true.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.corpus.example import SPLITS
from probekit.errors import InputError
from probekit.features import TargetTable


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


def trees_of(asked: TargetTable, covered: TargetTable) -> tuple[dict[str, list[Tree]], int]:
    """Return the trees of every split, and how many sentences have no single root.

    Parameters
    ----------
    asked : TargetTable
        Every word; labels are positions of heads.
    covered : TargetTable
        The words that have a vector.

    Raises
    ------
    InputError
        A split holds no tree with two words.
    """
    trees: dict[str, list[Tree]] = {split: [] for split in SPLITS}
    skipped = 0
    whole = dict(_sentences(asked))
    for example, rows in _sentences(covered):
        split = SPLITS[covered.split[rows.start]]
        nodes = whole[example]
        if nodes.stop - nodes.start < 2:
            continue
        try:
            distances, depths = distances_of([int(label) for label in asked.labels[nodes]])
        except ValueError:
            skipped += 1
            continue
        words = covered.spans[rows, 0, 0]
        first = covered.part(split).start
        among = distances[np.ix_(words, words)]
        counted = ~covered.passed_over[rows]
        trees[split].append(
            Tree(
                example=example,
                rows=slice(rows.start - first, rows.stop - first),
                words=words,
                distances=among,
                depths=depths[words],
                counted=counted,
                edges=spanning_tree(among, counted),
            )
        )
    for split, found in trees.items():
        if not any(len(tree) > 1 for tree in found):
            raise InputError(
                f"The {split} part holds no tree of two words or more: nothing to "
                f"{'learn' if split == 'train' else 'score'}. Give a corpus with more sentences."
            )
    return {split: [tree for tree in found if len(tree) > 1] for split, found in trees.items()}, skipped


def _sentences(table: TargetTable) -> Iterator[tuple[int, slice]]:
    """Yield each example with its rows; the rows of one stand together, words ascending."""
    edges = np.flatnonzero(np.diff(table.example, prepend=-1, append=-1))
    for start, stop in itertools.pairwise(edges):
        yield int(table.example[start]), slice(int(start), int(stop))


def spanning_tree(distances: NDArray[Any], counted: NDArray[np.bool_]) -> set[tuple[int, int]]:
    """Return the edges (low, high) of the minimum spanning tree over the counted words [Prim 1957].

    Of equal distances the one whose new word comes first is taken.
    """
    places = np.flatnonzero(counted)
    if len(places) < 2:
        return set()
    D = distances[np.ix_(places, places)]
    nearest, gap = np.zeros(len(places), np.int64), D[0].astype(np.float64)
    gap[0] = np.inf
    outside = np.ones(len(places), bool)
    outside[0] = False
    edges = set()
    for _ in range(len(places) - 1):
        new = int(np.where(outside, gap, np.inf).argmin())
        if not outside[new]:  # only infinite distances are left
            new = int(outside.argmax())
        a, b = int(places[nearest[new]]), int(places[new])
        edges.add((min(a, b), max(a, b)))
        outside[new] = False
        closer = outside & (D[new] < gap)
        nearest[closer], gap[closer] = new, D[new][closer]
    return edges
