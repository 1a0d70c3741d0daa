"""Counts of n-grams as sorted arrays, one level an order: what Kneser-Ney smoothing is estimated from.

Enters: sentences of words. Leaves: :class:`Counts`. An n-gram is a node below the node of its first n - 1 words,
written as one number, ``node of the prefix * vocabulary + last word``; the sorted numbers of an order are its level,
and the place in it is the node. So a level is counted by one sort of one integer a token, and n-grams are never
objects. Surprise: below the highest order a count is that of the different words in front (``N1+(. w)`` of the paper),
and only n-grams that begin with ``<s>``, in front of which nothing stands, keep how often they occur.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.errors import InputError, UsageError

UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
MARKS = (UNKNOWN, BEGIN, END)
"""Words 0, 1 and 2 of every vocabulary that is counted."""
HIGHEST = 10

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Level:
    """The n-grams of one order, in the order of their keys.

    Attributes
    ----------
    keys : int64 array [n]
        ``node of the prefix * vocabulary + last word``; ascending. Of single words: their number.
    counts : int64 array [n]
        Adjusted: how often, or behind how many different words.
    suffix : int32 array [n]
        Node of the n-gram without its first word, one level below; of single words 0.
    """

    keys: IntArray
    counts: IntArray
    suffix: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Counts:
    """Adjusted counts of all orders.

    Attributes
    ----------
    words : tuple of str
        The vocabulary, :data:`MARKS` in front.
    levels : tuple of Level
        Order 1 first.
    frequency : int64 array [words]
        How often each word occurs.
    sentences, tokens : int
        Tokens without the two marks of a sentence.
    rare : int
        Different words that became ``<unk>``.
    """

    words: tuple[str, ...]
    levels: tuple[Level, ...]
    frequency: IntArray
    sentences: int
    tokens: int
    rare: int


def count_ngrams(sentences: Iterable[Sequence[str]], order: int, *, fewest: int = 1) -> Counts:
    """Count the n-grams of sentences, each between ``<s>`` and ``</s>``.

    Parameters
    ----------
    sentences : iterable of sequences of str
        Empty ones are passed over. ``<unk>`` is taken as an unknown word.
    order : int
        The highest.
    fewest : int
        Words that occur less often become ``<unk>``.

    Raises
    ------
    UsageError
        An order that is not 1 to :data:`HIGHEST`.
    InputError
        No words; a word that spells ``<s>`` or ``</s>``.
    """
    if not 1 <= order <= HIGHEST:
        raise UsageError(f"The `order` of n-grams must be 1 to {HIGHEST}. Got {order}.")
    words, stream, n_sentences = _numbered(sentences)
    words, stream, rare = _without_rare(words, stream, fewest)
    frequency = np.bincount(stream, minlength=len(words))
    begins = np.flatnonzero(stream == 1)
    place = np.arange(len(stream)) - np.repeat(begins, np.diff(np.append(begins, len(stream))))
    levels = _levels(stream, place, order, len(words))
    frequency[[1, 2]] = 0
    return Counts(words, levels, frequency, n_sentences, int(frequency.sum()), rare)


def _numbered(sentences: Iterable[Sequence[str]]) -> tuple[tuple[str, ...], NDArray[np.int32], int]:
    """Return the vocabulary, the text as numbers with the marks of sentences, and how many sentences there are."""
    number = {mark: i for i, mark in enumerate(MARKS)}
    numbers = array("i")
    n = 0
    for sentence in sentences:
        if not sentence:
            continue
        n += 1
        numbers.append(1)
        numbers.extend([number.setdefault(word, len(number)) for word in sentence])
        numbers.append(2)
    stream = np.frombuffer(numbers, np.int32)
    if n == 0:
        raise InputError("There is no word to count n-grams of: the text is empty. Give a text with sentences.")
    for mark in (1, 2):
        if np.count_nonzero(stream == mark) != n:
            raise InputError(
                f"A word of the text spells '{MARKS[mark]}', the mark of a sentence's edge. The marks are put by the "
                "count itself: take them out of the text."
            )
    return tuple(number), stream, n


def _without_rare(
    words: tuple[str, ...], stream: NDArray[np.int32], fewest: int
) -> tuple[tuple[str, ...], NDArray[np.int32], int]:
    if fewest <= 1:
        return words, stream, 0
    kept = np.bincount(stream, minlength=len(words)) >= fewest
    kept[: len(MARKS)] = True
    renumbered = np.where(kept, np.cumsum(kept) - 1, 0).astype(np.int32)
    return tuple(np.array(words, object)[kept].tolist()), renumbered[stream], int((~kept).sum())


def _levels(stream: NDArray[np.int32], place: IntArray, order: int, n_words: int) -> tuple[Level, ...]:
    raw = np.bincount(stream, minlength=n_words)
    raw[1] = 0  # nothing predicts <s>
    keys, suffix = np.arange(n_words), np.zeros(n_words, np.int32)
    levels = []
    before = stream
    """Node, one level below, of the n-gram that ends at each token."""
    for n in range(2, order + 1):
        ends = np.flatnonzero(place >= n - 1)
        found, inverse, occurs = np.unique(
            before[ends - 1].astype(np.int64) * n_words + stream[ends], return_inverse=True, return_counts=True
        )
        shorter = np.empty(len(found), np.int32)
        shorter[inverse] = before[ends]
        # What stands behind <s> is preceded by that alone, and has no words in front to count.
        adjusted = np.bincount(shorter, minlength=len(keys))
        first = before[place == n - 2] if n > 2 else np.empty(0, np.int32)
        adjusted[first] = raw[first]
        levels.append(Level(keys, adjusted, suffix))
        keys, suffix, raw = found, shorter, occurs
        before = np.full(len(stream), -1, np.int32)
        before[ends] = inverse
    return (*levels, Level(keys, raw, suffix))
