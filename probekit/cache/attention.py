"""The attention weights of one block of a cache, sentence by sentence.

A tensor's spec, the index and the function that maps its blocks enter; square matrices leave. Of each sentence of n
tokens n x n pairs are kept, a row of numbers a pair, one a head. Where they begin is not written down: it follows from
how many rows each sentence has in the index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit import plain
from probekit.cache.format.names import ShardSpec, TensorSpec
from probekit.cache.layers import RowError, as_float32
from probekit.errors import CacheError


@dataclass(frozen=True, slots=True)
class _Sentences:
    """Where the sentences of one shard are: arrays [sentences], by their ordinal."""

    first_row: NDArray[np.int64]
    tokens: NDArray[np.int64]
    first_pair: NDArray[np.int64]


class AttentionView:
    """The attention weights of one block; `ActivationCache.attention` makes it.

    Attributes
    ----------
    name : str
        The tensor: ``weights.03``.
    heads : int
    dtype : str
        As stored.

    Examples
    --------
    ::

        weights = cache.attention(3)
        weights[0]  # of the first sentence: float32 [heads, tokens, tokens], each row adds up to 1
        cache.index().token[weights.rows(0)]  # those tokens
    """

    def __init__(
        self,
        spec: TensorSpec,
        shards: Sequence[ShardSpec],
        *,
        index: Callable[[int], NDArray[np.int32]],
        block: Callable[[str, int], NDArray[Any]],
        where: str,
    ) -> None:
        self.name = spec.name
        self.heads = spec.width
        self.dtype = spec.dtype
        self._shards = shards
        self._index = index
        self._block = block
        self._where = where
        self._known: dict[int, _Sentences] = {}
        self._rows_before: dict[int, int] = {0: 0}

    def __len__(self) -> int:
        """Sentences (examples of the corpus)."""
        return self._shards[-1].stop

    def __getitem__(self, example: int) -> NDArray[np.float32]:
        """Return the weights of one sentence by its ordinal in the corpus, float32 [heads, tokens, tokens].

        Entry ``[h, i, j]`` is how much head h at token i takes from token j.

        Raises
        ------
        RowError
            There is no such sentence.
        """
        number, at = self._place(example)
        shard = self._sentences(number)
        tokens, start = int(shard.tokens[at]), int(shard.first_pair[at])
        pairs = self._block(self.name, number)[start : start + tokens**2]
        return np.ascontiguousarray(as_float32(pairs).reshape(tokens, tokens, self.heads).transpose(2, 0, 1))

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return (self[example] for example in range(len(self)))

    def rows(self, example: int) -> NDArray[np.int64]:
        """Return which rows of the cache the tokens of a sentence are, in their order."""
        number, at = self._place(example)
        shard = self._sentences(number)
        first = self._rows_of(number) + int(shard.first_row[at])
        return np.arange(first, first + int(shard.tokens[at]))

    def _place(self, example: int) -> tuple[int, int]:
        """Return the shard of a sentence, and its place in it."""
        wanted = plain.as_whole(example)
        if wanted is None or not -len(self) <= wanted < len(self):
            raise RowError(f"Sentences are whole numbers from 0 to {len(self) - 1}. Got {example!r:.60}.")
        wanted %= len(self)
        number = int(np.searchsorted([shard.start for shard in self._shards], wanted, side="right")) - 1
        return number, wanted - self._shards[number].start

    def _rows_of(self, number: int) -> int:
        """Return how many rows there are before a shard."""
        if number not in self._rows_before:
            self._rows_before[number] = self._rows_of(number - 1) + len(self._index(number - 1))
        return self._rows_before[number]

    def _sentences(self, number: int) -> _Sentences:
        found = self._known.get(number)
        if found is None:
            spec, example = self._shards[number], self._index(number)
            starts = np.flatnonzero(np.diff(example, prepend=-1))
            tokens = np.diff([*starts, len(example)])
            pairs = np.concatenate([[0], np.cumsum(tokens**2)])
            order = np.argsort(example[starts])
            whole = np.array_equal(example[starts][order], np.arange(spec.start, spec.stop))
            if not whole or pairs[-1] != len(self._block(self.name, number)):
                raise CacheError(
                    f"Shard {number} of {self._where} is damaged: {self.name} does not hold a weight for each pair of "
                    "tokens of its index."
                )
            found = self._known[number] = _Sentences(starts[order], tokens[order], pairs[:-1][order])
        return found
