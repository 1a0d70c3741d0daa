"""How frequent the words of a sentence are, and nothing else: the floor that word order is above.

Enters: words with how often they occur. Leaves: log-probabilities. Surprise: one is added to every count and one word
more, the unknown one, is in the vocabulary, so that each word has a finite score.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from probekit.errors import InputError


@dataclass(frozen=True)
class UnigramModel:
    """Relative frequencies of words, ``(count + 1) / (tokens + words + 1)``.

    Attributes
    ----------
    words : tuple of str
    counts : int64 array [words]
        Words of count 0 (the marks of a sentence) are not known, and not in the vocabulary.
    """

    words: tuple[str, ...]
    counts: NDArray[np.int64]

    @classmethod
    def train(cls, sentences: Iterable[Sequence[str]]) -> UnigramModel:
        """Count the words of sentences.

        Raises
        ------
        InputError
            No words.
        """
        found = Counter(chain.from_iterable(sentences))
        if not found:
            raise InputError("There is no word to count: the text is empty. Give a text with sentences.")
        return cls(tuple(found), np.array(list(found.values()), np.int64))

    @cached_property
    def _logprob(self) -> dict[str, float]:
        known = self.counts > 0
        logs = np.log1p(self.counts) - np.log(self._total)
        return {word: log for word, log, its in zip(self.words, logs.tolist(), known.tolist(), strict=True) if its}

    @cached_property
    def _total(self) -> float:
        return float(self.counts.sum() + (self.counts > 0).sum() + 1)

    def logprobs_of(self, words: Sequence[str]) -> NDArray[np.float64]:
        """Return the log-probability of each word, in nats."""
        unknown = -float(np.log(self._total))
        return np.array([self._logprob.get(word, unknown) for word in words], np.float64)

    def score(self, words: Sequence[str]) -> float:
        """Return the log-probability of a sentence as a bag of words, in nats."""
        return float(self.logprobs_of(words).sum())

    def unknown(self, words: Sequence[str]) -> list[str]:
        """Return the words of a sentence that were never counted, in their order."""
        return [word for word in words if word not in self._logprob]
