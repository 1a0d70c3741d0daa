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

from probekit.cache.index import CacheIndex
from probekit.cache.keep import SENTENCE, SPANS
from probekit.cache.ranges import closing_rows, place_rows, span_rows, with_text
from probekit.cache.reader import LayerView
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

    Rows of a cache that pooled tokens (``--keep``) weigh as many as they pool, so that a mean over several of them is
    the mean of the tokens; what such rows do not answer is refused.

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
        if table.ends is None:
            index.keep.check_pool(pool)
        whole = np.asarray((stop > first).all(axis=1))
        self.table = _without(table, whole)
        first, stop = first[whole], stop[whole]
        if pool in ("first", "endpoints") and len(textless):
            first = with_text(index, first, stop, textless)
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
        self._counts = None if index.count is None else index.count.astype(np.float64)
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
                    counts = None if self._counts is None else self._counts[low:high]
                    X[chosen, k * d : (k + 1) * d] = _means(block, first[chosen] - low, stop[chosen] - low, counts)
            low = high
        if self.pair == "concat":
            return X
        half = X.shape[1] // 2
        combine = np.multiply if self.pair == "product" else np.subtract
        return combine(X[:, :half], X[:, half:], out=zeros_like(X, (n, half)))


def _means(
    block: NDArray[np.float32],
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    counts: NDArray[np.float64] | None,
) -> NDArray[np.float32]:
    """Return the means of rows; a row that is itself the mean of tokens (`counts`) weighs as many as it pools."""
    sizes = stop - first
    if (sizes == 1).all():
        return block[first]
    pointers = np.concatenate([[0], np.cumsum(sizes)])
    columns = np.arange(pointers[-1]) - np.repeat(pointers[:-1] - first, sizes)
    if counts is None:
        weights = np.repeat((1.0 / sizes).astype(np.float32), sizes)
    else:
        own = counts[columns]
        weights = (own / np.repeat(np.add.reduceat(own, pointers[:-1]), sizes)).astype(np.float32)
    return np.asarray(sparse.csr_matrix((weights, columns, pointers), shape=(len(first), len(block))) @ block)


def token_ranges(index: CacheIndex, table: TargetTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row and the row behind the last of every span, [n, s]; equal where no token covers it.

    Rows of one example stand together and its words ascend, so a span is one range of rows. A table of places
    (``table.ends``) has the one row before the word behind the span, or the last one of its example.

    Raises
    ------
    UsageError
        The rows are of other places of the examples than the targets are about.
    """
    if index.keep.places:
        return _kept_ranges(index, table)
    if table.ends is None:
        return span_rows(index, table.example, table.spans)
    if index.keep.pooled:
        raise UsageError(
            f"A position of one token is asked for, and the cache keeps {index.keep.said} (--keep {index.keep.name}). "
            "Extract with --keep and the name of the position, or --keep tokens."
        )
    return closing_rows(index, table.example, table.spans[:, 0, 1], table.ends)


def _kept_ranges(index: CacheIndex, table: TargetTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of targets in a cache that keeps places; those of any other target are not in it."""
    spans = table.spans
    if table.ends is not None:
        spans = np.stack([np.full_like(spans[:, :, 0], -1), spans[:, :, 1]], axis=2)
    first, stop, kept = place_rows(index, table.example, spans)
    if not kept.all():
        lost = np.flatnonzero(~kept.all(axis=1))
        where = f"'{table.forms[lost[0]]:.60}' in example '{table.ids[table.example[lost[0]]]}'"
        raise UsageError(
            f"{len(lost):,} of {len(table):,} targets stand at other places than the cache keeps ({index.keep.name}), "
            f"the first of them {where}. {_kept_positions(index)} with --keep words (of a word or more), "
            "sentence (of whole examples), spans:TASK, the name of the position, or tokens."
        )
    return first, stop


def _kept_positions(index: CacheIndex) -> str:
    """Say by what option the positions are read that a cache keeps, where it keeps any; else to extract."""
    kept = [unit for unit in index.keep.units if unit != SENTENCE and not unit.startswith(f"{SPANS}:")]
    if not kept:
        return "Extract"
    return f"Ask at what is kept, where a command has the option: --at {' or --at '.join(kept)}. Or extract"


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
