"""The words that bear a task's labels: where each is written, and the rows in which the model predicts it.

Enters: the index of a cache and targets of a task. Leaves: rows for :func:`~probekit.ablation.passes.laid_out`. Rows
are those that the cache was made from, token for token. A masked model reads a row a word, all tokens of which are
masked; a causal one reads the whole text and predicts each token from those before it. Surprise: the word at the
beginning of a text has nothing before it where the tokenizer puts no token there, so a causal model never predicts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.ablation.passes import Row
from probekit.cache.index import CacheIndex
from probekit.features import TargetTable
from probekit.features.pooling import token_ranges

Longs = NDArray[np.int64]
CAUSAL, MASKED = "causal", "masked"


class Texts:
    """The rows of a cache, example by example.

    Parameters
    ----------
    index : CacheIndex
    """

    def __init__(self, index: CacheIndex) -> None:
        order = np.argsort(index.example, kind="stable")
        ordinals, starts = np.unique(index.example[order], return_index=True)
        parts = np.split(order, starts[1:])
        self._rows = dict(zip(ordinals.tolist(), parts, strict=True))
        self._index = index

    def ids(self, example: int) -> NDArray[np.int32]:
        """Return what the model reads of an example, special tokens included."""
        return self._index.token[self._rows[example]]

    def places(self, example: int, start: int, stop: int) -> list[int]:
        """Return where the tokens of some words stand in an example; none of words without a token."""
        words = self._index.word[self._rows[example]]
        return np.flatnonzero((words >= start) & (words < stop)).tolist()

    def pooled(self, table: TargetTable) -> list[range]:
        """Return where the tokens stand in their examples that a probe's vector of each target is the mean of."""
        first, stop = (ends[:, 0].tolist() for ends in token_ranges(self._index, table))
        starts = [int(self._rows[example][0]) for example in table.example.tolist()]
        return [range(low - start, high - start) for low, high, start in zip(first, stop, starts, strict=True)]


@dataclass(frozen=True, slots=True)
class Bearing:
    """Which words bear the labels of which targets: a pair a word of a target.

    Attributes
    ----------
    targets : int64 array [pairs]
        Rows of the table.
    owners : int64 array [pairs]
        Numbers of the words.
    words : list of (int, int)
        Example and place of every word, once each.
    lost : int
        Words that the model never predicts: no token is theirs, or nothing stands before them.
    """

    targets: Longs
    owners: Longs
    words: list[tuple[int, int]]
    lost: int


def bearing_of(texts: Texts, table: TargetTable, rows: range, head: str) -> Bearing:
    """Return the words of some targets that the model predicts.

    Parameters
    ----------
    texts : Texts
    table : TargetTable
    rows : range
        Targets, rows of the table.
    head : {"causal", "masked"}
    """
    numbers: dict[tuple[int, int], int] = {}
    pairs: list[tuple[int, int]] = []
    lost: set[tuple[int, int]] = set()
    for row in rows:
        example, (start, stop) = int(table.example[row]), table.spans[row, 0].tolist()
        for word in range(start, stop):
            if (example, word) in lost:
                continue
            if (example, word) not in numbers:
                places = texts.places(example, word, word + 1)
                if not places or (head == CAUSAL and places[0] == 0):
                    lost.add((example, word))
                    continue
            pairs.append((row, numbers.setdefault((example, word), len(numbers))))
    targets, owners = np.array(pairs, np.int64).reshape(-1, 2).T
    return Bearing(targets, owners, list(numbers), len(lost))


def predicting_rows(texts: Texts, words: Sequence[tuple[int, int]], *, mask: int | None) -> list[Row]:
    """Return the rows in which words are predicted; the owner of each token is the number of its word.

    Parameters
    ----------
    texts : Texts
    words : sequence of (int, int)
    mask : int or None
        The id that stands in the place of each token of a word; None: the model is causal.
    """
    if mask is None:
        found: dict[int, tuple[list[int], list[int]]] = {}
        for number, (example, word) in enumerate(words):
            places, owners = found.setdefault(example, ([], []))
            its = texts.places(example, word, word + 1)
            places += its
            owners += [number] * len(its)
        return [
            Row(ids := texts.ids(example), [place - 1 for place in places], ids[places].tolist(), owners)
            for example, (places, owners) in found.items()
        ]
    rows = []
    for number, (example, word) in enumerate(words):
        ids, places = texts.ids(example).copy(), texts.places(example, word, word + 1)
        targets = ids[places].tolist()
        ids[places] = mask
        rows.append(Row(ids, places, targets, [number] * len(places)))
    return rows


def written_rows(texts: Texts, table: TargetTable) -> list[Row]:
    """Return the texts of a table as they are, with the tokens of every target; the owner is its row."""
    found: dict[int, tuple[list[int], list[int]]] = {}
    for row, its in enumerate(texts.pooled(table)):
        example = int(table.example[row])
        places, owners = found.setdefault(example, ([], []))
        places += its
        owners += [row] * len(its)
    return [
        Row(ids := texts.ids(example), places, ids[places].tolist(), owners)
        for example, (places, owners) in found.items()
    ]
