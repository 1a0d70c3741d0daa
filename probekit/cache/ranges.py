"""Which rows of an index stand for some words of an example.

An index (example, word and token of every row) and ranges of words enter; half-open ranges of rows leave, equal ends
where there is none. Rows of one example stand together and its words ascend, so a range of words is one of rows. What
is pooled while a model runs and what is pooled when a cache is read go through here, so that both mean the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from probekit.cache.index import CacheIndex

Longs = NDArray[np.int64]
_SHIFT = np.int64(1) << 32


def span_rows(index: CacheIndex, example: Longs, spans: Longs) -> tuple[Longs, Longs]:
    """Return the first row and the row behind the last of spans.

    Parameters
    ----------
    index : CacheIndex
    example : int64 array [n]
    spans : int64 array [n, s, 2]
        Half-open ranges of words.

    Returns
    -------
    first, stop : int64 arrays [n, s]
    """
    place, rows = _words(index)
    if not len(rows):
        none = np.zeros(spans.shape[:2], np.int64)
        return none, none
    owner = example[:, None] * _SHIFT
    low = np.searchsorted(place, owner + spans[:, :, 0], "left")
    high = np.searchsorted(place, owner + spans[:, :, 1], "left")
    empty = high <= low
    first = rows[np.minimum(low, len(rows) - 1)]
    stop = rows[np.maximum(high, 1) - 1] + 1
    return np.where(empty, 0, first), np.where(empty, 0, stop)


def closing_rows(index: CacheIndex, example: Longs, stops: Longs, ends: NDArray[np.bool_]) -> tuple[Longs, Longs]:
    """Return the one row before a word, or (``ends``) the last one of its example, whatever it belongs to.

    Parameters
    ----------
    index : CacheIndex
    example, stops : int64 arrays [n]
        The word that the row stands before.
    ends : bool array [n]

    Returns
    -------
    first, stop : int64 arrays [n, 1]
    """
    last = np.flatnonzero(np.append(index.example[1:] != index.example[:-1], True))
    by_example = dict(zip(index.example[last].tolist(), last.tolist(), strict=True))
    final = np.array([by_example.get(ordinal, -1) for ordinal in example.tolist()], np.int64)
    place, rows = _words(index)
    before = np.full(len(example), -1, np.int64)
    if len(rows):
        after = example * _SHIFT + stops
        at = np.minimum(np.searchsorted(place, after, "left"), len(place) - 1)
        row = rows[at] - 1
        # The word behind must be the same example's, and so must what stands before it.
        there = (place[at] >= after) & (place[at] >> 32 == example) & (row >= 0)
        there &= index.example[np.maximum(row, 0)] == example
        before = np.where(there, row, -1)
    row = np.where(ends, final, before)[:, None]
    return np.where(row < 0, 0, row), np.where(row < 0, 0, row + 1)


def place_rows(index: CacheIndex, example: Longs, spans: Longs) -> tuple[Longs, Longs, NDArray[np.bool_]]:
    """Return the rows of a cache that keeps places: the one row of each, by exactly these words.

    Parameters
    ----------
    index : CacheIndex
        With counts and stops.
    example : int64 array [n]
    spans : int64 array [n, s, 2]
        The first word, -1 of a closing token; the word behind the last.

    Returns
    -------
    first, stop : int64 arrays [n, s]
        Equal where no token covers the place.
    kept : bool array [n, s]
        Whether the cache has the place at all.
    """
    assert index.stop is not None
    assert index.count is not None
    most = 2 + max(int(index.stop.max(initial=0)), int(index.word.max(initial=0)), int(spans.max(initial=0)))

    def keys(owner: Longs, word: Longs, stop: Longs) -> Longs:
        return (owner * most + word + 1) * most + stop

    own = keys(*(column.astype(np.int64) for column in (index.example, index.word, index.stop)))
    order = np.argsort(own, kind="stable")
    asked = keys(example[:, None], spans[:, :, 0], spans[:, :, 1])
    at = np.minimum(np.searchsorted(own[order], asked, "left"), len(own) - 1)
    row = order[at]
    kept = own[row] == asked
    there = kept & (index.count[row] > 0)
    return np.where(there, row, 0), np.where(there, row + 1, 0), kept


def with_text(index: CacheIndex, first: Longs, stop: Longs, textless: Sequence[int]) -> Longs:
    """Return the first row with text of every range; its first row where none has any."""
    n = len(index.token)
    texts = np.where(np.isin(index.token, textless), n, np.arange(n))
    following = np.minimum.accumulate(texts[::-1])[::-1][first]
    return np.where(following < stop, following, first)


def _words(index: CacheIndex) -> tuple[Longs, Longs]:
    """Return (example, word) of the rows of words as one ascending number each, and those rows."""
    inside = np.flatnonzero(index.word >= 0)
    # (example, word) as one sortable number; the cache orders examples by length, so sort once.
    place = index.example[inside].astype(np.int64) * _SHIFT + index.word[inside]
    order = np.argsort(place, kind="stable")
    return place[order], inside[order]
