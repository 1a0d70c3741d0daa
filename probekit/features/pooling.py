"""From token rows to one vector a target.

Enters: the index of a cache, a :class:`~probekit.features.table.TargetTable`. Leaves: for each layer a float32 matrix
with one row a target, in memory or in a temporary file that has no name any more (nothing is left behind however the
process ends; its blocks are reserved first, so that a full disk is an error here). Surprise: a target that no token
covers leaves the table here, counted by its words.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from probekit.cache.reader import CacheIndex, LayerView
from probekit.errors import ResourceError, UsageError, did_you_mean
from probekit.features.table import TargetTable

POOLS = ("mean", "first", "last", "endpoints")
PAIRS = ("concat", "product", "difference")


class Pooler:
    """Turns token rows into one vector a target; made once, used for every layer.

    Parameters
    ----------
    index : CacheIndex
        Example and word of every row of the cache.
    table : TargetTable
    pool : {"mean", "first", "last", "endpoints"}
        How the tokens of a span become one vector. The mean is over all of the span's tokens; first is the first token
        *with text*, passing over a space that a tokenizer put in a piece of its own (``Ġ`` before ``?``); endpoints
        are that token's vector and the last one's, one behind the other [1]_.
    pair : {"concat", "product", "difference"}
        How the vectors of the two spans of a pair become one, number by number.
    textless : sequence of int
        Ids of the tokens that spell spaces and nothing else (:attr:`ActivationCache.textless
        <probekit.cache.reader.ActivationCache>`).

    Notes
    -----
    A piece that is a space alone belongs to the word that follows it. It counts in the mean, which leaves out nothing
    that the model read for the word (one row of two where the word is ``?``), and never for the first.

    ``table`` (the attribute) is the given one without the targets that no token covers; their
    words are counted in ``table.without_token``.

    References
    ----------
    .. [1] Lee et al. 2017, End-to-end neural coreference resolution.
    """

    def __init__(
        self,
        index: CacheIndex,
        table: TargetTable,
        *,
        pool: str = "mean",
        pair: str = "concat",
        textless: Sequence[int] = (),
    ) -> None:
        for option, value, known in (("pool", pool, POOLS), ("pair", pair, PAIRS)):
            if value not in known:
                hint = did_you_mean(value, known)
                raise UsageError(f"The `{option}` option must be one of {', '.join(known)}. Got '{value}'.{hint}")
        if pair != "concat" and table.spans.shape[1] != 2:
            raise UsageError(f"The `pair` option says '{pair}', and the targets are no pairs. Leave it out.")
        first, stop = token_ranges(index, table)
        whole = np.asarray((stop > first).all(axis=1))
        self.table = _without(table, whole)
        first, stop = first[whole], stop[whole]
        if pool in ("first", "endpoints") and len(textless):
            first = _with_text(index, first, stop, textless)
        if pool == "first":
            stop = first + 1
        elif pool == "last":
            first = stop - 1
        self.ranges = []
        for k in range(first.shape[1]):
            if pool == "endpoints":
                self.ranges += [(first[:, k], first[:, k] + 1), (stop[:, k] - 1, stop[:, k])]
            else:
                self.ranges.append((first[:, k], stop[:, k]))
        self.pool, self.pair = pool, pair
        self.width = len(self.ranges)
        """Vectors of the layer that are in memory for one target."""
        self.scratch: Path | None = None
        """Folder for matrices that do not go into memory."""

    def matrix(self, view: LayerView) -> NDArray[np.float32]:
        """Return X, float32 [n, d]; d is the layer's width times the vectors of a target."""
        n, d = len(self.table), view.shape[1]
        X = zeros((n, self.width * d), self.scratch)
        low = 0
        for block in view.float_blocks():
            high = low + len(block)
            for k, (first, stop) in enumerate(self.ranges):
                chosen = np.flatnonzero((first >= low) & (first < high))
                if len(chosen):
                    X[chosen, k * d : (k + 1) * d] = _means(block, first[chosen] - low, stop[chosen] - low)
            low = high
        if self.pair == "concat":
            return X
        half = X.shape[1] // 2
        combine = np.multiply if self.pair == "product" else np.subtract
        return combine(X[:, :half], X[:, half:], out=zeros_like(X, (n, half)))


