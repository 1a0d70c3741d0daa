"""Whole words as the tokens of a model: one row a word, no special tokens.

Enters: sequences of words. Leaves: one :class:`~probekit.models.tokens.align.Encoded` each. A word is looked
up by its form, then by its lower-cased form (GloVe's files are lower-cased). Surprise: a word that has
neither is not left out but given one vector, the mean of all, because models are put side by side, and
their scores can be compared only over the same targets: a table that dropped its rare words would be
scored on easier ones than the model beside it. How many words that were is counted, the first few named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from probekit.errors import UsageError
from probekit.models.tokens.align import Encoded


class Encoder(Protocol):
    """What turns words into the ids a model reads; :class:`~probekit.models.tokens.align.Aligner` is one."""

    @property
    def textless(self) -> tuple[int, ...]:
        """Ids of pieces without text."""

    def encode_words(self, sentences: Sequence[Sequence[str]]) -> list[Encoded]:
        """Encode sentences given as words."""

    def encode_text(self, items: Sequence[tuple[str, Sequence[str]]]) -> list[Encoded]:
        """Encode surface texts, and find each one's words in it."""


class WordEncoder:
    """Looks words up.

    Parameters
    ----------
    rows : mapping of str to int
        Row of each known word.
    mean_row : int
        Row that words without a vector are given.
    """

    def __init__(self, rows: Mapping[str, int], mean_row: int) -> None:
        self.rows = rows
        self.mean_row = mean_row

    @property
    def textless(self) -> tuple[int, ...]:
        """None: every token is a word."""
        return ()

    def encode_words(self, sentences: Sequence[Sequence[str]]) -> list[Encoded]:
        """Give every word its row."""
        return [self._encode(words) for words in sentences]

    def encode_text(self, items: Sequence[tuple[str, Sequence[str]]]) -> list[Encoded]:
        """Refuse: between the words of a text there is nothing to look up.

        Raises
        ------
        UsageError
        """
        raise UsageError("A table of word vectors reads words, not surface text. Leave out --input text.")

    def _encode(self, words: Sequence[str]) -> Encoded:
        ids = np.empty(len(words), np.int32)
        lowered: list[int] = []
        vectorless: list[int] = []
        for place, word in enumerate(words):
            row = self.rows.get(word)
            if row is None:
                row = self.rows.get(word.lower(), self.mean_row)
                (vectorless if row == self.mean_row else lowered).append(place)
            ids[place] = row
        return Encoded(
            ids,
            np.arange(len(words), dtype=np.int32),
            prefix=0,
            suffix=0,
            lowered=tuple(lowered),
            vectorless=tuple(vectorless),
        )
