"""From the tokens of a shard to the rows that are kept of them, decided before the model runs.

Enters: which token is whose, and what is to be kept. Leaves: :class:`KeptRows`, the indexes of the rows and which
tokens each pools, in the order of the examples. Surprise: where words are kept by their means, what stands between two
words of an example (white space of a text, a template between two messages) has a row too, of no word: a mean over
several words is over these tokens as well, here as in a cache that keeps every token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.cache.examples import Kept
from probekit.cache.index import CacheIndex
from probekit.cache.keep import Keep
from probekit.cache.ranges import Longs, closing_rows, span_rows, with_text


@dataclass(frozen=True, slots=True)
class KeptRows:
    """The rows that a shard keeps of one stack.

    Attributes
    ----------
    index : CacheIndex
        Of the rows, with counts and stops.
    first, behind : int64 arrays [rows]
        The tokens that each pools, half open, counted over the stack's tokens of the shard.
    """

    index: CacheIndex
    first: Longs
    behind: Longs

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True, slots=True)
class Places:
    """The places of the examples of a shard that have a row each: int64 arrays [n].

    Attributes
    ----------
    example : ndarray
        Ordinal of the example.
    word, stop : ndarray
        The first word, -1 of a position of one token; the word behind the last.
    ends : ndarray of bool
        Whether no word of the example is behind.
    """

    example: Longs
    word: Longs
    stop: Longs
    ends: NDArray[np.bool_]

    @classmethod
    def of(cls, kept: Sequence[Kept], sizes: Sequence[int], start: int) -> Places:
        """Lay out the places of examples of so many words, the first of which is number `start`."""
        flat = [
            (start + offset, word, stop, stop == size)
            for offset, (places, size) in enumerate(zip(kept, sizes, strict=True))
            for word, stop in places
        ]
        example, word, stop, ends = np.array(flat, np.int64).reshape(-1, 4).T
        return cls(example, word, stop, ends.astype(bool))

    def take(self, rows: NDArray[np.intp]) -> Places:
        """Return some of them, in the given order."""
        return Places(self.example[rows], self.word[rows], self.stop[rows], self.ends[rows])


def rows_to_keep(keep: Keep, tokens: CacheIndex, places: Places | None, textless: Sequence[int]) -> KeptRows:
    """Return the rows of a stack.

    Parameters
    ----------
    keep : Keep
        Not every token.
    tokens : CacheIndex
        Example, word and token of every token of the shard, as the stack reads them.
    places : Places or None
        Of a cache that keeps places.
    textless : sequence of int
        Ids of tokens that are spaces alone, which are never the first of anything.
    """
    if places is None:
        return _rows_of_words(keep, tokens, textless)
    return _rows_of_places(keep, tokens, places, textless)


def _rows_of_words(keep: Keep, tokens: CacheIndex, textless: Sequence[int]) -> KeptRows:
    first = np.flatnonzero((np.diff(tokens.example, prepend=-1) != 0) | (np.diff(tokens.word, prepend=-2) != 0))
    behind = np.append(first[1:], len(tokens.word))
    example, word = tokens.example[first], tokens.word[first]
    # Special tokens before the first and behind the last word of an example are no part of anything.
    same = example[1:] == example[:-1]
    between = np.append(False, same) & np.append(same, False)
    stays = (word >= 0) | (between if keep.pool == "mean" else False)
    stop = np.where(word >= 0, word + 1, np.roll(word, -1))
    return _kept(keep, tokens, first[stays], behind[stays], (example[stays], word[stays], stop[stays]), textless)


def _rows_of_places(keep: Keep, tokens: CacheIndex, places: Places, textless: Sequence[int]) -> KeptRows:
    heads = np.flatnonzero(np.diff(tokens.example, prepend=-1))
    head_of = dict(zip(tokens.example[heads].tolist(), heads.tolist(), strict=True))
    head = np.array([head_of[ordinal] for ordinal in places.example.tolist()], np.int64)
    order = np.lexsort((places.stop, places.word, head))
    head, at = head[order], places.take(order)
    spans = np.stack([at.word, at.stop], axis=1)[:, None]
    bounds = span_rows(tokens, at.example, spans), closing_rows(tokens, at.example, at.stop, at.ends)
    first, behind = (np.where(at.word < 0, one[:, 0], span[:, 0]) for span, one in zip(*bounds, strict=True))
    empty = behind <= first
    first, behind = np.where(empty, head, first), np.where(empty, head, behind)
    return _kept(keep, tokens, first, behind, (at.example, at.word, at.stop), textless)


def _kept(
    keep: Keep,
    tokens: CacheIndex,
    first: Longs,
    behind: Longs,
    names: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    textless: Sequence[int],
) -> KeptRows:
    """Choose the tokens of rows by the pool, and write down which rows they are."""
    some = behind > first
    if keep.pool == "first":
        first = np.where(some, with_text(tokens, first, behind, textless), first)
        behind = np.where(some, first + 1, behind)
    elif keep.pool == "last":
        first = np.where(some, behind - 1, first)
    count = behind - first
    token = np.where(count == 1, tokens.token[np.minimum(first, len(tokens.token) - 1)], -1)
    example, word, stop = (column.astype(np.int32) for column in names)
    return KeptRows(
        CacheIndex(example, word, token.astype(np.int32), count.astype(np.int32), stop, keep), first, behind
    )
