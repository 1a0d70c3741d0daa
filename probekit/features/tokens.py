"""From a cache to the tokens around the targets, for estimators that learn how to read a span.

Enters: the index of a cache, the table of a :class:`~probekit.features.pooling.Pooler`. Leaves: for each layer the
vectors of every token of the examples that hold a target, with the place of each target among them. Surprise:
special tokens are not among them; what stands between two words is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.cache.index import CacheIndex
from probekit.cache.reader import LayerView
from probekit.errors import UsageError
from probekit.example import SPLITS
from probekit.features.pooling import token_ranges
from probekit.features.table import TargetTable

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TokenRows:
    """Tokens of whole examples, and the targets among them.

    Attributes
    ----------
    vectors : float32 array [rows, d]
    examples : int64 array [m, 2]
        Half-open row range of each example.
    spans : int64 array [n, s, 2]
        Half-open row ranges of the spans of each target.
    home : int64 array [n]
        Place in ``examples`` of each target's example.
    """

    vectors: NDArray[np.float32]
    examples: IntArray
    spans: IntArray
    home: IntArray

    def __len__(self) -> int:
        return len(self.spans)

    def take(self, targets: IntArray) -> TokenRows:
        """Keep some targets, and the tokens of their examples."""
        held, home = np.unique(self.home[targets], return_inverse=True)
        sizes = self.examples[held, 1] - self.examples[held, 0]
        stops = np.cumsum(sizes)
        moved = stops - sizes - self.examples[held, 0]
        rows = np.arange(sizes.sum()) - np.repeat(moved, sizes)
        return TokenRows(
            self.vectors[rows],
            np.stack([stops - sizes, stops], axis=1),
            self.spans[targets] + moved[home][:, None, None],
            home.astype(np.int64),
        )


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the tokens of one split are in the cache, and the targets among them."""

    rows: IntArray
    examples: IntArray
    spans: IntArray
    home: IntArray


class TokenGatherer:
    """Gathers the tokens of every example that has a target; made once, used for every layer.

    Parameters
    ----------
    index : CacheIndex
        Example and word of every row of the cache.
    table : TargetTable
        Only targets that a token covers, as :attr:`Pooler.table <probekit.features.pooling.Pooler>` is.

    Raises
    ------
    UsageError
        The rows are no tokens.
    """

    def __init__(self, index: CacheIndex, table: TargetTable) -> None:
        if index.keep.pooled:
            raise UsageError(
                f"This estimator reads every token around a target, and the cache keeps {index.keep.said} (--keep "
                f"{index.keep.name}). Extract with --keep tokens, or choose another estimator."
            )
        first, stop = token_ranges(index, table)
        inside = np.flatnonzero(index.word >= 0)
        order = inside[np.argsort(index.example[inside], kind="stable")]
        ordinals, starts = np.unique(index.example[order], return_index=True)
        ends = np.append(starts[1:], len(order)) - 1
        # Rows of one example stand together, so its first and its last word bound them.
        bounds = dict(
            zip(ordinals.tolist(), zip(order[starts].tolist(), order[ends].tolist(), strict=True), strict=True)
        )
        self._parts = {}
        for split in SPLITS:
            part = table.part(split)
            self._parts[split] = _places(table.example[part], bounds, np.stack([first[part], stop[part]], axis=2))

    def rows(self, view: LayerView, split: str) -> TokenRows:
        """Return the tokens of one split at a layer."""
        places = self._parts[split]
        return TokenRows(view[places.rows], places.examples, places.spans, places.home)

    @property
    def count(self) -> int:
        """Rows of all splits."""
        return sum(len(places.rows) for places in self._parts.values())


def _places(ordinals: IntArray, bounds: dict[int, tuple[int, int]], spans: IntArray) -> _Places:
    held, home = np.unique(ordinals, return_inverse=True)
    first = np.array([bounds[ordinal][0] for ordinal in held.tolist()], np.int64)
    sizes = np.array([bounds[ordinal][1] + 1 for ordinal in held.tolist()], np.int64) - first
    stops = np.cumsum(sizes)
    moved = stops - sizes - first
    rows = np.arange(sizes.sum()) - np.repeat(moved, sizes)
    return _Places(
        rows.astype(np.int64),
        np.stack([stops - sizes, stops], axis=1).astype(np.int64),
        spans + moved[home][:, None, None],
        home.astype(np.int64),
    )
