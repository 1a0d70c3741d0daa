"""Every way of a model to align, on every pair, and which of them dev chooses.

Enters: the cross-attention of pairs with gold links. Leaves: :class:`Aligned`, counts of each head and mean, in rows
that read a word and in rows that predict it; and the weights between words of chosen ways, to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.attention.alignment.links import counts_of, error_rate, links_of
from probekit.attention.alignment.pairs import AlignedPair
from probekit.attention.words import between_words

if TYPE_CHECKING:
    from probekit.models.runtime.cross_attention import Crossed

Floats = NDArray[np.float64]
Progress = Callable[[float, str], object]


class Way(NamedTuple):
    """What links words.

    Attributes
    ----------
    block : int
        From 1; 0: all of them.
    head : int or None
        From 0; None: the mean of the heads.
    rows : str
        Whether rows ``reads`` or ``predicts``.
    """

    block: int
    head: int | None
    rows: str

    @property
    def named(self) -> str:
        """Its name in a report, beside its block."""
        if self.head is not None:
            return f"head {self.head}"
        return "mean of the heads" if self.block else "mean of all blocks"


@dataclass(frozen=True, slots=True)
class Aligned:
    """What every way made of every pair.

    Attributes
    ----------
    ways : tuple of Way
    counts : float64 array [ways, pairs, 4]
        Of :func:`~probekit.attention.alignment.links.counts_of`; 0 of pairs that were not read.
    read : bool array [pairs]
    """

    ways: tuple[Way, ...]
    counts: Floats
    read: NDArray[np.bool_]

    def best(self, pairs: Sequence[int]) -> int:
        """Return the place of the head, no mean, with the lowest error rate on some pairs, the first of equals."""
        heads = [place for place, way in enumerate(self.ways) if way.head is not None]
        return heads[int(np.nanargmin(error_rate(self.counts[np.ix_(heads, list(pairs))].sum(1))))]


def aligned(
    crossed: Iterable[Crossed | None], pairs: Sequence[AlignedPair], progress: Progress | None = None
) -> Aligned:
    """Count what every way gets right of every pair."""
    ways: tuple[Way, ...] = ()
    columns: list[list[Floats]] = []
    for done, (pair, seen) in enumerate(zip(pairs, crossed, strict=True), start=1):
        its = []
        if seen is not None:
            ways = ways or _ways(*seen.weights.shape[:2])
            its = [counts_of(links, pair) for _, weights in _between(seen, pair) for links in links_of(weights)]
        columns.append(its)
        if progress is not None:
            progress(done / len(pairs), f"pair {done:,}")
    nothing = [np.zeros(4)] * len(ways)
    counts = np.stack([np.array(its or nothing).reshape(-1, 4) for its in columns], axis=1)
    return Aligned(ways, counts, np.array([bool(its) for its in columns]))


def grid_of(number: int, pair: AlignedPair, seen: Crossed, ways: Sequence[Way]) -> dict[str, Any]:
    """Return a pair with the weights between its words in some ways, as JSON holds it; weights have four digits.

    Parameters
    ----------
    number : int
        Line of the pair in its file.
    """
    blocks, heads = seen.weights.shape[:2]
    found = {
        way: weights[place]
        for rows, weights in _between(seen, pair)
        for place, way in enumerate(_ways_of(blocks, heads, rows))
        if way in ways
    }
    return {
        "pair": number,
        "source": list(pair.source),
        "target": list(pair.target),
        "sure": sorted(map(list, pair.sure)),
        "possible": sorted(map(list, pair.possible)),
        "weights": [
            [[None if value != value else round(float(value), 4) for value in row] for row in found[way]]
            for way in ways
        ],
    }


def _ways_of(blocks: int, heads: int, rows: str) -> list[Way]:
    return [
        *(Way(block, head, rows) for block in range(1, blocks + 1) for head in (*range(heads), None)),
        Way(0, None, rows),
    ]


def _ways(blocks: int, heads: int) -> tuple[Way, ...]:
    from probekit.models.runtime.cross_attention import PREDICTS, READS

    return tuple(way for rows in (READS, PREDICTS) for way in _ways_of(blocks, heads, rows))


def _between(seen: Crossed, pair: AlignedPair) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield the weights between words in the order of :func:`_ways_of`, for rows that read and rows that predict."""
    from probekit.models.runtime.cross_attention import PREDICTS, READS

    sizes = len(pair.target), len(pair.source)
    for rows in (READS, PREDICTS):
        heads = seen.rows(rows)
        both = np.concatenate([heads, heads.mean(1, keepdims=True)], axis=1)  # [blocks, heads + 1, target, source]
        every = np.concatenate([both.reshape(-1, *both.shape[2:]), heads.mean((0, 1))[None]])
        yield rows, between_words(every, (seen.target, seen.source), sizes)
