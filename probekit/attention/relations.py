"""Which head follows which relation: heads as classifiers that point from one word to another.

Enters: pairs of words with the name of their relation, and the attention between the words of every sentence. Leaves:
of every pair, in both directions, which heads point right. Surprise: a head is asked where it looks, not which of two
words it prefers, so chance is one in as many words as the sentence has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from probekit.example import SPLITS
from probekit.features import TargetTable

DIRECTIONS = ("first to second", "second to first")
REACH = 10
"""Fixed offsets that are tried: as many words to either side."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)


def points_right(attention: Floats, spans: Ints) -> Bools:
    """Return which heads look from one span of a pair at the other, bool [pairs, 2, heads].

    A span looks at the word outside of it that takes most of the mean attention of its words, and is right where that
    word lies in the other one.

    Parameters
    ----------
    attention : float32 array [heads, n, n]
        Between the words of a sentence, of :func:`~probekit.attention.words.word_attention`.
    spans : int64 array [pairs, 2, 2]
        Half-open ranges of words.

    References
    ----------
    Clark et al. 2019, https://arxiv.org/abs/1906.04341, section 4.2
    """
    right = np.zeros((len(spans), 2, attention.shape[0]), bool)
    known: dict[tuple[int, int], Ints] = {}
    for pair, both in enumerate(spans.tolist()):
        for direction, (source, goal) in enumerate((both, both[::-1])):
            span = (source[0], source[1])
            if span not in known:
                known[span] = looked_at(attention, span)
            right[pair, direction] = (known[span] >= goal[0]) & (known[span] < goal[1])
    return right


def looked_at(attention: Floats, span: tuple[int, int]) -> Ints:
    """Return at which word outside of a span it looks most, int64 [heads]; -1: at none.

    Parameters
    ----------
    attention : float32 array [heads, n, n]
    span : (int, int)
        Half-open range of words.
    """
    start, stop = span
    taken = np.nan_to_num(attention[:, start:stop].sum(axis=1))  # a word without a token is NaN
    taken[:, start:stop] = 0
    best: Ints = taken.argmax(axis=1).astype(np.int64)
    best[taken.max(axis=1) <= 0] = -1
    return best


@dataclass(frozen=True, slots=True)
class Pairs(Generic[T]):
    """The pairs of one part, with something of every head between their two spans.

    Attributes
    ----------
    relations : object array [n]
    sentences : int64 array [n]
        Ordinal of each one's sentence.
    offsets : int64 array [n]
        Words from the start of the first span to that of the second; negative: the second stands before it.
    by_head : array [n, 2, heads]
        From the first span to the second, and back: whether each head points right (:func:`points_right`; a word with
        several dependents points to one of them), or the weight that it gives.
    """

    relations: NDArray[np.object_]
    sentences: Ints
    offsets: Ints
    by_head: NDArray[T]

    @classmethod
    def parts(cls, table: TargetTable, by_head: NDArray[T], kept: Bools) -> dict[str, Pairs[T]]:
        """Return the pairs of dev and test that are kept, bool [targets], with what the rows have of every head."""
        found = {}
        for split in SPLITS[1:]:
            rows = np.flatnonzero(kept & (table.split == SPLITS.index(split)))
            relations = np.array([str(table.labels[row]) for row in rows], object)
            starts = table.spans[rows, :, 0]
            found[split] = cls(relations, table.example[rows], starts[:, 1] - starts[:, 0], by_head[rows])
        return found

    def of(self, relation: str) -> Pairs[T]:
        """Return the pairs of one relation."""
        rows = self.relations == relation
        return Pairs(self.relations[rows], self.sentences[rows], self.offsets[rows], self.by_head[rows])

    def __len__(self) -> int:
        return len(self.relations)


@dataclass(frozen=True, slots=True)
class Choice:
    """What does best on the part that chooses.

    Attributes
    ----------
    direction : int
        Index into :data:`DIRECTIONS`.
    head : int
        Among all heads of all blocks.
    share : float
        Of the pairs of that part on which it points right.
    offset : int
        The fixed offset that does best.
    offset_share : float
    """

    direction: int
    head: int
    share: float
    offset: int
    offset_share: float


def choose(pointed: Pairs[np.bool_]) -> Choice:
    """Return the head, its direction and the fixed offset that do best on some pairs; the first of equals."""
    shares = pointed.by_head.mean(axis=0)  # [2, heads]
    direction, head = np.unravel_index(int(shares.argmax()), shares.shape)
    return Choice(int(direction), int(head), float(shares[direction, head]), *best_offset(pointed.offsets))


def best_offset(offsets: Ints) -> tuple[int, float]:
    """Return the fixed offset that is right most often, up to :data:`REACH` words either way, and how often it is."""
    tried = [offset for distance in range(1, REACH + 1) for offset in (-distance, distance)]
    shares = [float((offsets == offset).mean()) for offset in tried]
    best = int(np.argmax(shares))
    return tried[best], shares[best]


def frequent(parts: Sequence[Pairs[Any]], least: int) -> tuple[list[str], Counter[str]]:
    """Return the relations of which every part has enough, most frequent first, and how many pairs the others have."""
    counts = [Counter(part.relations.tolist()) for part in parts]
    total = sum(counts, Counter())
    enough = [name for name in total if all(count[name] >= least for count in counts)]
    few = Counter({name: n for name, n in total.items() if name not in enough})
    return sorted(enough, key=lambda name: (-total[name], name)), few
