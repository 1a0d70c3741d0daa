"""N-gram models in back-off form: what an ARPA file holds, and how it scores.

Enters: sentences of words. Leaves: log-probabilities in nats. An n-gram that is in the model has its own; else its
context's back-off weight is added to the log-probability in the next shorter context. All tokens of all sentences are
looked up at once, an order at a time. Surprise: ``</s>`` is predicted as a word is (``end=False`` leaves it out), and
``<s>`` is only ever a context (``begin=False`` leaves that out).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.behaviour.baselines.counting import BEGIN, END, UNKNOWN
from probekit.behaviour.baselines.unigram import UnigramModel

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class NgramModel:
    """An n-gram model.

    Attributes
    ----------
    words : tuple of str
        The vocabulary with ``<s>`` and ``</s>``; open where ``<unk>`` is in it.
    keys : tuple of int64 arrays
        Of orders 2 and up: the n-grams as ``node of the prefix * vocabulary + last word``, ascending. A node is a place
        in the order below.
    logprobs : tuple of float32 arrays
        Of each order, natural logarithms; of ``<s>`` minus infinity.
    backoffs : tuple of float32 arrays
        Of each order but the highest.
    unigram : UnigramModel or None
        Frequencies of the words in the text it was trained on; None where that is not at hand. They are not its own
        probabilities of single words, which say behind how many words one is found.
    notes : tuple of str
        What was left to a fallback or counted as unknown, a sentence each.
    """

    words: tuple[str, ...]
    keys: tuple[NDArray[np.int64], ...]
    logprobs: tuple[NDArray[np.float32], ...]
    backoffs: tuple[NDArray[np.float32], ...]
    unigram: UnigramModel | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def order(self) -> int:
        """The longest n-grams' length."""
        return len(self.logprobs)

    @property
    def sizes(self) -> tuple[int, ...]:
        """N-grams of each order."""
        return tuple(len(found) for found in self.logprobs)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        arrays: tuple[NDArray[Any], ...] = (*self.keys, *self.logprobs, *self.backoffs)
        return sum(found.nbytes for found in arrays)

    @cached_property
    def _number(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words)}

    def unknown(self, words: Sequence[str]) -> list[str]:
        """Return the words of a sentence that are not in the vocabulary, in their order; ``<unk>`` itself is one."""
        return [word for word in words if word not in self._number or word == UNKNOWN]

    def score(self, words: Sequence[str], *, begin: bool = True, end: bool = True) -> float:
        """Return the log-probability of a sentence in nats, as :meth:`logprobs_of` adds up."""
        return float(self.logprobs_of([words], begin=begin, end=end)[0].sum())

    def logprobs_of(
        self, sentences: Sequence[Sequence[str]], *, begin: bool = True, end: bool = True
    ) -> list[FloatArray]:
        """Return the log-probability of every word of sentences given the words before it, in nats.

        Parameters
        ----------
        sentences : sequence of sequences of str
        begin : bool
            The first word is one behind ``<s>``; else it has no context.
        end : bool
            ``</s>`` is predicted too, as the last entry.

        Returns
        -------
        list of float64 arrays
            One a sentence. Minus infinity for an unknown word where the vocabulary is closed; else ``<unk>`` has its
            place, as a word and as context.
        """
        known, other = self._number, self._number.get(UNKNOWN, -1)
        head, tail = [known[BEGIN]] * begin, [known[END]] * end
        rows = [head + [known.get(word, other) for word in sentence] + tail for sentence in sentences]
        sizes = np.array([len(row) for row in rows], np.int64)
        tokens = np.array([token for row in rows for token in row], np.int64)
        place = np.arange(len(tokens)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        values = self._values(tokens, place)
        return [row[begin:] for row in np.split(values, np.cumsum(sizes)[:-1])] if rows else []

    def _values(self, tokens: NDArray[np.int64], place: NDArray[np.int64]) -> FloatArray:
        """Return the log-probability of each token [n]; ``place`` counts from the first one of its sentence."""
        values = np.where(tokens < 0, -np.inf, self.logprobs[0][tokens].astype(np.float64))
        nodes = tokens
        for n, (keys, logprobs, backoffs) in enumerate(
            zip(self.keys, self.logprobs[1:], self.backoffs, strict=True), 2
        ):
            behind = np.flatnonzero(place >= n - 1)
            behind = behind[nodes[behind - 1] >= 0]
            context = nodes[behind - 1]
            found = find(keys, context, tokens[behind], len(self.words))
            values[behind] = np.where(found >= 0, logprobs[found], values[behind] + backoffs[context])
            nodes = np.full(len(tokens), -1)
            nodes[behind] = found
        return values


def find(
    keys: NDArray[np.int64], prefix: NDArray[np.int64], word: NDArray[np.int64], n_words: int
) -> NDArray[np.int64]:
    """Return the nodes of n-grams among the keys of their order; -1 for those that are not there or have no word."""
    if not len(keys):
        return np.full(len(prefix), -1)
    wanted = prefix * n_words + word
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where((keys[at] == wanted) & (word >= 0), at, -1)
