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

from probekit.errors import InputError
from probekit.example import SPLITS
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
    found: dict[str, list[_Parsed]] = {split: [] for split in SPLITS}
    skipped = 0
    whole = dict(_sentences(asked))
    for example, rows in _sentences(covered):
        split = SPLITS[covered.split[rows.start]]
        try:
            distances, depths = distances_of([int(label) for label in asked.labels[whole[example]]])
        except ValueError:
            skipped += 1
            continue
        words, first = covered.spans[rows, 0, 0], covered.part(split).start
        among, own = distances[np.ix_(words, words)], slice(rows.start - first, rows.stop - first)
        found[split].append((example, own, words, among, depths[words], ~covered.passed_over[rows]))
    for split, parsed in found.items():
        if not any(len(depths) > 1 for *_, depths, _ in parsed):
            raise InputError(
                f"The {split} part holds no tree of two words or more: nothing to "
                f"{'learn' if split == 'train' else 'score'}. Give a corpus with more sentences."
            )
    return {split: _with_edges(parsed) for split, parsed in found.items()}, skipped


_Parsed = tuple[int, slice, NDArray[np.int64], NDArray[np.int16], NDArray[np.int16], NDArray[np.bool_]]


def _with_edges(parsed: Sequence[_Parsed]) -> list[Tree]:
    edges = spanning_trees([among for _, _, _, among, _, _ in parsed], [counted for *_, counted in parsed])
    return [Tree(*fields, edges=own) for fields, own in zip(parsed, edges, strict=True)]


def _sentences(table: TargetTable) -> Iterator[tuple[int, slice]]:
    """Yield each example with its rows; the rows of one stand together, words ascending."""
    edges = np.flatnonzero(np.diff(table.example, prepend=-1, append=-1))
    for start, stop in itertools.pairwise(edges):
        yield int(table.example[start]), slice(int(start), int(stop))


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
