"""The trees of every split, from the targets of a task of kind ``tree``, one a word.

A word that no token covers has no vector, but stays a node while distances are counted, so that those of the
others are true.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from probekit.errors import InputError
from probekit.example import SPLITS
from probekit.features import TargetTable
from probekit.statistics.trees import Tree, distances_of, spanning_trees


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
