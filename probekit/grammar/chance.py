"""Portable randomness: every draw is made from ``random.Random.random()`` alone.

Python promises the same sequence of ``random()`` for the same seed on every platform and version;
it makes no such promise for ``choice``, ``shuffle`` or ``sample``, which are therefore not used.
Seeds are strings (hashed by ``random.Random`` with SHA-512), so nothing depends on ``PYTHONHASHSEED``.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")


class Table(Generic[T]):
    """Items with weights, prepared for :meth:`Chance.draw`."""

    __slots__ = ("cumulative", "items", "total")

    def __init__(self, weighted: Iterable[tuple[float, T]]) -> None:
        pairs = list(weighted)
        self.items: list[T] = [item for _, item in pairs]
        self.cumulative: list[float] = list(accumulate(weight for weight, _ in pairs))
        self.total = self.cumulative[-1]


class Chance:
    """A stream of draws fixed by its seed."""

    __slots__ = ("random",)

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed).random

    def happens(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.random() < probability

    def pick(self, items: Sequence[T]) -> T:
        """Return one of the items, all equally likely."""
        return items[int(self.random() * len(items))]

    def draw(self, table: Table[T]) -> T:
        """Return one of the table's items by its weight."""
        return table.items[bisect_right(table.cumulative, self.random() * table.total)]
