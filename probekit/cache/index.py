"""What the rows of a cache are: :class:`CacheIndex`, columns of whole numbers, one number a row.

A cache, or a model that has just read some texts, gives one; what looks rows up takes it, and does not ask from where.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.cache.keep import EVERY_TOKEN, Keep


@dataclass(frozen=True, slots=True)
class CacheIndex:
    """What each row is: int32 arrays [rows].

    Attributes
    ----------
    example : ndarray
        Ordinal of the example in the corpus.
    word : ndarray
        Ordinal of the word in the example, the first where a row stands for several; -1 for special tokens.
    token : ndarray
        Token id; -1 where a row pools several tokens.
    count, stop : ndarray, optional
        Of a cache whose rows pool tokens: of how many (0: no token covers the place, and the row is zeros), and the
        word behind the last that the row stands for.
    keep : Keep
        Which rows there are.
    """

    example: NDArray[np.int32]
    word: NDArray[np.int32]
    token: NDArray[np.int32]
    count: NDArray[np.int32] | None = None
    stop: NDArray[np.int32] | None = None
    keep: Keep = EVERY_TOKEN


def index_of(columns: Sequence[NDArray[np.int32]], keep: Keep) -> CacheIndex:
    """Return the index of some rows from its columns, in the order of the index tensors."""
    example, word, token, *pooled = columns
    count, stop = pooled if pooled else (None, None)
    return CacheIndex(example, word, token, count, stop, keep)


def columns_of(index: CacheIndex) -> dict[str, NDArray[np.int32]]:
    """Return the columns that there are by name, in the order of the index tensors."""
    named = {name: getattr(index, name) for name in ("example", "word", "token", "count", "stop")}
    return {name: column for name, column in named.items() if column is not None}