def _means(block: NDArray[np.float32], first: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float32]:
    counts = stop - first
    if (counts == 1).all():
        return block[first]
    pointers = np.concatenate([[0], np.cumsum(counts)])
    columns = np.arange(pointers[-1]) - np.repeat(pointers[:-1] - first, counts)
    weights = np.repeat((1.0 / counts).astype(np.float32), counts)
    return np.asarray(sparse.csr_matrix((weights, columns, pointers), shape=(len(first), len(block))) @ block)


def token_ranges(index: CacheIndex, table: TargetTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row and the row behind the last of every span, [n, s]; equal where no token covers it.

    Rows of one example stand together and its words ascend, so a span is one range of rows. A table of places
    (``table.ends``) has the one row before the word behind the span, or the last one of its example.
    """
    inside = np.flatnonzero(index.word >= 0)
    # (example, word) as one sortable number; the cache orders examples by length, so sort once.
    shift = np.int64(1) << 32
    place = index.example[inside].astype(np.int64) * shift + index.word[inside]
    order = np.argsort(place, kind="stable")
    place, rows = place[order], inside[order]
    example = table.example[:, None] * shift
    if table.ends is not None:
        return _closing(index, table, place, rows)
    low = np.searchsorted(place, example + table.spans[:, :, 0], "left")
    high = np.searchsorted(place, example + table.spans[:, :, 1], "left")
    empty = high <= low
    first = rows[np.minimum(low, len(rows) - 1)]
    stop = rows[np.maximum(high, 1) - 1] + 1
    return np.where(empty, 0, first), np.where(empty, 0, stop)


def _closing(
    index: CacheIndex, table: TargetTable, place: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the one row of each target [n, 1]; ``place`` are (example, word) in order, ``rows`` theirs."""
    assert table.ends is not None
    after = table.example * (np.int64(1) << 32) + table.spans[:, 0, 1]
    at = np.minimum(np.searchsorted(place, after, "left"), len(place) - 1)
    before = rows[at] - 1
    # The word behind must be the same example's, and so must what stands before it.
    there = (place[at] >= after) & (place[at] >> 32 == table.example) & (before >= 0)
    there &= index.example[np.maximum(before, 0)] == table.example
    last = np.flatnonzero(np.append(index.example[1:] != index.example[:-1], True))
    by_example = dict(zip(index.example[last].tolist(), last.tolist(), strict=True))
    final = np.array([by_example.get(ordinal, -1) for ordinal in table.example.tolist()], np.int64)
    row = np.where(table.ends, final, np.where(there, before, -1))[:, None]
    return np.where(row < 0, 0, row), np.where(row < 0, 0, row + 1)


def _with_text(
    index: CacheIndex, first: NDArray[np.int64], stop: NDArray[np.int64], textless: Sequence[int]
) -> NDArray[np.int64]:
    """Return the first row with text of every span [n, s]; the first row where none has any."""
    n = len(index.token)
    texts = np.where(np.isin(index.token, textless), n, np.arange(n))
    following = np.minimum.accumulate(texts[::-1])[::-1][first]
    return np.where(following < stop, following, first)


def _without(table: TargetTable, whole: NDArray[np.bool_]) -> TargetTable:
    if whole.all():
        return table
    # A count of its own: a table may be pooled several times, and each of its words is left out once.
    lost = Counter(table.forms[row] for row in np.flatnonzero(~whole))
    return replace(table.take(np.flatnonzero(whole)), without_token=lost)


def zeros(shape: tuple[int, ...], folder: Path | None) -> NDArray[np.float32]:
    """Return zeros of float32, in memory or (with a folder) in a temporary file of it.

    Raises
    ------
    ResourceError
        The folder cannot be written, or has no room.
    """
    size = 4 * int(np.prod(shape))
    if folder is None or size == 0:
        return np.zeros(shape, np.float32)
    path = None
    try:
        handle, path = tempfile.mkstemp(prefix=".probekit-", suffix=".matrix", dir=folder)
        try:
            os.posix_fallocate(handle, 0, size)
        finally:
            os.close(handle)
        return np.memmap(path, np.float32, "r+", shape=shape)
    except OSError as error:
        raise ResourceError(
            f"A layer's matrix of {size / 1e9:.1f} GB does not go into a temporary file in {folder}: {error.strerror}. "
            "Free some space, set TMPDIR to a folder with more, or raise --max-ram."
        ) from error
    finally:
        if path is not None:
            os.unlink(path)


def zeros_like(X: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return zeros where ``X`` lies: in memory, or in a file of the same folder."""
    name = X.filename if isinstance(X, np.memmap) else None
    return zeros(shape, None if name is None else Path(name).parent)
