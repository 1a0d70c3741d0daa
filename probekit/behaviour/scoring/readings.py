"""Texts as tokens that are to be scored, and what is said of them: tokens, words, regions.

Enters: plain texts and a tokenizer. Leaves: a :class:`Reading` each, and once a model has read it a :class:`Scores`. No
torch. A token belongs to the word, and to the region, in which its first character stands that is no space: byte-level
tokens carry the space before their word, and a token of spaces alone belongs to what follows it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from probekit.models.tokens.tokenizer import Backend, Pieces

IntArray = NDArray[np.int32]
FloatArray = NDArray[np.float64]
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as the model reads it, without special tokens.

    Attributes
    ----------
    text : str
    ids, start, stop, word, piece : int32 arrays [tokens]
        ``start`` and ``stop`` in characters, spaces around a token left out; ``word`` counts the words between white
        space, -1 behind the last; ``piece`` those that the tokenizer itself keeps apart (punctuation is one).
    source : str
        What the encoder of an encoder-decoder reads.
    source_ids : int32 array
        Its tokens.
    first, last : int
        Tokens to score, ``first <= place < last``; the others are context.
    unknown : int
        Tokens that are the unknown one.
    """

    text: str
    ids: IntArray
    start: IntArray
    stop: IntArray
    word: IntArray
    piece: IntArray
    first: int
    last: int
    source: str = ""
    source_ids: IntArray = field(default_factory=lambda: np.zeros(0, np.int32))
    unknown: int = 0

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What the scores of one model depend on."""
        return self.text, self.source, self.first, self.last


def read_texts(
    backend: Backend,
    texts: Sequence[str],
    *,
    sources: Sequence[str] = (),
    spans: Sequence[tuple[int, int] | None] = (),
) -> list[Reading]:
    """Tokenize texts.

    Parameters
    ----------
    backend : Backend
    texts : sequence of str
    sources : sequence of str, optional
        What the encoder reads of each.
    spans : sequence of (int, int) or None, optional
        The characters of each that are to be scored; None: all.
    """
    read = backend.pieces(texts)
    behind = backend.pieces(sources) if sources else []
    found = []
    for place, (text, pieces) in enumerate(zip(texts, read, strict=True)):
        span = spans[place] if spans else None
        source = np.array(behind[place].ids, np.int32) if sources else np.zeros(0, np.int32)
        found.append(_reading(text, pieces, span, (sources[place] if sources else "", source), backend.unknown))
    return found


def _reading(
    text: str, pieces: Pieces, span: tuple[int, int] | None, source: tuple[str, IntArray], unknown: int | None
) -> Reading:
    start = np.array([_past_spaces(text, *offsets) for offsets in pieces.offsets], np.int32)
    stop = np.array([stop for _, stop in pieces.offsets], np.int32)
    ends = np.array([match.end() for match in _WORD.finditer(text)], np.int32)
    word = np.searchsorted(ends, start, side="right").astype(np.int32)
    word[word == len(ends)] = -1
    piece = np.array([-1 - place if name is None else name for place, name in enumerate(pieces.words)], np.int32)
    inside = np.flatnonzero((start >= span[0]) & (start < span[1])) if span else np.arange(len(start))
    first, last = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)
    ids = np.array(pieces.ids, np.int32)
    lost = 0 if unknown is None else int((ids == unknown).sum())
    return Reading(text, ids, start, np.maximum(stop, start), word, piece, first, last, *source, lost)


def _past_spaces(text: str, start: int, stop: int) -> int:
    while start < len(text) and text[start].isspace():
        start += 1
    return start if start < len(text) else stop


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model says of a text.

    Attributes
    ----------
    reading : Reading
    logprob : float64 array [tokens]
        Nats; NaN of a token that was not scored, as the first is where nothing stands before it.
    best : bool array [tokens]
        Whether no other token was likelier there.
    end : float or None
        Log-probability of the closing token, where that is scored.
    """

    reading: Reading
    logprob: FloatArray
    best: NDArray[np.bool_]
    end: float | None = None

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Which tokens have a score."""
        return ~np.isnan(self.logprob)

    @property
    def n_tokens(self) -> int:
        """Scored tokens, a closing one among them."""
        return int(self.scored.sum()) + (self.end is not None)

    @property
    def n_words(self) -> int:
        """Words with a scored token."""
        return len(np.unique(self.reading.word[self.scored]))

    @property
    def total(self) -> float:
        """Sum over the scored tokens; NaN where there is none."""
        return float(np.nansum(self.logprob)) + (self.end or 0.0) if self.n_tokens else math.nan

    def region(self, start: int, stop: int) -> float:
        """Sum over the tokens that begin in ``text[start:stop]``; NaN where one of them has no score."""
        return float(self.logprob[self._inside(start, stop)].sum())

    def within(self, spans: Sequence[tuple[int, int]]) -> Scores:
        """Return the scores of the tokens that begin in these parts of the text alone, without the closing one."""
        inside = np.zeros(len(self.logprob), bool)
        for span in spans:
            inside |= self._inside(*span)
        return replace(self, logprob=np.where(inside, self.logprob, np.nan), end=None)

    def surprisals(self) -> list[tuple[str, float | None]]:
        """Return the words between white space with their surprisal in nats; None of one with an unscored token."""
        reading = self.reading
        found: list[tuple[str, float | None]] = []
        for number, match in enumerate(_WORD.finditer(reading.text)):
            parts = self.logprob[reading.word == number]
            found.append((match[0], None if not len(parts) or np.isnan(parts).any() else -float(parts.sum())))
        return found

    def _inside(self, start: int, stop: int) -> NDArray[np.bool_]:
        return (self.reading.start >= start) & (self.reading.start < stop)
